//! The guard releases, or nothing goes out: an answer's payloads pass the output guard and are rewritten.

use bytes::Bytes;
use forebay_dialect::Payload;
use forebay_dialect::canonical::Channel;

use crate::error::{ErrorKind, GatewayError};
use crate::policy::{Delta, Hit, OutputGuard, PolicyError, Reason, Releases};

/// One answer on its way through the output guard.
pub(crate) struct Guarded<G> {
    guard: G,
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
    pub(crate) fn new(guard: G) -> Self {
        Self {
            guard,
            last: None,
            hits: Vec::new(),
        }
    }

    /// Passes one payload: its texts become what is released, what the guard can't read is dropped.
    pub(crate) async fn pass(&mut self, payload: Payload) -> Result<Passed, PolicyError> {
        let texts = payload.texts();
        let mut freed: Vec<Delta> = Vec::new();
        if !texts.is_empty() {
            let deltas = texts
                .iter()
                .map(|t| Delta {
                    choice: t.choice,
                    channel: t.channel,
                    text: t.text.clone(),
                })
                .collect();
            let releases = self.guard.push(deltas).await?;
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
        let payloads = place(&payload, freed, true);
        self.last = Some(payload);
        Ok(Passed {
            payloads,
            denied: None,
        })
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
    for delta in freed {
        let slot = payload
            .texts()
            .iter()
            .rposition(|t| t.choice == delta.choice && t.channel == delta.channel)
            .and_then(|at| slots[at].as_mut());
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

fn synthesise(mould: &Payload, texts: Vec<Delta>) -> Vec<Bytes> {
    let texts: Vec<(u32, Channel, String)> = texts
        .into_iter()
        .map(|d| (d.choice, d.channel, d.text))
        .collect();
    mould.synthesise(&texts)
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
