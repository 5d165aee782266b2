//! A whole answer, whatever dialect it came in.

use std::borrow::Cow;

use super::part::Part;
use crate::canonical::Usage;
use crate::json::{Document, write};

pub use crate::canonical::FinishKind as Finish;

/// One choice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice<'a> {
    /// What the model said, in order.
    pub parts: Vec<Part<'a>>,
    /// Why it ended.
    pub finish: Option<Finish>,
    /// Log probabilities in OpenAI's chat form (`{"content": [...]}`), JSON.
    pub logprobs: Option<Cow<'a, str>>,
}

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatAnswer<'a> {
    /// The answer's id at the upstream; empty where it has none.
    pub id: Cow<'a, str>,
    /// The model that answered, as the upstream names it; empty where it does not.
    pub model: Cow<'a, str>,
    /// When, in seconds since 1970.
    pub created: Option<u64>,
    /// The choices, in order.
    pub choices: Vec<Choice<'a>>,
    /// Tokens, where counted.
    pub usage: Option<Usage>,
}

/// Log probabilities in OpenAI's chat form, of these items, a JSON array.
pub(crate) fn logprobs_of(items: &str) -> String {
    let mut out = String::with_capacity(32 + items.len());
    write::braces(&mut out, |out| {
        write::raw(out, "content", items);
        write::raw(out, "refusal", "null");
    });
    out
}

/// The items of such, a JSON array.
pub(crate) fn logprob_items(json: &str) -> Option<String> {
    let document = Document::parse(json.as_bytes()).ok()?;
    let items = document.root().get("content")?;
    (!items.is_null()).then(|| items.raw().to_owned())
}
