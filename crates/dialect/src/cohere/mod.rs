//! Cohere's chat, version 2, as its Python SDK's types have it (`cohere` 7.3.1). What clients speak
//! is in [`client`].

mod answer;
mod calls;
pub(crate) mod client;
pub(crate) mod format;
mod loss;
mod media;
mod message;
mod names;
mod result;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod write;

pub(crate) use answer::{citation, logprob_items};
pub(crate) use calls::Calls;
pub(crate) use media::url as media_url;
pub(crate) use names::Names;
pub(crate) use write::{Body, NO_PARAMETERS, chat, unlabelled};
