//! The guard releases, or nothing goes out: an answer's payloads pass the output guard and are rewritten.

use std::collections::HashMap;

use bytes::Bytes;
use forebay_dialect::canonical::Channel;
use forebay_dialect::{Payload, PayloadError};

use super::labels::{Asked, Labels};
use crate::error::{ErrorKind, GatewayError};
use crate::policy::{Delta, Hit, OutputGuard, PolicyError, Reason, Releases};

/// One answer on its way through the output guard.
pub(crate) struct Guarded<G> {
    guard: G,
    labels: Labels,
    /// What can't be judged is dropped: not where all rules only count.
    enforced: bool,
    /// The last payload seen: the mould of payloads made for text that was held past its own.
    last: Option<Payload>,
    /// Rules that matched.
    pub(crate) hits: Vec<Hit>,
}

/// What one payload became.
pub(crate) struct Passed {
    /// Payloads to send, in order.
    pub(crate) payloads: Vec<Bytes>,
    /// The output ends here.
    pub(crate) denied: Option<Reason>,
}

impl Passed {
    /// What had been judged before the denied stretch still goes out, in a payload of its own:
    /// neither finish reason nor usage of the denied answer does.
    fn denied(reason: Reason, mould: Option<&Payload>, freed: Vec<Delta>) -> Self {
        let payloads = match mould {
            Some(mould) if freed.iter().any(|d| !d.text.is_empty()) => synthesise(mould, freed),
            _ => Vec::new(),
        };
        Self {
            payloads,
            denied: Some(reason),
        }
    }
}

impl<G: OutputGuard> Guarded<G> {
    pub(crate) fn new(guard: G, labels: Labels) -> Self {
        Self {
            guard,
            labels,
            enforced: true,
            last: None,
            hits: Vec::new(),
        }
    }

    /// All rules that apply only count: nothing is dropped for them.
    pub(crate) fn counting(mut self) -> Self {
        self.enforced = false;
        self
    }

    /// Whether what can't be judged is dropped.
    pub(crate) fn drops_unreadable(&self) -> bool {
        self.enforced
    }

    /// Passes one payload: its labels and texts become what is released, what the guard can't read is
    /// dropped.
    pub(crate) async fn pass(&mut self, payload: Payload) -> Result<Passed, PolicyError> {
        let mut freed: Vec<Delta> = Vec::new();
        let labels = self.labels.of(&payload).map_err(|e| unlabelled(&e))?;
        let mut asked = self.labels.asked(
            (0_u32..)
                .zip(&labels)
                .map(|(at, label)| (label.channel(at), self.labels.judged(label)))
                .collect(),
        );
        let denied = self.push(&mut asked, &mut freed).await?;
        let denied = denied.or_else(|| self.labels.torn(&labels, &asked));
        if denied.is_some() {
            // Without its labels nothing of it is known to be clean.
            return Ok(Passed {
                payloads: Vec::new(),
                denied,
            });
        }
        let payload = self
            .labels
            .settle(payload, &labels, &asked)
            .map_err(|e| unlabelled(&e))?;
        let texts: Vec<Delta> = payload
            .texts()
            .iter()
            .map(|t| Delta {
                choice: t.choice,
                channel: t.channel,
                text: t.text.clone(),
            })
            .collect();
        if !texts.is_empty() {
            let releases = self.guard.push(texts).await?;
            if let Some(denied) = self.note(releases, &mut freed) {
                return Ok(Passed::denied(denied, Some(&payload), freed));
            }
        }
        for choice in payload.closed() {
            let releases = self.guard.finish(Some(*choice)).await?;
            if let Some(denied) = self.note(releases, &mut freed) {
                return Ok(Passed::denied(denied, Some(&payload), freed));
            }
        }
        let payloads = place(&payload, freed, self.enforced);
        self.last = Some(payload);
        Ok(Passed {
            payloads,
            denied: None,
        })
    }

    /// The last payload that passed, with its labels as they go out.
    pub(crate) fn last(&self) -> Option<&Payload> {
        self.last.as_ref()
    }

    /// The guard itself, and the rules that have matched.
    pub(crate) fn into_parts(self) -> (G, Vec<Hit>) {
        (self.guard, self.hits)
    }

    /// Judges strings that stand outside of payloads: what became of each, none where nothing did.
    pub(crate) async fn words(
        &mut self,
        strings: Vec<(Channel, String)>,
    ) -> Result<Result<Vec<Option<String>>, Reason>, PolicyError> {
        let count = strings.len();
        let mut asked = self.labels.asked(strings);
        let denied = self.push(&mut asked, &mut Vec::new()).await?;
        Ok(match denied {
            Some(reason) => Err(reason),
            None => Ok((0..count)
                .map(|at| asked.outcome(at).map(str::to_owned))
                .collect()),
        })
    }

    /// Gives the guard strings that are whole, and notes what it releases of them.
    async fn push(
        &mut self,
        asked: &mut Asked,
        freed: &mut Vec<Delta>,
    ) -> Result<Option<Reason>, PolicyError> {
        let deltas: Vec<Delta> = asked.deltas().collect();
        if deltas.is_empty() {
            return Ok(None);
        }
        let mut releases = self.guard.push(deltas).await?;
        asked.take(&mut releases.released);
        if let Some(denied) = self.note(releases, freed) {
            return Ok(Some(denied));
        }
        for stretch in asked.held() {
            let mut releases = self.guard.finish(Some(stretch)).await?;
            asked.take(&mut releases.released);
            if let Some(denied) = self.note(releases, freed) {
                return Ok(Some(denied));
            }
        }
        Ok(None)
    }

    /// The answer has ended: what is still held is judged and let go.
    pub(crate) async fn finish(&mut self) -> Result<Passed, PolicyError> {
        let mut freed = Vec::new();
        let releases = self.guard.finish(None).await?;
        if let Some(denied) = self.note(releases, &mut freed) {
            return Ok(Passed::denied(denied, self.last.as_ref(), freed));
        }
        let payloads = match &self.last {
            Some(last) if !freed.is_empty() => synthesise(last, freed),
            _ => Vec::new(),
        };
        Ok(Passed {
            payloads,
            denied: None,
        })
    }

    fn note(&mut self, releases: Releases, freed: &mut Vec<Delta>) -> Option<Reason> {
        for hit in releases.hits {
            match self
                .hits
                .iter_mut()
                .find(|h| h.rule == hit.rule && h.shadow == hit.shadow)
            {
                Some(known) => known.count = known.count.saturating_add(hit.count),
                None => self.hits.push(hit),
            }
        }
        freed.extend(releases.released);
        releases.denied
    }
}

/// Puts released text into the payload's own slots; what belongs elsewhere goes out before it.
/// With `drop_unreadable` what a guard can't read (log probabilities, unknown fields) is dropped.
pub(crate) fn place(payload: &Payload, freed: Vec<Delta>, drop_unreadable: bool) -> Vec<Bytes> {
    let mut slots: Vec<Option<String>> = vec![Some(String::new()); payload.texts().len()];
    let mut elsewhere = Vec::new();
    let last_of = slots_of(payload);
    for delta in freed {
        let slot = last_of
            .get(&(delta.choice, delta.channel))
            .and_then(|at| slots.get_mut(*at)?.as_mut());
        match slot {
            Some(slot) => slot.push_str(&delta.text),
            None => elsewhere.push(delta),
        }
    }
    let empty = slots.iter().flatten().all(String::is_empty);
    let had_text = payload.texts().iter().any(|t| !t.text.is_empty());
    let mut out = Vec::with_capacity(2);
    if !elsewhere.is_empty() {
        out.extend(synthesise(payload, elsewhere));
    }
    // Held whole: the event itself is held too. An empty first delta names the role and stays.
    if !(had_text && empty && payload.is_empty_delta()) {
        out.push(payload.rewrite(&slots, drop_unreadable));
    }
    out
}

/// The last of a payload's texts of each stretch and channel.
pub(super) fn slots_of(payload: &Payload) -> HashMap<(u32, Channel), usize> {
    let texts = payload.texts().iter().enumerate();
    texts
        .map(|(at, text)| ((text.choice, text.channel), at))
        .collect()
}

fn synthesise(mould: &Payload, texts: Vec<Delta>) -> Vec<Bytes> {
    let texts: Vec<(u32, Channel, String)> = texts
        .into_iter()
        .map(|d| (d.choice, d.channel, d.text))
        .collect();
    mould.synthesise(&texts)
}

fn unlabelled(error: &PayloadError) -> PolicyError {
    PolicyError::Nonsense {
        policy: "guardrails",
        detail: format!(
            "an answer's labels as the output guard released them make no payload: {error}"
        ),
    }
}

/// The error of a denied answer.
pub(crate) fn denied(reason: &Reason) -> GatewayError {
    GatewayError::new(ErrorKind::OutputDenied, reason.detail.clone()).with_code(reason.code.clone())
}

/// The error of a policy that failed. The request fails closed.
pub(crate) fn policy_failed(error: &PolicyError) -> GatewayError {
    match error {
        PolicyError::Exhausted { .. } => {
            GatewayError::new(ErrorKind::Overloaded, error.to_string())
                .with_retry_after(std::time::Duration::from_secs(1))
        }
        _ => GatewayError::new(ErrorKind::PolicyFailed, error.to_string()),
    }
}
