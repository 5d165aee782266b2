//! OpenAI's responses.

use super::echo::ECHOED;
use super::stream_read::StreamReader;
use super::stream_write::{StreamWriter, write_answer};
use super::{answer, error, fold, mend, payload, place, prompt, read, write};
use crate::contract::format::{Crossing, Format};
use crate::contract::signs::Signs;
use crate::contract::ways::{Makers, ResultMedia, ToolNames, Ways, Where};
use crate::openai;
use crate::wire::Wire;

const NAMES: &[(&str, &str)] = &[
    ("max_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("response_format", "text.format"),
];

static SIGNS: Signs = Signs {
    native: Some("openai"),
    ..Signs::of("input", &[&["encrypted_content"]])
};

const WAYS: Ways = Ways {
    signs: Some(&SIGNS),
    names: NAMES,
    locate: Some(place::locate),
    output_limits: &[(None, "max_output_tokens")],
    echoed: ECHOED,
    hides_thinking: true,
    makers: Makers::OpenAi,
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_-",
        letter_first: false,
    }),
    custom_tools: Where::Everywhere,
    call_ids: (Where::Everywhere, 64),
    least_limit: 16,
    instructed: true,
    ran: &[
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "tool_search_call",
        "web_search_call",
    ],
    reads_arguments: Where::Elsewhere,
    result_media: ResultMedia::Seen,
    ..Ways::PLAIN
};

/// OpenAI's responses.
pub(crate) static RESPONSES: Format = Format {
    ways: &WAYS,
    read_prompt: Some(|_, root| prompt::read(root)),
    read_request: Some(|_, root| read::read_request(root)),
    mend_request: Some(mend::request),
    read_payload: payload::read,
    synthesise: payload::synthesise,
    fold: Some(fold::fold),
    error_event: Some(error::error_event),
    ..Format::of(
        Wire::Responses,
        Crossing {
            write_request: write::write_request,
            answers: &["output"],
            read_answer: answer::read_answer,
            write_answer,
            reader: || Box::<StreamReader>::default(),
            writer: |context| Box::new(StreamWriter::new(context)),
            error_body: openai::error::body_of,
            read_error: error::read_error,
        },
    )
};
