//! The body of a chat request in the making.

use std::borrow::Cow;

use super::traits::Traits;
use crate::exchange::Draft;

/// Why something is lost that only the client's own dialect knows.
pub(super) const UNKNOWN: &str = "it is not a known field of chat completions";

/// A body being written, and the ways of its target.
pub(super) type Body<'o> = Draft<'o, &'static Traits>;

/// Texts as one; borrowed where there is only one.
pub(super) fn joined<'t>(mut texts: impl Iterator<Item = &'t str>) -> Cow<'t, str> {
    let first = Cow::Borrowed(texts.next().unwrap_or_default());
    texts.fold(first, |said, more| said + more)
}
