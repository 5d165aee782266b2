//! OpenAI's embeddings: texts in, vectors out; and the same at upstreams of another form.

mod answer;
mod prompt;
mod write;

pub use answer::translate_embeddings_answer;
pub use write::translate_embeddings;

use bytes::Bytes;

use crate::contract::context::AnswerContext;
use crate::contract::failure::TranslateError;
use crate::exchange::{Inexpressible, WriteOptions, Written};
use crate::json::{Document, Value};
use crate::payload::{Payload, PayloadError};
use crate::request::{Read, Request, RequestError};
use crate::wire::Wire;

/// The forms in which upstreams take texts and give vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbeddingForm {
    /// OpenAI's `/v1/embeddings`, which vLLM, Mistral and Azure have too.
    OpenAi,
    /// Cohere's `/v2/embed`.
    Cohere,
    /// Google's `batchEmbedContents`.
    Gemini,
    /// Amazon Titan's text embeddings (V2) as a body of Bedrock's InvokeModel: one text each.
    Titan,
    /// Cohere's embeddings as a body of Bedrock's InvokeModel.
    BedrockCohere,
}

impl EmbeddingForm {
    /// The form at upstreams that speak this format otherwise; at Bedrock it is the model's.
    pub fn of(wire: Wire, model: &str) -> Option<Self> {
        Some(match wire {
            Wire::Embeddings => Self::OpenAi,
            Wire::Cohere => Self::Cohere,
            Wire::Gemini => Self::Gemini,
            // Profiles of several regions stand before it: `eu.cohere.embed-v4:0`.
            Wire::Converse if model.contains("cohere.") => Self::BedrockCohere,
            Wire::Converse => Self::Titan,
            _ => return None,
        })
    }
}

pub(crate) fn read(root: Value<'_>) -> Result<Read, RequestError> {
    prompt::read(root)
}

pub(crate) fn read_payload(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    answer::read_payload(payload, root)
}

/// An embeddings request in the format of an upstream.
pub(crate) fn translate(
    request: &Request,
    root: Value<'_>,
    to: Wire,
    options: &WriteOptions,
) -> Result<Written, TranslateError> {
    if request.wire() != Wire::Embeddings {
        return Err(Inexpressible {
            param: "body".to_owned(),
            why: "this upstream embeds texts, it does not answer conversations".to_owned(),
        }
        .into());
    }
    let form = EmbeddingForm::of(to, &options.model).ok_or_else(|| Inexpressible {
        param: "input".to_owned(),
        why: format!(
            "this upstream speaks '{}', which embeds no texts",
            to.as_str()
        ),
    })?;
    write::write(request, root, form, options)
}

/// An upstream's vectors as OpenAI's, in base64 where the request's echo asks for that (see
/// [`Request::answer_echo`]).
pub(crate) fn translate_answer(
    from: Wire,
    body: &Bytes,
    context: &AnswerContext,
) -> Result<Bytes, PayloadError> {
    let form = match from {
        Wire::Converse => answer::bedrock_form(body)?,
        _ => EmbeddingForm::of(from, "").unwrap_or(EmbeddingForm::OpenAi),
    };
    let echo = Document::parse(context.echo.as_bytes()).ok();
    let format = echo.as_ref().and_then(|e| e.root().get("encoding_format"));
    let base64 = format.is_some_and(|format| format.is_str("base64"));
    translate_embeddings_answer(form, body, context, base64)
}
