//! The gateway's types as the guests see them: borrowed, so that text is copied once, into the guest.

use forebay_dialect::canonical::{self, Needs};
use forebay_gateway::policy::{Caller, Candidate, Demand, Directives};

use crate::bindings::policy::exports::forebay::edge::cloud_selector as selector;
use crate::bindings::policy::forebay::edge::types;

pub(crate) fn caller(caller: &Caller) -> types::Caller<'_> {
    types::Caller {
        tenant: &caller.tenant,
        key: &caller.key,
        route: caller.route,
    }
}

/// What a lowered prompt borrows from: lists of references, in four allocations.
pub(crate) struct Lists<'a> {
    parts: Vec<types::Part<'a>>,
    fields: Vec<types::FieldParam<'a>>,
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
    pub(crate) fn messages(&'a self, prompt: &'a canonical::Prompt) -> Vec<types::Message<'a>> {
        let (mut parts, mut fields) = (self.parts.as_slice(), self.fields.as_slice());
        prompt
            .messages
            .iter()
            .map(|message| {
                let (own, rest) = parts.split_at(message.parts.len());
                parts = rest;
                let (extra, rest) = fields.split_at(message.extra.len());
                fields = rest;
                types::Message {
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
        messages: &'a [types::Message<'a>],
    ) -> types::Prompt<'a> {
        let own = self.fields.len() - prompt.extra.len();
        types::Prompt {
            operation: prompt.operation.as_str(),
            model: &prompt.model,
            messages,
            tools: &self.tools,
            sampling: types::Sampling {
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

fn part(part: &canonical::Part) -> types::Part<'_> {
    match part {
        canonical::Part::Text(text) => types::Part::Text(text),
        canonical::Part::ToolCall(call) => types::Part::ToolCall(types::ToolCall {
            id: &call.id,
            name: &call.name,
            arguments: &call.arguments,
        }),
        canonical::Part::Opaque(opaque) => types::Part::Opaque(types::OpaquePart {
            kind: &opaque.kind,
            json: &opaque.json,
        }),
    }
}

fn field(field: &canonical::Field) -> types::FieldParam<'_> {
    types::FieldParam {
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

pub(crate) fn candidate(candidate: &Candidate) -> selector::Candidate<'_> {
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
    }
}
