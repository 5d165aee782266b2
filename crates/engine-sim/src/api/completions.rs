//! `/v1/completions`: text, several texts, or token ids; the answer whole or in chunks.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::error::ApiError;
use super::fields::{Fields, wrong};
use super::job::{Choice, Head, Job, Ready};
use super::logprobs::{self, TextLogprobs};
use super::request::Common;
use super::sse::{Events, event};
use super::usage::{StreamUsage, Usage};
use crate::answer::Channel;
use crate::config::SimConfig;
use crate::tokenizer;

/// Prompts of one request; as many as the running set takes at most by default.
const MAX_PROMPTS: usize = 512;

/// A completion request as read.
pub(crate) struct CompletionRequest {
    pub(crate) common: Common,
    pub(crate) prompts: Vec<Vec<u32>>,
    logprobs: Option<usize>,
    echo: bool,
}

impl CompletionRequest {
    pub(crate) fn read(body: &[u8], config: &SimConfig) -> Result<Self, ApiError> {
        let fields = Fields::parse(body)?;
        let mut common = Common::read(&fields, config)?;
        // OpenAI's default for this endpoint, and vLLM's.
        common.wish.max_tokens.get_or_insert(16);
        Ok(Self {
            prompts: prompts(&fields, config)?,
            logprobs: fields.at_least("logprobs", 0)?,
            echo: fields.flag("echo")?.unwrap_or(false),
            common,
        })
    }
}

fn prompts(fields: &Fields, config: &SimConfig) -> Result<Vec<Vec<u32>>, ApiError> {
    let location = fields.location("prompt");
    let refuse = |value: &Value| {
        let rule = "Input should be a string, a list of strings, or lists of token ids";
        wrong("prompt_type", &location, rule, value)
    };
    let ids = |value: &Value| -> Result<Vec<u32>, ApiError> {
        let list = value.as_array().ok_or_else(|| refuse(value))?;
        list.iter()
            .map(|id| {
                let token = id.as_u64().and_then(|id| u32::try_from(id).ok());
                token
                    .filter(|token| tokenizer::is_token(*token))
                    .ok_or_else(|| out_of_vocabulary(id))
            })
            .collect()
    };
    let text = |text: &str| {
        super::check_length(text.len(), config)?;
        Ok(tokenizer::encode(text))
    };
    let prompt = fields
        .get("prompt")
        .ok_or_else(|| fields.missing("prompt"))?;
    let prompts: Vec<Vec<u32>> = match prompt {
        Value::String(one) => vec![text(one)?],
        Value::Array(list) => match list.first() {
            Some(Value::Number(_)) => vec![ids(prompt)?],
            Some(Value::String(_) | Value::Array(_)) if list.len() <= MAX_PROMPTS => list
                .iter()
                .map(|one| match one {
                    Value::String(one) => text(one),
                    other => ids(other),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(refuse(prompt)),
        },
        other => return Err(refuse(other)),
    };
    if prompts.iter().any(Vec::is_empty) {
        let message = "The decoder prompt cannot be empty".to_owned();
        return Err(ApiError::bad_request(message, Some("prompt")));
    }
    Ok(prompts)
}

fn out_of_vocabulary(id: &Value) -> ApiError {
    let message = format!("Token id {id} is out of vocabulary");
    ApiError::bad_request(message, Some("prompt"))
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
    kv_transfer_params: Option<()>,
    ec_transfer_params: Option<()>,
    metrics: Option<()>,
}

#[derive(Serialize)]
struct WholeChoice<'a> {
    index: usize,
    text: String,
    logprobs: Option<TextLogprobs>,
    finish_reason: &'static str,
    stop_reason: Option<&'a str>,
    token_ids: Option<()>,
    prompt_logprobs: Option<()>,
    prompt_token_ids: Option<()>,
    routed_experts: Option<()>,
}

fn echoed(job: &Job, request: &CompletionRequest, choice: &Choice) -> String {
    let prompt = job.prompts.get(choice.prompt).filter(|_| request.echo);
    prompt.map_or_else(String::new, |prompt| tokenizer::decode(prompt))
}

/// The answer in one object.
pub(crate) fn whole(job: &Job, request: &CompletionRequest, fingerprint: &str) -> Bytes {
    let choices = job.choices.iter().map(|choice| {
        let mut text = echoed(job, request, choice);
        let offset = text.chars().count();
        text.push_str(&choice.answer.text(Channel::Content));
        WholeChoice {
            index: choice.index,
            text,
            logprobs: request
                .logprobs
                .map(|top| logprobs::text(choice.answer.pieces.iter(), top, offset)),
            finish_reason: choice.answer.finish.name(),
            stop_reason: choice.answer.stop_reason.as_deref(),
            token_ids: None,
            prompt_logprobs: None,
            prompt_token_ids: None,
            routed_experts: None,
        }
    });
    let completion = Completion {
        id: &job.head.id,
        object: "text_completion",
        created: job.head.created,
        model: &job.head.model,
        choices: choices.collect(),
        service_tier: None,
        system_fingerprint: fingerprint,
        usage: job.counts().into(),
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
struct ChunkChoice<'a> {
    index: usize,
    text: &'a str,
    logprobs: Option<TextLogprobs>,
    finish_reason: Option<&'static str>,
    stop_reason: Option<&'a str>,
    prompt_token_ids: Option<()>,
    token_ids: Option<()>,
}

/// The chunks of a text completion.
pub(crate) struct CompletionEvents {
    pub(crate) fingerprint: String,
    pub(crate) request: CompletionRequest,
}

impl CompletionEvents {
    fn chunk<'a, C>(&self, head: &'a Head, choices: C) -> Chunk<'a, C> {
        Chunk {
            id: &head.id,
            object: "text_completion",
            created: head.created,
            model: &head.model,
            choices,
            usage: None,
            system_fingerprint: None,
        }
    }
}

impl Events for CompletionEvents {
    fn opening(&self, job: &Job) -> Vec<Bytes> {
        let echo = |choice: &Choice| {
            let text = echoed(job, &self.request, choice);
            let choice = ChunkChoice {
                index: choice.index,
                text: &text,
                logprobs: None,
                finish_reason: None,
                stop_reason: None,
                prompt_token_ids: None,
                token_ids: None,
            };
            event(&self.chunk(&job.head, [choice]))
        };
        let choices = job.choices.iter().filter(|_| self.request.echo);
        choices.map(echo).collect()
    }

    fn piece(&self, head: &Head, ready: &Ready<'_>) -> Bytes {
        let answer = &ready.choice.answer;
        let choice = ChunkChoice {
            index: ready.choice.index,
            text: &ready.piece.text,
            logprobs: self
                .request
                .logprobs
                .map(|top| logprobs::text(std::iter::once(ready.piece), top, ready.offset)),
            finish_reason: ready.last.then(|| answer.finish.name()),
            stop_reason: answer.stop_reason.as_deref().filter(|_| ready.last),
            prompt_token_ids: None,
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
