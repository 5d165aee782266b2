//! OpenAI's chat completions, completions and embeddings: their rows in the table of formats.

use super::{convert, embeddings, error, exchange, mend, payload, prompt, rewrite};
use crate::canonical::Operation;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::format::{Crossing, Format};
use crate::contract::signs::Signs;
use crate::contract::ways::{Makers, ResultMedia, ToolNames, Ways, Where};
use crate::exchange::request::ChatRequest;
use crate::exchange::written::{Inexpressible, WriteOptions, Written};
use crate::wire::Wire;

/// How chats cross; errors are alike in all three.
pub(crate) const CROSSING: Crossing = Crossing {
    write_request: exchange::write_request,
    answers: &["choices"],
    read_answer: exchange::read_answer,
    write_answer: exchange::write_answer,
    reader: || Box::<exchange::StreamReader>::default(),
    writer: |context| Box::new(exchange::StreamWriter::new(context)),
    error_body: error::body_of,
    read_error: payload::error_of,
};
/// Of what can't be asked by a conversation.
const ANSWERS_ONLY: Crossing = Crossing {
    write_request: no_request,
    ..CROSSING
};

/// These continue or embed texts, they do not answer conversations.
fn no_request(_: &ChatRequest<'_>, _: &WriteOptions) -> Result<Written, Inexpressible> {
    Err(Inexpressible::new(
        "messages",
        "this upstream continues texts, it does not answer conversations",
    ))
}

/// Those of LiteLLM, OpenRouter and Mistral: OpenAI has none.
static SIGNS: Signs = Signs {
    lists: &["thinking_blocks", "reasoning_details", "content"],
    ..Signs::of("messages", &[&["signature"], &["data"]])
};

const CHAT_WAYS: Ways = Ways {
    reasons_with_tools: false,
    signs: Some(&SIGNS),
    spells: true,
    reasons_first: true,
    output_limits: &[(None, "max_completion_tokens"), (None, "max_tokens")],
    makers: Makers::OpenAi,
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_-",
        letter_first: false,
    }),
    custom_tools: Where::AtOpenAi,
    call_ids: (Where::AtOpenAi, 40),
    reads_arguments: Where::Elsewhere,
    open_calls: true,
    templates: true,
    one_text: Where::Elsewhere,
    text_files: Where::Elsewhere,
    result_media: ResultMedia::AtMistral,
    ..Ways::PLAIN
};

/// OpenAI's chat completions.
pub(crate) static CHAT: Format = Format {
    ways: &CHAT_WAYS,
    read_prompt: Some(|_, root| prompt::read(Operation::Chat, root)),
    read_request: Some(|_, root| Ok(exchange::read_request(root)?)),
    mend_request: Some(mend::request),
    mend_answer: Some(mend::answer),
    mend_stream: Some(|context| Box::new(mend::Mender::new(context))),
    read_payload: payload::read,
    synthesise: |payload, texts| vec![rewrite::synthesise(payload, texts)],
    fold: Some(|events| convert::fold(Operation::Chat, events).map(Some)),
    unfold: Some(|body| convert::unfold(Operation::Chat, body)),
    ..Format::of(Wire::Chat, CROSSING)
};

const COMPLETIONS_WAYS: Ways = Ways {
    spells: true,
    output_limits: &[(None, "max_completion_tokens"), (None, "max_tokens")],
    ..Ways::PLAIN
};

/// OpenAI's completions.
pub(crate) static COMPLETIONS: Format = Format {
    ways: &COMPLETIONS_WAYS,
    read_prompt: Some(|_, root| prompt::read(Operation::Completion, root)),
    fold: Some(|events| convert::fold(Operation::Completion, events).map(Some)),
    unfold: Some(|body| convert::unfold(Operation::Completion, body)),
    read_payload: payload::read,
    synthesise: |payload, texts| vec![rewrite::synthesise(payload, texts)],
    ..Format::of(Wire::Completions, ANSWERS_ONLY)
};

const EMBEDDINGS_WAYS: Ways = Ways {
    echoed: &[("encoding_format", "")],
    ..Ways::PLAIN
};

/// OpenAI's embeddings.
pub(crate) static EMBEDDINGS: Format = Format {
    ways: &EMBEDDINGS_WAYS,
    read_prompt: Some(|_, root| embeddings::read(root)),
    mend_answer: Some(embeddings::mend_answer),
    read_payload: embeddings::read_payload,
    embeds: |_| Some(EmbeddingForm::OpenAi),
    ..Format::of(Wire::Embeddings, ANSWERS_ONLY)
};
