//! The gateway's types as the guests see them: borrowed, so that text is copied once, into the guest.

use forebay_dialect::canonical::{self, Needs};
use forebay_gateway::policy::{
    Caller, Candidate, Demand, Directives, IndexState, Opinion, Outline, Place, PlaceKind, Worker,
};

use crate::bindings::policy::exports::forebay::{
    cloud_selector::cloud_selector as selector, guardrails::guardrails,
};
use crate::bindings::policy::forebay::types::{prompts, types};

pub(crate) fn caller(caller: &Caller) -> types::Caller<'_> {
    types::Caller {
        tenant: &caller.tenant,
        key: &caller.key,
        route: caller.route,
    }
}

pub(crate) fn outline<'a>(outline: &Outline<'a>) -> guardrails::Outline<'a> {
    guardrails::Outline {
        operation: outline.operation,
        model: outline.model,
        messages: outline.messages,
        tools: outline.tools,
        largest_message: outline.largest_message,
        bytes: outline.bytes,
    }
}

pub(crate) fn place<'a>(place: &'a Place<'_>) -> guardrails::Place<'a> {
    guardrails::Place {
        kind: match place.kind {
            PlaceKind::Text => guardrails::PlaceKind::Text,
            PlaceKind::Json => guardrails::PlaceKind::Json,
            PlaceKind::Identifier => guardrails::PlaceKind::Identifier,
            PlaceKind::Vocabulary => guardrails::PlaceKind::Vocabulary,
            PlaceKind::Signed => guardrails::PlaceKind::Signed,
            PlaceKind::Unreadable => guardrails::PlaceKind::Unreadable,
        },
        role: place.role,
        path: &place.path,
        text: &place.text,
        joins_next: place.joins_next,
    }
}

pub(crate) fn opinion(opinion: &Opinion) -> guardrails::Opinion<'_> {
    guardrails::Opinion {
        question: guardrails::QuestionParam {
            service: &opinion.question.service,
            places: &opinion.question.places,
        },
        answered: opinion.answer.is_ok(),
        text: match &opinion.answer {
            Ok(text) | Err(text) => text,
        },
    }
}

/// What a lowered prompt borrows from: lists of references, in four allocations.
pub(crate) struct Lists<'a> {
    parts: Vec<prompts::Part<'a>>,
    fields: Vec<prompts::FieldParam<'a>>,
    tools: Vec<&'a str>,
}

impl<'a> Lists<'a> {
    /// The parts and fields of all messages, one after another.
    pub(crate) fn of(prompt: &'a canonical::Prompt) -> Self {
        let parts = prompt
            .messages
            .iter()
            .flat_map(|m| &m.parts)
            .map(part)
            .collect();
        let of_messages = prompt.messages.iter().flat_map(|m| &m.extra);
        let fields = of_messages.chain(&prompt.extra).map(field).collect();
        Self {
            parts,
            fields,
            tools: prompt.tools.iter().map(String::as_str).collect(),
        }
    }

    /// The messages over those lists.
    pub(crate) fn messages(&'a self, prompt: &'a canonical::Prompt) -> Vec<prompts::Message<'a>> {
        let (mut parts, mut fields) = (self.parts.as_slice(), self.fields.as_slice());
        prompt
            .messages
            .iter()
            .map(|message| {
                let (own, rest) = parts.split_at(message.parts.len());
                parts = rest;
                let (extra, rest) = fields.split_at(message.extra.len());
                fields = rest;
                prompts::Message {
                    role: &message.role,
                    parts: own,
                    extra,
                }
            })
            .collect()
    }

    /// The prompt over those lists and messages.
    pub(crate) fn prompt(
        &'a self,
        prompt: &'a canonical::Prompt,
        messages: &'a [prompts::Message<'a>],
    ) -> prompts::Prompt<'a> {
        let own = self.fields.len() - prompt.extra.len();
        prompts::Prompt {
            operation: prompt.operation.as_str(),
            model: &prompt.model,
            messages,
            tools: &self.tools,
            sampling: prompts::Sampling {
                temperature: prompt.sampling.temperature,
                top_p: prompt.sampling.top_p,
                n: prompt.sampling.n,
                max_tokens: prompt.sampling.max_tokens,
                seed: prompt.sampling.seed,
            },
            extra: &self.fields[own..],
        }
    }
}

fn part(part: &canonical::Part) -> prompts::Part<'_> {
    match part {
        canonical::Part::Text(text) => prompts::Part::Text(text),
        canonical::Part::ToolCall(call) => prompts::Part::ToolCall(prompts::ToolCall {
            id: &call.id,
            name: &call.name,
            arguments: &call.arguments,
        }),
        canonical::Part::Opaque(opaque) => prompts::Part::Opaque(prompts::OpaquePart {
            kind: &opaque.kind,
            json: &opaque.json,
        }),
    }
}

fn field(field: &canonical::Field) -> prompts::FieldParam<'_> {
    prompts::FieldParam {
        name: &field.name,
        value: &field.value,
    }
}

pub(crate) fn directives(directives: &Directives) -> types::Directives {
    types::Directives {
        no_cache: directives.no_cache,
        no_store: directives.no_store,
        only_if_cached: directives.only_if_cached,
        max_age: directives.max_age,
        stale_if_error: directives.stale_if_error,
        cache_sampled: directives.cache_sampled,
    }
}

fn capabilities(needs: Needs) -> selector::Capabilities {
    use selector::Capabilities as C;
    [
        (needs.streaming, C::STREAMING),
        (needs.tools, C::TOOLS),
        (needs.json_schema, C::JSON_SCHEMA),
        (needs.vision, C::VISION),
        (needs.audio, C::AUDIO),
        (needs.logprobs, C::LOGPROBS),
        (needs.multiple_choices, C::MULTIPLE_CHOICES),
        (needs.token_ids, C::TOKEN_IDS),
    ]
    .into_iter()
    .filter(|(needed, _)| *needed)
    .fold(C::empty(), |all, (_, one)| all | one)
}

pub(crate) fn demand<'a>(demand: &'a Demand, residency: &'a [&'a str]) -> selector::Demand<'a> {
    selector::Demand {
        model: &demand.model,
        input_tokens: demand.input_tokens,
        output_tokens: demand.output_tokens,
        needs: capabilities(demand.needs),
        residency,
        budget_micro_usd: demand.budget_micro_usd,
        deadline_ms: demand.deadline_ms,
    }
}

/// The workers of each candidate, which lowered candidates borrow.
pub(crate) fn workers(candidates: &[Candidate]) -> Vec<Vec<selector::Worker<'_>>> {
    candidates
        .iter()
        .map(|candidate| candidate.workers.iter().map(worker).collect())
        .collect()
}

fn worker(worker: &Worker) -> selector::Worker<'_> {
    selector::Worker {
        id: &worker.id,
        healthy: worker.healthy,
        in_flight: worker.in_flight,
        queued_tokens: worker.queued_tokens,
        prefill_rate: worker.prefill_rate,
        decode_rate: worker.decode_rate,
        held_tokens: worker.held_tokens,
        index: match worker.index {
            IndexState::Exact => selector::IndexState::Exact,
            IndexState::Degraded => selector::IndexState::Degraded,
            IndexState::Fallback => selector::IndexState::Fallback,
        },
        has_affinity: worker.has_affinity,
    }
}

pub(crate) fn candidate<'a>(
    candidate: &'a Candidate,
    workers: &'a [selector::Worker<'a>],
) -> selector::Candidate<'a> {
    selector::Candidate {
        name: &candidate.name,
        region: &candidate.region,
        jurisdiction: &candidate.jurisdiction,
        healthy: candidate.healthy,
        capabilities: capabilities(candidate.capabilities),
        context_tokens: candidate.context_tokens,
        price: candidate.price.map(|price| selector::Price {
            input: price.input,
            cached_input: price.cached_input,
            output: price.output,
        }),
        ttft_ms: candidate.ttft_ms,
        tokens_per_second: candidate.tokens_per_second,
        in_flight: candidate.in_flight,
        capacity: candidate.capacity,
        warm_tokens: candidate.warm_tokens,
        order: candidate.order,
        workers,
    }
}
