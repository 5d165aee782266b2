//! One answer's output guard: an instance of the guardrails alone that lives as long as the stream.

use std::sync::Arc;

use forebay_gateway::policy::{Delta, OutputGuard, PolicyError, Releases};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use crate::bindings::guardrails::GuardrailsPolicy;
use crate::bindings::guardrails::exports::forebay::guardrails::guardrails as guest;
use crate::convert::guardrails;
use crate::guest::Guest;
use crate::sandbox::Inner;

const POLICY: &str = "guardrails";

/// The instance and the guard in it.
pub(crate) struct Live {
    pub(crate) store: Store<Guest>,
    pub(crate) policy: GuardrailsPolicy,
    pub(crate) guard: ResourceAny,
}

/// One answer's output guard. After an error there is none any more, and every call fails.
pub struct Guard {
    inner: Arc<Inner>,
    live: Option<Live>,
    _permit: OwnedSemaphorePermit,
}

impl Guard {
    pub(crate) fn new(inner: Arc<Inner>, live: Live, permit: OwnedSemaphorePermit) -> Self {
        Self {
            inner,
            live: Some(live),
            _permit: permit,
        }
    }

    fn take(&mut self, bytes: usize) -> Result<Live, PolicyError> {
        let mut live = self.live.take().ok_or_else(|| PolicyError::Trap {
            policy: POLICY,
            detail: "an earlier call of this output guard failed".into(),
        })?;
        Guest::allow(&mut live.store, self.inner.deadline_ms(bytes));
        Ok(live)
    }

    fn settle(
        &mut self,
        live: Live,
        result: wasmtime::Result<guest::Releases>,
    ) -> Result<Releases, PolicyError> {
        let releases = result.map_err(|e| live.store.data().explain(POLICY, &e))?;
        let releases = guardrails::releases(releases);
        self.live = Some(live);
        Ok(releases)
    }
}

impl OutputGuard for Guard {
    async fn push(&mut self, deltas: Vec<Delta>) -> Result<Releases, PolicyError> {
        let mut live = self.take(deltas.iter().map(|delta| delta.text.len()).sum())?;
        let lowered: Vec<_> = deltas.iter().map(guardrails::delta).collect();
        let result = live
            .policy
            .forebay_guardrails_guardrails()
            .output_guard()
            .call_push(&mut live.store, live.guard, &lowered)
            .await;
        self.settle(live, result)
    }

    async fn finish(&mut self, choice: Option<u32>) -> Result<Releases, PolicyError> {
        let mut live = self.take(0)?;
        let result = live
            .policy
            .forebay_guardrails_guardrails()
            .output_guard()
            .call_finish(&mut live.store, live.guard, choice)
            .await;
        self.settle(live, result)
    }
}
