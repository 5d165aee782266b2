//! Anthropic's messages.

use super::cache::Marks;
use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, fold, mend, names, payload, prompt, read, unfold, write};
use crate::contract::format::{Crossing, Format};
use crate::contract::place::in_messages;
use crate::contract::signs::Signs;
use crate::contract::ways::{Forms, Makers, ResultMedia, ToolNames, Ways};
use crate::wire::Wire;

const NAMES: &[(&str, &str)] = &[
    (
        "parallel_tool_calls",
        "tool_choice.disable_parallel_tool_use",
    ),
    ("reasoning", "thinking"),
    ("reasoning_effort", "output_config.effort"),
    ("response_format", "output_config.format"),
    ("stop", "stop_sequences"),
    ("user", "metadata.user_id"),
];

static SIGNS: Signs = Signs {
    native: Some("anthropic"),
    lists: &["content"],
    instead: Some(r#"{"type":"text","text":"(reasoning)"}"#),
    by_budget: true,
    demands_signature: true,
    ..Signs::of("messages", &[&["signature"], &["data"]])
};

const WAYS: Ways = Ways {
    signs: Some(&SIGNS),
    names: NAMES,
    locate: Some(in_messages),
    too_long: Some("prompt is too long"),
    output_limits: &[(None, "max_tokens")],
    needs_limit: true,
    shows_thinking: true,
    makers: Makers::Anthropic,
    tool_names: Some(ToolNames {
        most: 128,
        marks: "_-",
        letter_first: false,
    }),
    ran: &[
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "mcp_tool_result",
        "mcp_tool_use",
        "server_tool_use",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
    ],
    calls_need_tools: true,
    strict_turns: true,
    refuses_blanks: true,
    own_parts: true,
    result_media: ResultMedia::Seen,
    marks_failure: true,
    forms: Forms::Unknown,
    describes_forms: false,
    ..Ways::PLAIN
};

/// Anthropic's messages.
pub(crate) static MESSAGES: Format = Format {
    ways: &WAYS,
    mend_request: Some(mend::request),
    mend_answer: Some(mend::answer),
    read_prompt: Some(prompt::read),
    read_request: Some(|_, root| Ok(read::read_request(root)?)),
    is_own_tool: names::is_own_tool,
    read_payload: payload::read,
    synthesise: payload::synthesise,
    cache_marks: Some(&Marks),
    fold: Some(|events| fold::fold(events).map(Some)),
    unfold: Some(unfold::unfold),
    ..Format::of(
        Wire::Messages,
        Crossing {
            write_request: write::write_request,
            answers: &["content"],
            read_answer: answer::read_answer,
            write_answer: answer::write_answer,
            reader: || Box::<StreamReader>::default(),
            writer: |context| Box::new(StreamWriter::new(context)),
            error_body: error::error_body,
            read_error: error::read_error,
        },
    )
};
