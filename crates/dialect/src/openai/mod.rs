//! OpenAI's dialect: chat completions and completions, as OpenAI documents them and as vLLM
//! and its kin extend them.

pub mod convert;
pub mod error;
pub mod models;

mod body;
mod choices;
mod edit;
mod fields;
mod fold;
mod message;
mod payload;
mod prompt;
mod request;
mod rewrite;
mod unfold;

pub use body::BodyChange;
pub use edit::{EditError, TextEdit};
pub use payload::{
    Payload, PayloadError, StreamItem, TextDelta, UpstreamErrorBody, is_done_marker,
};
pub use request::{Request, RequestError};
