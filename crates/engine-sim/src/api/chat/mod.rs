//! `/v1/chat/completions`: the request read, the answer written whole or in chunks.

mod chunks;
mod request;
mod whole;

pub(crate) use chunks::ChatEvents;
pub(crate) use request::{ChatRequest, messages};
pub(crate) use whole::whole;

use serde::Serialize;

/// A call's function; a fragment of a stream has no name.
#[derive(Serialize)]
struct Function {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arguments: String,
}
