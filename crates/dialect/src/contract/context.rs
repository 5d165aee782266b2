//! What writers of answers and streams are told.

use std::sync::Arc;

use crate::fit::back::{Back, Seen};

/// What a translated answer says where the upstream says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerContext {
    /// An id, without a prefix: letters and digits.
    pub id: String,
    /// The model, as the client named it.
    pub model: String,
    /// Now, in seconds since 1970.
    pub created: u64,
    /// The client's request had tools of its own that matter to the answer's form; JSON of the
    /// request's fields that the answer repeats (OpenAI's responses), an object or empty.
    pub echo: String,
    /// What has to be undone in the answer, of the request that was translated for its upstream.
    pub back: Arc<Back>,
    /// What was seen in the answer that an operator should know of.
    pub seen: Arc<Seen>,
}
