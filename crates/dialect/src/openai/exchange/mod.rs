//! Chat completions to and from the typed form that crosses between dialects: OpenAI's own,
//! and as Mistral and the engines (vLLM, SGLang, llama.cpp and kin) differ from it.
//!
//! Sources of the shapes: the types of OpenAI's and Mistral's Python clients, vLLM's request
//! model, LiteLLM's `thinking_blocks` and OpenRouter's `reasoning_details`.

mod answer_read;
mod answer_write;
mod calls;
mod extras;
mod media;
mod object;
mod read;
mod read_message;
mod read_part;
mod read_tools;
mod reasoning;
mod stream_read;
mod stream_write;
#[cfg(test)]
mod tests;
mod traits;
mod write;
mod write_message;
mod write_part;
mod write_tools;

pub(crate) use answer_read::read_answer;
pub(crate) use answer_write::write_answer;
pub(crate) use read::read_request;
pub(crate) use stream_read::StreamReader;
pub(crate) use stream_write::StreamWriter;
pub(crate) use write::write_request;
pub(crate) use write_tools::schema;
