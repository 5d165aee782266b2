//! AWS Bedrock's Converse and ConverseStream.

use super::cache::Marks;
use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, payload, prompt, read, write, write_tools};
use crate::contract::embedding::EmbeddingForm;
use crate::contract::format::{Crossing, Format};
use crate::contract::place::in_messages;
use crate::contract::signs::Signs;
use crate::contract::ways::{Makers, ResultMedia, ToolNames, Ways};
use crate::wire::Wire;

const NAMES: &[(&str, &str)] = &[
    ("max_tokens", "inferenceConfig.maxTokens"),
    ("metadata", "requestMetadata"),
    ("reasoning", "additionalModelRequestFields.thinking"),
    ("reasoning_effort", "outputConfig.effort"),
    ("response_format", "outputConfig.textFormat"),
    ("stop", "inferenceConfig.stopSequences"),
    ("temperature", "inferenceConfig.temperature"),
    ("tool_choice", "toolConfig.toolChoice"),
    ("tools", "toolConfig.tools"),
    ("top_k", "additionalModelRequestFields.top_k"),
    ("top_p", "inferenceConfig.topP"),
];

static SIGNS: Signs = Signs {
    lists: &["content"],
    instead: Some(r#"{"text":"(reasoning)"}"#),
    ..Signs::of(
        "messages",
        &[
            &["reasoningContent", "reasoningText", "signature"],
            &["reasoningContent", "redactedContent"],
        ],
    )
};

const WAYS: Ways = Ways {
    signs: Some(&SIGNS),
    names: NAMES,
    locate: Some(in_messages),
    too_long: Some("Input is too long for requested model"),
    output_limits: &[(Some("inferenceConfig"), "maxTokens")],
    shows_thinking: true,
    bytes_only: true,
    adapts: true,
    makers: Makers::Bedrock,
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_-",
        letter_first: false,
    }),
    calls_need_tools: true,
    strict_turns: true,
    refuses_blanks: true,
    refuses_silence: true,
    system_first: true,
    text_with_files: true,
    result_media: ResultMedia::Seen,
    marks_failure: true,
    ..Ways::PLAIN
};

/// AWS Bedrock's Converse and ConverseStream.
pub(crate) static CONVERSE: Format = Format {
    ways: &WAYS,
    read_prompt: Some(prompt::read),
    read_request: Some(|target, root| Ok(read::read_request(target, root)?)),
    is_own_tool: write_tools::is_own_tool,
    read_payload: payload::read,
    synthesise: payload::synthesise,
    cache_marks: Some(&Marks),
    // Profiles of several regions stand before a model's maker: `eu.cohere.embed-v4:0`.
    embeds: |model| {
        Some(match model.contains("cohere.") {
            true => EmbeddingForm::BedrockCohere,
            false => EmbeddingForm::Titan,
        })
    },
    error_event: Some(error::error_event),
    error_header: |status| Some(("x-amzn-errortype", error::error_type(status))),
    ..Format::of(
        Wire::Converse,
        Crossing {
            write_request: write::write_request,
            answers: &["output"],
            read_answer: answer::read_answer,
            write_answer: answer::write_answer,
            reader: || Box::<StreamReader>::default(),
            writer: |_| Box::<StreamWriter>::default(),
            error_body: error::error_body,
            read_error: error::read_error,
        },
    )
};
