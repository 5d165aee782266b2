//! Google's `generateContent` and `streamGenerateContent`.

use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::{answer, error, fold, payload, prompt, read, write, write_tools};
use crate::contract::embedding::EmbeddingForm;
use crate::contract::format::{Crossing, Format};
use crate::contract::place::in_turns;
use crate::contract::signs::Signs;
use crate::contract::ways::{Makers, ResultMedia, ToolNames, Ways};
use crate::wire::Wire;

const NAMES: &[(&str, &str)] = &[
    ("frequency_penalty", "generationConfig.frequencyPenalty"),
    ("logprobs", "generationConfig.responseLogprobs"),
    ("max_tokens", "generationConfig.maxOutputTokens"),
    ("metadata", "labels"),
    ("n", "generationConfig.candidateCount"),
    ("presence_penalty", "generationConfig.presencePenalty"),
    ("reasoning", "generationConfig.thinkingConfig"),
    (
        "reasoning_effort",
        "generationConfig.thinkingConfig.thinkingLevel",
    ),
    ("response_format", "generationConfig.responseSchema"),
    ("seed", "generationConfig.seed"),
    ("stop", "generationConfig.stopSequences"),
    ("temperature", "generationConfig.temperature"),
    ("tool_choice", "toolConfig.functionCallingConfig"),
    ("top_k", "generationConfig.topK"),
    ("top_logprobs", "generationConfig.logprobs"),
    ("top_p", "generationConfig.topP"),
];

static SIGNS: Signs = Signs {
    native: Some("google"),
    lists: &["parts"],
    instead: Some(r#"{"text":""}"#),
    stand_in: Some(super::view::NO_SIGNATURE),
    ..Signs::of("contents", &[&["thoughtSignature"], &["thought_signature"]])
};

const WAYS: Ways = Ways {
    signs: Some(&SIGNS),
    names: NAMES,
    locate: Some(|request, place| {
        in_turns(request, place, "systemInstruction", "contents", "parts")
    }),
    too_long: Some("The input token count exceeds the maximum number of tokens allowed"),
    output_limits: &[
        (Some("generationConfig"), "maxOutputTokens"),
        (Some("generation_config"), "max_output_tokens"),
    ],
    hides_thinking: true,
    draws: true,
    shows: &["image", "audio", "video", "file"],
    makers: Makers::Google,
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_-.:",
        letter_first: true,
    }),
    ran: &[
        "codeExecutionResult",
        "executableCode",
        "toolCall",
        "toolResponse",
    ],
    strict_turns: true,
    result_media: ResultMedia::Seen,
    marks_failure: true,
    describes_forms: false,
    ..Ways::PLAIN
};

/// Google's `generateContent` and `streamGenerateContent`.
pub(crate) static GEMINI: Format = Format {
    ways: &WAYS,
    read_prompt: Some(prompt::read),
    read_request: Some(|target, root| Ok(read::read_request(target, root)?)),
    is_own_tool: write_tools::is_own_tool,
    read_payload: payload::read,
    synthesise: payload::synthesise,
    embeds: |_| Some(EmbeddingForm::Gemini),
    fold: Some(|events| fold::fold(events).map(Some)),
    streams_answers: true,
    ..Format::of(
        Wire::Gemini,
        Crossing {
            write_request: write::write_request,
            answers: &[
                "candidates",
                "promptFeedback",
                "prompt_feedback",
                "usageMetadata",
                "usage_metadata",
            ],
            read_answer: answer::read_answer,
            write_answer: answer::write_answer,
            reader: || Box::<StreamReader>::default(),
            writer: |context| Box::new(StreamWriter::new(context)),
            error_body: error::error_body,
            read_error: error::read_error,
        },
    )
};
