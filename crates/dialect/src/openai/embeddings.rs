//! OpenAI's embeddings: texts in, vectors out; and the same at upstreams of another form.

mod answer;
mod prompt;
mod write;

pub use answer::translate_embeddings_answer;
pub use write::translate_embeddings;

use bytes::Bytes;

use crate::canonical::Operation;
use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::failure::TranslateError;
use crate::exchange::{Inexpressible, WriteOptions, Written};
use crate::json::{Document, Value};
use crate::payload::{Payload, PayloadError};
use crate::request::{Read, Request, RequestError};
use crate::wire::Wire;

pub(crate) fn read(root: Value<'_>) -> Result<Read, RequestError> {
    prompt::read(root)
}

pub(crate) fn read_payload(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    answer::read_payload(payload, root)
}

/// An embeddings request in the format of an upstream, which embeds texts in that form.
pub(crate) fn translate(
    request: &Request,
    root: Value<'_>,
    (to, form): (Wire, Option<EmbeddingForm>),
    options: &WriteOptions,
) -> Result<Written, TranslateError> {
    if request.wire().operation() != Operation::Embedding {
        return Err(Inexpressible::new(
            "body",
            "this upstream computes embeddings; it does not answer conversations",
        )
        .into());
    }
    let form = form.ok_or_else(|| {
        Inexpressible::new(
            "input",
            format!(
                "this upstream speaks '{}', which has no embeddings",
                to.as_str()
            ),
        )
    })?;
    write::write(request, root, form, options)
}

/// An upstream's vectors as OpenAI's, in base64 where the request's echo asks for that (see
/// [`Request::answer_echo`]).
pub(crate) fn translate_answer(
    form: Option<EmbeddingForm>,
    body: &Bytes,
    context: &AnswerContext,
) -> Result<Bytes, PayloadError> {
    let form = match form.unwrap_or(EmbeddingForm::OpenAi) {
        // The body tells which model of Bedrock's it is of.
        EmbeddingForm::Titan | EmbeddingForm::BedrockCohere => answer::bedrock_form(body)?,
        form => form,
    };
    translate_embeddings_answer(form, body, context, asks_base64(context))
}

fn asks_base64(context: &AnswerContext) -> bool {
    let echo = Document::parse(context.echo.as_bytes()).ok();
    let format = echo.as_ref().and_then(|e| e.root().get("encoding_format"));
    format.is_some_and(|format| format.is_str("base64"))
}

/// Vectors in the encoding that was asked for, where the server has only the other one.
pub(crate) fn mend_answer(body: &Bytes, context: &AnswerContext) -> Option<Bytes> {
    answer::recoded(body, asks_base64(context))
}
