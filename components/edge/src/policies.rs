//! The imported policies as the gateway's. They run in this very instance: a trap in one ends it,
//! and its platform makes a new one for the next request.

use forebay_dialect::canonical::Prompt;
use forebay_gateway::policy::{
    Admission, CachePlan, Caller, Candidate, Delta, Demand, Directives, Opinion, Outcome, Outline,
    OutputGuard, Place, Policies, PolicyError, PolicySession, Ranking, Releases, Verdict,
};

use crate::bindings::{cloud_selector, guardrails, prefix_cache};

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
        Ok(Guard(guardrails::OutputGuard::new(
            convert::guardrails::caller(caller),
        )))
    }

    async fn admit(
        &self,
        _: &Caller,
        plan: &CachePlan,
        outcome: &Outcome,
    ) -> Result<Admission, PolicyError> {
        let lists = convert::prefix_cache::PlanLists::of(plan);
        let outcome = convert::prefix_cache::outcome(outcome);
        let admission = prefix_cache::admit(lists.plan(plan), outcome);
        Ok(convert::prefix_cache::admission(admission))
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
        let lowered: Vec<_> = places.iter().map(convert::guardrails::place).collect();
        let opinions: Vec<_> = opinions.iter().map(convert::guardrails::opinion).collect();
        let verdict = guardrails::check_prompt(
            convert::guardrails::caller(caller),
            convert::guardrails::outline(outline),
            &lowered,
            &opinions,
        );
        convert::guardrails::verdict(verdict, places)
    }

    async fn plan(
        &mut self,
        caller: &Caller,
        prompt: &Prompt,
        directives: &Directives,
    ) -> Result<CachePlan, PolicyError> {
        let lists = convert::prefix_cache::Lists::of(prompt);
        let messages = lists.messages(prompt);
        convert::prefix_cache::plan(prefix_cache::plan(
            convert::prefix_cache::caller(caller),
            lists.prompt(prompt, &messages),
            convert::prefix_cache::directives(directives),
        ))
    }

    async fn rank(
        &mut self,
        caller: &Caller,
        demand: &Demand,
        candidates: &[Candidate],
    ) -> Result<Ranking, PolicyError> {
        let residency: Vec<&str> = demand.residency.iter().map(String::as_str).collect();
        let workers = convert::cloud_selector::workers(candidates);
        let lowered: Vec<_> = candidates
            .iter()
            .zip(&workers)
            .map(|(candidate, workers)| convert::cloud_selector::candidate(candidate, workers))
            .collect();
        let ranking = cloud_selector::rank(
            convert::cloud_selector::caller(caller),
            convert::cloud_selector::demand(demand, &residency),
            &lowered,
        );
        convert::cloud_selector::ranking(ranking, candidates)
    }
}

impl OutputGuard for Guard {
    async fn push(&mut self, deltas: Vec<Delta>) -> Result<Releases, PolicyError> {
        let lowered: Vec<_> = deltas.iter().map(convert::guardrails::delta).collect();
        Ok(convert::guardrails::releases(self.0.push(&lowered)))
    }

    async fn finish(&mut self, choice: Option<u32>) -> Result<Releases, PolicyError> {
        Ok(convert::guardrails::releases(self.0.finish(choice)))
    }
}

/// The gateway's types to and from those of the imported policies.
#[allow(dead_code, reason = "a caller is lowered for each of the three alike")]
mod convert {
    pub(super) mod guardrails {
        forebay_policy_wit::guardrails!(crate::bindings::types, crate::bindings::guardrails);
    }
    pub(super) mod prefix_cache {
        forebay_policy_wit::prefix_cache!(
            crate::bindings::types,
            crate::bindings::prompts,
            crate::bindings::prefix_cache
        );
    }
    pub(super) mod cloud_selector {
        forebay_policy_wit::cloud_selector!(
            crate::bindings::types,
            crate::bindings::cloud_selector
        );
    }
}
