//! The imported policies as the gateway's. They run in this very instance: a trap in one ends it,
//! and its platform makes a new one for the next request.

#[path = "../../../crates/sandbox/src/lower.rs"]
mod lower;
#[path = "../../../crates/sandbox/src/raise.rs"]
mod raise;

use forebay_dialect::canonical::{Channel, Prompt};
use forebay_gateway::policy::{
    Admission, Anchor, Breakpoint, CachePlan, Caller, Candidate, Delta, Demand, Directives, Ending,
    Freshness, Hit, Opinion, Outcome, Outline, OutputGuard, Place, Policies, PolicyError,
    PolicySession, Ranking, Reason, Releases, Scope, Verdict,
};

use crate::bindings::{cloud_selector, guardrails, prefix_cache, prompts, types};

/// The three policies this component was composed with.
#[derive(Debug)]
pub struct Imported {
    digest: [u8; 32],
}

impl Imported {
    /// The policies of the release with this digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self { digest }
    }
}

/// One request's calls of the policies.
#[derive(Debug)]
pub struct Session(());

/// One answer's output guard.
pub struct Guard(guardrails::OutputGuard);

impl Policies for Imported {
    type Session = Session;
    type Guard = Guard;

    fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    async fn session(&self, _: &Caller, _: usize) -> Result<Session, PolicyError> {
        Ok(Session(()))
    }

    async fn guard(&self, caller: &Caller) -> Result<Guard, PolicyError> {
        Ok(Guard(guardrails::OutputGuard::new(lower::caller(caller))))
    }

    async fn admit(
        &self,
        _: &Caller,
        plan: &CachePlan,
        outcome: &Outcome,
    ) -> Result<Admission, PolicyError> {
        Ok(admit(plan, outcome))
    }
}

impl PolicySession for Session {
    async fn check_prompt(
        &mut self,
        caller: &Caller,
        outline: &Outline<'_>,
        places: &[Place<'_>],
        opinions: &[Opinion],
    ) -> Result<Verdict, PolicyError> {
        let lowered: Vec<_> = places.iter().map(lower::place).collect();
        let opinions: Vec<_> = opinions.iter().map(lower::opinion).collect();
        let verdict = guardrails::check_prompt(
            lower::caller(caller),
            lower::outline(outline),
            &lowered,
            &opinions,
        );
        raise::verdict(verdict, places)
    }

    async fn plan(
        &mut self,
        caller: &Caller,
        prompt: &Prompt,
        directives: &Directives,
    ) -> Result<CachePlan, PolicyError> {
        let lists = lower::Lists::of(prompt);
        let messages = lists.messages(prompt);
        raise::plan(prefix_cache::plan(
            lower::caller(caller),
            lists.prompt(prompt, &messages),
            lower::directives(directives),
        ))
    }

    async fn rank(
        &mut self,
        caller: &Caller,
        demand: &Demand,
        candidates: &[Candidate],
    ) -> Result<Ranking, PolicyError> {
        let residency: Vec<&str> = demand.residency.iter().map(String::as_str).collect();
        let workers = lower::workers(candidates);
        let lowered: Vec<_> = candidates
            .iter()
            .zip(&workers)
            .map(|(candidate, workers)| lower::candidate(candidate, workers))
            .collect();
        let ranking = cloud_selector::rank(
            lower::caller(caller),
            lower::demand(demand, &residency),
            &lowered,
        );
        raise::ranking(ranking, candidates)
    }
}

impl OutputGuard for Guard {
    async fn push(&mut self, deltas: Vec<Delta>) -> Result<Releases, PolicyError> {
        let lowered: Vec<_> = deltas.iter().map(lower_delta).collect();
        Ok(raise_releases(self.0.push(&lowered)))
    }

    async fn finish(&mut self, choice: Option<u32>) -> Result<Releases, PolicyError> {
        Ok(raise_releases(self.0.finish(choice)))
    }
}

fn admit(plan: &CachePlan, outcome: &Outcome) -> Admission {
    let chain: Vec<_> = plan
        .chain
        .iter()
        .map(|block| prefix_cache::Block {
            hash: block.hash,
            end: block.end,
        })
        .collect();
    let hints: Vec<_> = plan
        .hints
        .iter()
        .map(|field| prompts::FieldParam {
            name: &field.name,
            value: &field.value,
        })
        .collect();
    let inputs: Vec<&[u8]> = plan.inputs.iter().map(<[u8; 32]>::as_slice).collect();
    let breakpoints: Vec<_> = plan.breakpoints.iter().map(breakpoint).collect();
    let plan = prefix_cache::CachePlanParam {
        digest: &plan.digest,
        scope: match plan.scope {
            Scope::Tenant => prefix_cache::Scope::Tenant,
            Scope::Key => prefix_cache::Scope::Key,
        },
        lookup: plan.lookup,
        store: plan.store,
        why: plan.why.as_ref().map(|why| types::ReasonParam {
            code: &why.code,
            detail: &why.detail,
        }),
        freshness: prefix_cache::Freshness {
            ttl: plan.freshness.ttl,
            idle: plan.freshness.idle,
            stale_if_error: plan.freshness.stale_if_error,
        },
        chain: &chain,
        hints: &hints,
        inputs: &inputs,
        breakpoints: &breakpoints,
    };
    let outcome = prefix_cache::Outcome {
        ending: match outcome.ending {
            Ending::Complete => prefix_cache::Ending::Complete,
            Ending::Length => prefix_cache::Ending::Length,
            Ending::Truncated => prefix_cache::Ending::Truncated,
            Ending::Error => prefix_cache::Ending::Error,
            Ending::Refused => prefix_cache::Ending::Refused,
        },
        status: outcome.status,
        bytes: outcome.bytes,
        tool_calls: outcome.tool_calls,
        usage: outcome.usage.map(|usage| types::Usage {
            input: usage.input,
            output: usage.output,
            cached_input: usage.cached_input,
            cache_write: usage.cache_write,
            reasoning: usage.reasoning,
        }),
    };
    let admission = prefix_cache::admit(plan, outcome);
    Admission {
        store: admission.store,
        freshness: Freshness {
            ttl: admission.freshness.ttl,
            idle: admission.freshness.idle,
            stale_if_error: admission.freshness.stale_if_error,
        },
        tags: admission.tags,
        why: admission.why.map(reason),
    }
}

fn breakpoint(point: &Breakpoint) -> prefix_cache::Breakpoint {
    prefix_cache::Breakpoint {
        after: match point.after {
            Anchor::Tools => prefix_cache::Anchor::Tools,
            Anchor::Part { message, part } => {
                prefix_cache::Anchor::Part(prefix_cache::PartIndex { message, part })
            }
        },
        prefix: point.prefix,
        bytes: point.bytes,
        after_uses: point.after_uses,
        ttl: point.ttl,
    }
}

fn lower_delta(delta: &Delta) -> guardrails::Delta<'_> {
    guardrails::Delta {
        choice: delta.choice,
        channel: match delta.channel {
            Channel::Content => guardrails::Channel::Content,
            Channel::Reasoning => guardrails::Channel::Reasoning,
            Channel::Refusal => guardrails::Channel::Refusal,
            Channel::ToolArguments(index) => guardrails::Channel::ToolArguments(index),
            Channel::ToolName(index) => guardrails::Channel::ToolName(index),
            Channel::Error => guardrails::Channel::Error,
            Channel::Annotation(index) => guardrails::Channel::Annotation(index),
        },
        text: &delta.text,
    }
}

fn raise_releases(releases: guardrails::Releases) -> Releases {
    let release = |release: guardrails::Release| Delta {
        choice: release.choice,
        channel: match release.channel {
            guardrails::Channel::Content => Channel::Content,
            guardrails::Channel::Reasoning => Channel::Reasoning,
            guardrails::Channel::Refusal => Channel::Refusal,
            guardrails::Channel::ToolArguments(index) => Channel::ToolArguments(index),
            guardrails::Channel::ToolName(index) => Channel::ToolName(index),
            guardrails::Channel::Error => Channel::Error,
            guardrails::Channel::Annotation(index) => Channel::Annotation(index),
        },
        text: release.text,
    };
    let hit = |hit: guardrails::Hit| Hit {
        rule: hit.rule,
        action: hit.action,
        count: hit.count,
        shadow: hit.shadow,
    };
    Releases {
        released: releases.released.into_iter().map(release).collect(),
        denied: releases.denied.map(reason),
        hits: releases.hits.into_iter().map(hit).collect(),
    }
}

fn reason(reason: types::ReasonResult) -> Reason {
    Reason {
        code: reason.code,
        detail: reason.detail,
    }
}
