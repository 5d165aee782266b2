//! `/v1/chat/completions`: the request read, the answer written whole or in chunks.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::error::ApiError;
use super::fields::{Fields, wrong};
use super::job::{Head, Job, Ready};
use super::logprobs::{self, ChatLogprobs};
use super::request::Common;
use super::sse::{Events, event};
use super::usage::{StreamUsage, Usage};
use crate::answer::{Answer, Channel, Piece, TOOL_TRIGGER};
use crate::chat_template;
use crate::config::SimConfig;

/// A chat request as read.
pub(crate) struct ChatRequest {
    pub(crate) common: Common,
    pub(crate) prompt: Vec<u32>,
    logprobs: Option<usize>,
}

impl ChatRequest {
    pub(crate) fn read(body: &[u8], config: &SimConfig) -> Result<Self, ApiError> {
        let fields = Fields::parse(body)?;
        let messages = messages(&fields)?;
        let mut common = Common::read(&fields, config)?;
        if let Some(most) = fields.at_least("max_completion_tokens", 1)? {
            common.wish.max_tokens = Some(most);
        }
        let kwargs = fields.object("chat_template_kwargs")?;
        common.wish.think = kwargs.flag("enable_thinking")?.unwrap_or(false);
        let tools = fields.list("tools")?.map(Vec::as_slice);
        (common.wish.tool, common.wish.tool_named) = chosen_tool(&fields, tools, messages)?;
        let top = fields.at_least("top_logprobs", 0)?.unwrap_or(0);
        let logprobs = fields.flag("logprobs")?.unwrap_or(false).then_some(top);
        super::check_length(messages.iter().map(text_bytes).sum(), config)?;
        Ok(Self {
            prompt: chat_template::render(messages, tools, true),
            common,
            logprobs,
        })
    }
}

fn text_bytes(message: &Value) -> usize {
    match message.get("content") {
        Some(Value::String(text)) => text.len(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .map(str::len)
            .sum(),
        _ => 0,
    }
}

/// The messages of a request, each an object with a role.
pub(crate) fn messages(fields: &Fields) -> Result<&Vec<Value>, ApiError> {
    let messages = fields
        .list("messages")?
        .ok_or_else(|| fields.missing("messages"))?;
    if messages.is_empty() {
        let message = "messages must not be empty. (parameter=messages)".to_owned();
        return Err(ApiError::bad_request(message, Some("messages")));
    }
    for (place, message) in messages.iter().enumerate() {
        let location = format!("{}.{place}", fields.location("messages"));
        let Some(members) = message.as_object() else {
            let rule = "Input should be a valid dictionary";
            return Err(wrong("dict_type", &location, rule, message));
        };
        if !members.get("role").is_some_and(Value::is_string) {
            let location = format!("{location}.role");
            return Err(wrong("missing", &location, "Field required", message));
        }
        match members.get("content") {
            None | Some(Value::Null | Value::String(_) | Value::Array(_)) => {}
            Some(content) => {
                let location = format!("{location}.content");
                let rule = "Input should be a valid string";
                return Err(wrong("string_type", &location, rule, content));
            }
        }
    }
    Ok(messages)
}

/// The tool that the answer calls, and whether the client named it.
type ChosenTool = (Option<(String, Value)>, bool);

fn chosen_tool(
    fields: &Fields,
    tools: Option<&[Value]>,
    messages: &[Value],
) -> Result<ChosenTool, ApiError> {
    let functions: Vec<&Value> = tools
        .unwrap_or_default()
        .iter()
        .filter_map(|tool| tool.get("function"))
        .collect();
    let name_of = |function: &Value| {
        function
            .get("name")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let call = |function: &Value| {
        let any = serde_json::json!({"type": "object"});
        let schema = function.get("parameters").cloned().unwrap_or(any);
        name_of(function).map(|name| (name, schema))
    };
    let choice = fields.get("tool_choice");
    match choice {
        Some(Value::Object(named)) => {
            let name = named
                .get("function")
                .and_then(|function| function.get("name"))
                .and_then(Value::as_str);
            let found = functions
                .iter()
                .find(|function| name.is_some() && name_of(function).as_deref() == name);
            let refusal = || {
                let message = format!(
                    "The tool specified in `tool_choice` does not match any of the specified `tools` (tool_choice={})",
                    name.unwrap_or("none")
                );
                ApiError::bad_request(message, Some("tool_choice"))
            };
            Ok((call(found.ok_or_else(refusal)?), true))
        }
        Some(Value::String(word)) if word == "none" => Ok((None, false)),
        Some(Value::String(word)) if word == "required" => {
            let first = functions.first().ok_or_else(|| {
                let message = "When using `tool_choice`, `tools` must be set.".to_owned();
                ApiError::bad_request(message, Some("tool_choice"))
            })?;
            Ok((call(first), false))
        }
        _ => {
            let text = chat_template::last_user_text(messages).unwrap_or_default();
            if !text.contains(TOOL_TRIGGER) {
                return Ok((None, false));
            }
            let mentioned = functions
                .iter()
                .find(|function| name_of(function).is_some_and(|name| text.contains(&name)));
            let function = mentioned.or(functions.first());
            Ok((function.and_then(|function| call(function)), false))
        }
    }
}

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

#[derive(Serialize)]
struct Function {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arguments: String,
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

#[derive(Serialize)]
struct Chunk<'a, C> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: C,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<StreamUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'a str>,
}

#[derive(Serialize)]
struct RoleChunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [RoleChoice; 1],
    prompt_token_ids: Option<()>,
    prompt_text: Option<()>,
}

#[derive(Serialize)]
struct RoleChoice {
    index: usize,
    delta: RoleDelta,
    logprobs: Option<()>,
    finish_reason: Option<()>,
}

#[derive(Serialize)]
struct RoleDelta {
    role: &'static str,
    content: &'static str,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<&'static str>,
    /// Only the chunk that finishes a choice has it, and there it may be null.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<Option<&'a str>>,
    token_ids: Option<()>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct ToolDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    index: usize,
    function: Function,
}

fn delta<'a>(answer: &'a Answer, piece: &'a Piece) -> Delta<'a> {
    let tool = |id, kind, name: Option<&str>, arguments: &str| Delta {
        tool_calls: Some([ToolDelta {
            id,
            kind,
            index: 0,
            function: Function {
                name: name.map(str::to_owned),
                arguments: arguments.to_owned(),
            },
        }]),
        ..Delta::default()
    };
    match piece.channel {
        Channel::Content => Delta {
            content: Some(&piece.text),
            ..Delta::default()
        },
        Channel::Reasoning => Delta {
            reasoning: Some(&piece.text),
            ..Delta::default()
        },
        Channel::ToolName => {
            let id = Some(answer.tool_call_id.as_str());
            tool(id, Some("function"), Some(&piece.text), "")
        }
        Channel::ToolArguments => tool(None, None, None, &piece.text),
    }
}

/// Chat's chunks, in vLLM's order: a role for each choice, its deltas, usage if asked for.
pub(crate) struct ChatEvents {
    pub(crate) fingerprint: String,
    pub(crate) request: ChatRequest,
}

impl ChatEvents {
    fn chunk<'a, C>(&self, head: &'a Head, choices: C) -> Chunk<'a, C> {
        Chunk {
            id: &head.id,
            object: "chat.completion.chunk",
            created: head.created,
            model: &head.model,
            choices,
            usage: None,
            system_fingerprint: None,
        }
    }
}

impl Events for ChatEvents {
    fn opening(&self, job: &Job) -> Vec<Bytes> {
        let role = |index| RoleChunk {
            id: &job.head.id,
            object: "chat.completion.chunk",
            created: job.head.created,
            model: &job.head.model,
            choices: [RoleChoice {
                index,
                delta: RoleDelta {
                    role: "assistant",
                    content: "",
                },
                logprobs: None,
                finish_reason: None,
            }],
            prompt_token_ids: None,
            prompt_text: None,
        };
        let choices = 0..job.choices.len();
        choices.map(|index| event(&role(index))).collect()
    }

    fn piece(&self, head: &Head, ready: &Ready<'_>) -> Bytes {
        let answer = &ready.choice.answer;
        let choice = ChunkChoice {
            index: ready.choice.index,
            delta: delta(answer, ready.piece),
            logprobs: self
                .request
                .logprobs
                .map(|top| logprobs::chat(std::iter::once(ready.piece), top)),
            finish_reason: ready.last.then(|| answer.finish.name()),
            stop_reason: ready.last.then_some(answer.stop_reason.as_deref()),
            token_ids: None,
        };
        let mut chunk = self.chunk(head, [choice]);
        if ready.last && !self.request.common.include_usage {
            chunk.system_fingerprint = Some(&self.fingerprint);
        }
        event(&chunk)
    }

    fn closing(&self, job: &Job) -> Option<Bytes> {
        self.request.common.include_usage.then(|| {
            let none: [(); 0] = [];
            let mut chunk = self.chunk(&job.head, none);
            chunk.usage = Some(job.counts().into());
            chunk.system_fingerprint = Some(&self.fingerprint);
            event(&chunk)
        })
    }
}
