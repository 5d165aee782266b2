//! One request's sandbox: the three policies in an instance that nobody else has.

use std::sync::Arc;

use forebay_dialect::canonical::Prompt;
use forebay_gateway::policy::{
    Admission, CachePlan, Caller, Candidate, Demand, Directives, Opinion, Outcome, Outline, Place,
    PolicyError, PolicySession, Ranking, Verdict,
};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::bindings::policy::Policy;
use crate::convert::composed::{cloud_selector, guardrails, prefix_cache};
use crate::guest::Guest;
use crate::sandbox::Inner;

/// An instance of the three policies with its store.
pub(crate) struct Live {
    pub(crate) store: Store<Guest>,
    pub(crate) policy: Policy,
    pub(crate) uses: u32,
}

/// One request's sandbox.
///
/// A call takes the instance and puts it back only when it went well: after a trap, a
/// nonsensical answer or a call that was given up half way there is no instance any more,
/// and later calls fail.
pub struct Session {
    inner: Arc<Inner>,
    tenant: Arc<str>,
    live: Option<Live>,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    pub(crate) fn new(
        inner: Arc<Inner>,
        tenant: Arc<str>,
        live: Live,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            inner,
            tenant,
            live: Some(live),
            _permit: permit,
        }
    }

    fn take(&mut self, policy: &'static str) -> Result<Live, PolicyError> {
        let mut live = self.live.take().ok_or_else(|| PolicyError::Trap {
            policy,
            detail: "an earlier call in this sandbox failed".into(),
        })?;
        Guest::runs(&mut live.store);
        Ok(live)
    }

    pub(crate) async fn admit(
        &mut self,
        plan: &CachePlan,
        outcome: &Outcome,
    ) -> Result<Admission, PolicyError> {
        const POLICY: &str = "prefix-cache";
        let mut live = self.take(POLICY)?;
        let guest = live.policy.forebay_prefix_cache_prefix_cache();
        let lists = prefix_cache::PlanLists::of(plan);
        let admission = guest
            .call_admit(
                &mut live.store,
                lists.plan(plan),
                prefix_cache::outcome(outcome),
            )
            .await
            .map_err(|e| live.store.data().explain(POLICY, &e))?;
        self.live = Some(live);
        Ok(prefix_cache::admission(admission))
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
        const POLICY: &str = "guardrails";
        let mut live = self.take(POLICY)?;
        let lowered: Vec<_> = places.iter().map(guardrails::place).collect();
        let opinions: Vec<_> = opinions.iter().map(guardrails::opinion).collect();
        let verdict = live
            .policy
            .forebay_guardrails_guardrails()
            .call_check_prompt(
                &mut live.store,
                guardrails::caller(caller),
                guardrails::outline(outline),
                &lowered,
                &opinions,
            )
            .await
            .map_err(|e| live.store.data().explain(POLICY, &e))?;
        let verdict = guardrails::verdict(verdict, places)?;
        self.live = Some(live);
        Ok(verdict)
    }

    async fn plan(
        &mut self,
        caller: &Caller,
        prompt: &Prompt,
        directives: &Directives,
    ) -> Result<CachePlan, PolicyError> {
        const POLICY: &str = "prefix-cache";
        let mut live = self.take(POLICY)?;
        let lists = prefix_cache::Lists::of(prompt);
        let messages = lists.messages(prompt);
        let plan = live
            .policy
            .forebay_prefix_cache_prefix_cache()
            .call_plan(
                &mut live.store,
                prefix_cache::caller(caller),
                lists.prompt(prompt, &messages),
                prefix_cache::directives(directives),
            )
            .await
            .map_err(|e| live.store.data().explain(POLICY, &e))?;
        let plan = prefix_cache::plan(plan)?;
        self.live = Some(live);
        Ok(plan)
    }

    async fn rank(
        &mut self,
        caller: &Caller,
        demand: &Demand,
        candidates: &[Candidate],
    ) -> Result<Ranking, PolicyError> {
        const POLICY: &str = "cloud-selector";
        let mut live = self.take(POLICY)?;
        let residency: Vec<&str> = demand.residency.iter().map(String::as_str).collect();
        let workers = cloud_selector::workers(candidates);
        let lowered: Vec<_> = candidates
            .iter()
            .zip(&workers)
            .map(|(candidate, workers)| cloud_selector::candidate(candidate, workers))
            .collect();
        let ranking = live
            .policy
            .forebay_cloud_selector_cloud_selector()
            .call_rank(
                &mut live.store,
                cloud_selector::caller(caller),
                cloud_selector::demand(demand, &residency),
                &lowered,
            )
            .await
            .map_err(|e| live.store.data().explain(POLICY, &e))?;
        let ranking = cloud_selector::ranking(ranking, candidates)?;
        self.live = Some(live);
        Ok(ranking)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            self.inner.give_back(Arc::clone(&self.tenant), live);
        }
    }
}
