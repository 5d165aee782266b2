//! Which calls of tools a conversation has made, so that no result stands alone.

use std::collections::BTreeMap;

use crate::exchange::{Inexpressible, ToolCall, ToolResult};

/// The calls so far, by id.
#[derive(Debug, Default)]
pub(crate) struct Calls<'r> {
    /// None where the call could not be written.
    known: BTreeMap<&'r str, Option<&'r ToolCall<'r>>>,
}

impl<'r> Calls<'r> {
    /// Notes a call, and whether it has been written.
    pub(crate) fn note(&mut self, call: &'r ToolCall<'r>, written: bool) {
        self.known.insert(&call.id, written.then_some(call));
    }

    /// The call of a result; none where it was made but could not be written.
    ///
    /// # Errors
    ///
    /// When no message before the result makes the call.
    pub(crate) fn of(
        &self,
        result: &ToolResult<'_>,
        at: usize,
    ) -> Result<Option<&'r ToolCall<'r>>, Inexpressible> {
        let known = self.known.get(result.call_id.as_ref());
        known
            .copied()
            .ok_or_else(|| Inexpressible::dangling(format!("messages[{at}]")))
    }
}
