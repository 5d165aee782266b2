//! A chat answer in chunks.

use bytes::Bytes;
use serde::Serialize;

use super::{ChatRequest, Function};
use crate::answer::{Answer, Channel, Piece};
use crate::api::job::{Head, Job, Ready};
use crate::api::logprobs::{self, ChatLogprobs};
use crate::api::sse::{Events, event};
use crate::api::usage::StreamUsage;

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
