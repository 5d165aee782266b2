//! OpenAI's chat completions, completions and embeddings: their rows in the table of formats.

use bytes::Bytes;

use super::{convert, embeddings, error, exchange, payload, prompt, rewrite};
use crate::canonical::{Channel, Operation};
use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::failure::{ConvertError, TranslateError};
use crate::contract::format::{Format, crossing};
use crate::contract::refusal::ErrorParts;
use crate::contract::ways::{Makers, ResultMedia, ToolNames, Ways, Where};
use crate::exchange::request::ChatRequest;
use crate::exchange::written::{Inexpressible, WriteOptions, Written};
use crate::json::Value;
use crate::payload::{Payload, PayloadError, UpstreamErrorBody};
use crate::request::{Read, RequestError};
use crate::wire::{Target, Wire};

/// OpenAI's chat completions.
pub(crate) struct Chat;
/// OpenAI's completions.
pub(crate) struct Completions;
/// OpenAI's embeddings.
pub(crate) struct Embeddings;

/// What all three have in common: errors, and how answers cross.
macro_rules! common {
    ($write:path) => {
        crossing!(
            $write;
            exchange::read_answer, exchange::write_answer;
            exchange::StreamReader, exchange::StreamWriter
        );

        fn error_body(&self, error: &ErrorParts<'_>) -> Bytes {
            error::body_of(error)
        }

        fn read_error(&self, root: Value<'_>) -> Option<UpstreamErrorBody> {
            payload::error_of(root)
        }
    };
}

/// These continue or embed texts, they do not answer conversations.
fn no_request(_: &ChatRequest<'_>, _: &WriteOptions) -> Result<Written, Inexpressible> {
    Err(Inexpressible::new(
        "messages",
        "this upstream continues texts, it does not answer conversations",
    ))
}

const CHAT: Ways = Ways {
    spells: true,
    output_limits: &[(None, "max_completion_tokens"), (None, "max_tokens")],
    makers: Makers::OpenAi,
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_-",
        letter_first: false,
    }),
    custom_tools: Where::AtOpenAi,
    reads_arguments: Where::Elsewhere,
    open_calls: true,
    templates: true,
    one_text: Where::Elsewhere,
    text_files: Where::Elsewhere,
    result_media: ResultMedia::AtMistral,
    ..Ways::PLAIN
};

impl Format for Chat {
    fn wire(&self) -> Wire {
        Wire::Chat
    }

    fn ways(&self) -> &'static Ways {
        &CHAT
    }

    fn read_prompt(&self, _target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        prompt::read(Operation::Chat, root)
    }
    fn read_request<'d>(
        &self,
        _target: &Target,
        root: Value<'d>,
    ) -> Result<ChatRequest<'d>, TranslateError> {
        Ok(exchange::read_request(root)?)
    }

    fn read_payload(&self, payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
        payload::read(payload, root)
    }

    fn synthesise(&self, payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
        vec![rewrite::synthesise(payload, texts)]
    }

    fn fold(&self, events: &[Bytes], _context: &AnswerContext) -> Result<Bytes, ConvertError> {
        convert::fold(Operation::Chat, events)
    }

    fn unfold(&self, body: &Bytes, _context: &AnswerContext) -> Result<Vec<Bytes>, ConvertError> {
        convert::unfold(Operation::Chat, body)
    }

    common!(exchange::write_request);
}

const COMPLETIONS: Ways = Ways {
    spells: true,
    output_limits: &[(None, "max_completion_tokens"), (None, "max_tokens")],
    ..Ways::PLAIN
};

impl Format for Completions {
    fn wire(&self) -> Wire {
        Wire::Completions
    }

    fn ways(&self) -> &'static Ways {
        &COMPLETIONS
    }

    fn read_prompt(&self, _target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        prompt::read(Operation::Completion, root)
    }
    fn read_payload(&self, payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
        payload::read(payload, root)
    }

    fn synthesise(&self, payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
        vec![rewrite::synthesise(payload, texts)]
    }

    fn fold(&self, events: &[Bytes], _context: &AnswerContext) -> Result<Bytes, ConvertError> {
        convert::fold(Operation::Completion, events)
    }

    fn unfold(&self, body: &Bytes, _context: &AnswerContext) -> Result<Vec<Bytes>, ConvertError> {
        convert::unfold(Operation::Completion, body)
    }

    common!(no_request);
}

const EMBEDDINGS: Ways = Ways {
    echoed: &[("encoding_format", "")],
    ..Ways::PLAIN
};

impl Format for Embeddings {
    fn wire(&self) -> Wire {
        Wire::Embeddings
    }

    fn ways(&self) -> &'static Ways {
        &EMBEDDINGS
    }

    fn embeds(&self, _model: &str) -> Option<EmbeddingForm> {
        Some(EmbeddingForm::OpenAi)
    }

    fn read_prompt(&self, _target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
        embeddings::read(root)
    }

    fn read_payload(&self, payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
        embeddings::read_payload(payload, root)
    }

    common!(no_request);
}
