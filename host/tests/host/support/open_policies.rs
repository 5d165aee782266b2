//! Policies that let everything through and cache what they are asked to, in native code.

use std::future::Future;
use std::path::Path;

use forebay_dialect::canonical::Prompt;
use forebay_gateway::policy::{
    Action, Admission, CachePlan, Caller, Candidate, Choice, Delta, Demand, Directives, Freshness,
    Opinion, Outcome, Outline, OutputGuard, Place, Policies, PolicyError, PolicySession, Ranking,
    Releases, Scope, Verdict,
};
use forebay_host::config::PoliciesConfig;
use forebay_host::operate::{PolicyLoadError, PolicyLoader};
use sha2::{Digest as _, Sha256};

pub(crate) struct OpenLoader;

impl PolicyLoader for OpenLoader {
    type Policies = Open;

    async fn load(&self, config: &PoliciesConfig, _: &Path) -> Result<Open, PolicyLoadError> {
        match config.guardrails.config.get("broken") {
            None => Ok(Open),
            Some(_) => Err(PolicyLoadError(
                "the guardrails component does not load".to_owned(),
            )),
        }
    }
}

pub(crate) struct Open;
pub(crate) struct OpenSession;
pub(crate) struct OpenGuard;

const HOUR: Freshness = Freshness {
    ttl: 3600,
    idle: 0,
    stale_if_error: 0,
};

impl Policies for Open {
    type Session = OpenSession;
    type Guard = OpenGuard;

    fn digest(&self) -> &[u8; 32] {
        &[7; 32]
    }

    async fn session(&self, _: &Caller, _: usize) -> Result<OpenSession, PolicyError> {
        Ok(OpenSession)
    }

    async fn guard(&self, _: &Caller) -> Result<OpenGuard, PolicyError> {
        Ok(OpenGuard)
    }

    async fn admit(
        &self,
        _: &Caller,
        _: &CachePlan,
        _: &Outcome,
    ) -> Result<Admission, PolicyError> {
        Ok(Admission {
            store: true,
            freshness: HOUR,
            tags: vec!["test".to_owned()],
            why: None,
        })
    }
}

impl PolicySession for OpenSession {
    async fn check_prompt(
        &mut self,
        _: &Caller,
        _: &Outline<'_>,
        _: &[Place<'_>],
        _: &[Opinion],
    ) -> Result<Verdict, PolicyError> {
        Ok(Verdict {
            action: Action::Allow,
            hits: Vec::new(),
            guard_output: false,
            output_enforced: false,
            scope: String::new(),
        })
    }

    async fn plan(
        &mut self,
        _: &Caller,
        prompt: &Prompt,
        _: &Directives,
    ) -> Result<CachePlan, PolicyError> {
        let digest =
            Sha256::digest(format!("{:?}", (&prompt.model, &prompt.messages)).as_bytes()).into();
        Ok(CachePlan {
            digest,
            scope: Scope::Tenant,
            lookup: true,
            store: true,
            why: None,
            freshness: HOUR,
            chain: Vec::new(),
            hints: Vec::new(),
            inputs: vec![],
            breakpoints: vec![],
        })
    }

    fn rank(
        &mut self,
        _: &Caller,
        _: &Demand,
        candidates: &[Candidate],
    ) -> impl Future<Output = Result<Ranking, PolicyError>> + Send {
        let order = (0..candidates.len() as u32)
            .map(|candidate| Choice {
                candidate,
                score: 0.0,
                parts: Vec::new(),
                cost_micro_usd: None,
                worker: None,
            })
            .collect();
        std::future::ready(Ok(Ranking {
            order,
            excluded: Vec::new(),
        }))
    }
}

impl OutputGuard for OpenGuard {
    async fn push(&mut self, deltas: Vec<Delta>) -> Result<Releases, PolicyError> {
        Ok(Releases {
            released: deltas,
            denied: None,
            hits: Vec::new(),
        })
    }

    async fn finish(&mut self, _: Option<u32>) -> Result<Releases, PolicyError> {
        Ok(Releases::default())
    }
}
