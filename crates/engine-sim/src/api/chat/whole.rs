//! A chat answer in one object.

use bytes::Bytes;
use serde::Serialize;

use super::{ChatRequest, Function};
use crate::answer::{Answer, Channel};
use crate::api::job::Job;
use crate::api::logprobs::{self, ChatLogprobs};
use crate::api::usage::Usage;

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<WholeChoice<'a>>,
    service_tier: Option<()>,
    system_fingerprint: &'a str,
    usage: Usage,
    prompt_logprobs: Option<()>,
    prompt_token_ids: Option<()>,
    prompt_text: Option<()>,
    kv_transfer_params: Option<()>,
    ec_transfer_params: Option<()>,
    metrics: Option<()>,
}

#[derive(Serialize)]
struct WholeChoice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<ChatLogprobs>,
    finish_reason: &'static str,
    stop_reason: Option<&'a str>,
    token_ids: Option<()>,
    routed_experts: Option<()>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<()>,
    annotations: Option<()>,
    audio: Option<()>,
    function_call: Option<()>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
    reasoning: Option<String>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function,
}

fn message(answer: &Answer) -> Message<'_> {
    let calls = answer.has(Channel::ToolName);
    let content = answer.text(Channel::Content);
    Message {
        role: "assistant",
        content: (!calls || !content.is_empty()).then_some(content),
        refusal: None,
        annotations: None,
        audio: None,
        function_call: None,
        tool_calls: Vec::from_iter(calls.then(|| ToolCall {
            id: &answer.tool_call_id,
            kind: "function",
            function: Function {
                name: Some(answer.text(Channel::ToolName)),
                arguments: answer.text(Channel::ToolArguments),
            },
        })),
        reasoning: answer
            .has(Channel::Reasoning)
            .then(|| answer.text(Channel::Reasoning)),
    }
}

/// The answer in one object.
pub(crate) fn whole(job: &Job, request: &ChatRequest, fingerprint: &str) -> Bytes {
    let choices = job.choices.iter().map(|choice| WholeChoice {
        index: choice.index,
        message: message(&choice.answer),
        logprobs: request
            .logprobs
            .map(|top| logprobs::chat(choice.answer.pieces.iter(), top)),
        finish_reason: choice.answer.finish.name(),
        stop_reason: choice.answer.stop_reason.as_deref(),
        token_ids: None,
        routed_experts: None,
    });
    let completion = Completion {
        id: &job.head.id,
        object: "chat.completion",
        created: job.head.created,
        model: &job.head.model,
        choices: choices.collect(),
        service_tier: None,
        system_fingerprint: fingerprint,
        usage: job.counts().into(),
        prompt_logprobs: None,
        prompt_token_ids: None,
        prompt_text: None,
        kv_transfer_params: None,
        ec_transfer_params: None,
        metrics: None,
    };
    Bytes::from(serde_json::to_vec(&completion).unwrap_or_default())
}
