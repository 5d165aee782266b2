//! Which call a fragment of a stream belongs to. Servers differ: most number their calls, some give
//! every fragment the call's id, some neither; some give all parallel calls the number 0, or send
//! an id with each fragment of one call.

use std::collections::HashMap;

/// The calls of a choice, in the order of their beginning. An upstream may send very many, so each
/// is found by what names it.
#[derive(Debug, Default)]
pub(super) struct Called {
    calls: Vec<Call>,
    /// The call that the last fragment of each of the server's numbers belonged to.
    by_index: HashMap<u32, usize>,
    /// The last call of each of the server's ids.
    by_id: HashMap<String, usize>,
    /// The call that the last fragment belonged to.
    last: Option<usize>,
}

#[derive(Debug)]
struct Call {
    /// The server's id; empty where it has given none.
    id: String,
    /// The server's number, where its first fragment has one.
    index: Option<u32>,
    named: bool,
}

impl Called {
    /// The place of the call that a fragment belongs to: a new one where it begins one. The fragment
    /// tells a number, an id (empty where it has none), and perhaps the tool's name.
    pub(super) fn of(&mut self, index: Option<u32>, id: &str, named: bool) -> usize {
        let at = self.known(index, id, named).unwrap_or(self.calls.len());
        if at == self.calls.len() {
            self.calls.push(Call {
                id: String::new(),
                index,
                named: false,
            });
        }
        let call = &mut self.calls[at];
        call.named |= named;
        if call.id.is_empty() && !id.is_empty() {
            call.id = id.to_owned();
            self.by_id.insert(id.to_owned(), at);
        }
        self.last = Some(at);
        if let Some(index) = index {
            self.by_index.insert(index, at);
        }
        at
    }

    /// The server's id of the call at that place; empty where it has given none.
    pub(super) fn id(&self, at: usize) -> &str {
        self.calls.get(at).map_or("", |call| &call.id)
    }

    fn known(&self, index: Option<u32>, id: &str, named: bool) -> Option<usize> {
        let of_id = self.by_id.get(id).copied().filter(|at| {
            // Some servers give all calls of an answer one id, and number them.
            let own = self.calls[*at].index;
            own.is_none() || index.is_none() || own == index
        });
        of_id.or_else(|| match index {
            Some(index) => self.by_index.get(&index).copied().filter(|at| {
                let own = &self.calls[*at].id;
                // A name and another id: another call under the same number.
                !named || id.is_empty() || own.is_empty() || own == id
            }),
            None if !id.is_empty() => None,
            None => self.last.filter(|at| !named || !self.calls[*at].named),
        })
    }
}
