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

/// The most text of one call, in bytes. A guard releases what it was given and what it held, and what a
/// call returns is bounded ([`crate::SandboxOptions::result_bytes`]): a long answer takes several calls.
const PIECE: usize = 256 << 10;
/// What a delta takes beside its text.
const DELTA: usize = 64;

/// Deltas in the same order, in parts of at most [`PIECE`]; a text that is longer is cut between characters.
fn parts(deltas: Vec<Delta>) -> Vec<Vec<Delta>> {
    let size = |text: &str| text.len() + DELTA;
    if deltas.iter().map(|delta| size(&delta.text)).sum::<usize>() <= PIECE {
        return vec![deltas];
    }
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut room = PIECE;
    for delta in deltas {
        let piece = |text: &str| Delta {
            text: text.to_owned(),
            ..delta
        };
        let mut rest = delta.text.as_str();
        while size(rest) > room {
            let (text, more) = rest.split_at(rest.floor_char_boundary(room.saturating_sub(DELTA)));
            if !text.is_empty() {
                part.push(piece(text));
            }
            rest = more;
            parts.push(std::mem::take(&mut part));
            room = PIECE;
        }
        room -= size(rest);
        part.push(piece(rest));
    }
    parts.push(part);
    parts
}

impl OutputGuard for Guard {
    async fn push(&mut self, deltas: Vec<Delta>) -> Result<Releases, PolicyError> {
        let mut all = Releases::default();
        for part in parts(deltas) {
            let releases = self.push_part(part).await?;
            all.released.extend(releases.released);
            all.hits.extend(releases.hits);
            all.denied = releases.denied;
            if all.denied.is_some() {
                break;
            }
        }
        Ok(all)
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

impl Guard {
    async fn push_part(&mut self, deltas: Vec<Delta>) -> Result<Releases, PolicyError> {
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
}

#[cfg(test)]
mod tests {
    use forebay_dialect::canonical::Channel;

    use super::*;

    #[test]
    fn parts_have_a_bound_and_say_the_same_in_the_same_order() {
        let long = [
            "é".repeat(300_000),
            String::new(),
            "a".repeat(100),
            "\u{1F600}".repeat(80_000),
        ];
        let short = (0..9_000).map(|_| "x".to_owned());
        let deltas: Vec<Delta> = (0..)
            .zip(long.into_iter().chain(short))
            .map(|(choice, text)| Delta {
                choice,
                channel: Channel::Content,
                text,
            })
            .collect();
        let parts = parts(deltas.clone());
        assert!(parts.len() > 5);
        for part in &parts {
            let size: usize = part.iter().map(|delta| delta.text.len() + DELTA).sum();
            assert!(size <= PIECE && !part.is_empty(), "{size}");
        }
        let mut whole: Vec<Delta> = Vec::new();
        for delta in parts.into_iter().flatten() {
            match whole.last_mut() {
                Some(last) if last.choice == delta.choice => last.text.push_str(&delta.text),
                _ => whole.push(delta),
            }
        }
        assert_eq!(whole, deltas);
    }
}
