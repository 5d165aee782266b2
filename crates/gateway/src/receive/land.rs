//! The end of an answer: clients get it, then it is stored if policy and bounds allow.

use std::sync::Arc;

use forebay_dialect::Wire;
use forebay_dialect::canonical::Usage;

use super::Receiver;
use super::meter::Meter;
use crate::answer::flight::{End, Flight, Head, Landing};
use crate::observe::{CacheSaving, Observation};
use crate::platform::Platform;
use crate::policy::{Ending, Outcome, Policies, Price};
use crate::recording::{Form, Recording};
use crate::route::Answer;
use crate::store::{Entry, Store};
use crate::time::yield_now;

impl<P: Platform> Receiver<'_, P> {
    /// The answer has ended well.
    pub(super) async fn land(
        &self,
        answer: &mut Answer,
        meter: Meter,
        form: Option<Form>,
        fallback: Ending,
    ) {
        let ending = meter.ending.unwrap_or(fallback);
        self.report_saving(answer, &meter);
        let recording = form.map(|form| {
            Arc::new(self.recording(form, ending, &meter, answer.upstream.name.clone()))
        });
        answer.ended(self.gateway.platform().now());
        self.flight.finish(End::Done(Landing {
            recording: recording.clone(),
            usage: meter.usage,
            model: meter.model.clone(),
        }));
        let Some(recording) = recording.filter(|r| {
            self.errand.may_store
                && self.errand.plan.store
                && r.bytes() <= self.gateway.config().streams.max_recording
        }) else {
            return;
        };
        // Clients are woken but have not run yet: their end goes out first.
        yield_now().await;
        let outcome = Outcome {
            ending,
            status: answer.head.status.as_u16(),
            bytes: recording.bytes() as u64,
            tool_calls: meter.tool_calls,
            // Vectors have no tokens of output, which would say that they are empty.
            usage: meter.usage.filter(|_| self.errand.wire != Wire::Embeddings),
        };
        self.keep(recording, &outcome).await;
    }

    /// Counts what the provider's prompt cache did, from the provider's own usage.
    fn report_saving(&self, answer: &Answer, meter: &Meter) {
        let Some(usage) = meter.usage else {
            return;
        };
        let price = answer.upstream.full_price(&self.errand.facts.model);
        let saving = saving(&usage, price, answer.expected_cached);
        if saving != CacheSaving::default() {
            let upstream = answer.upstream.name.clone();
            let platform = self.gateway.platform();
            platform.observe(Observation::PromptCache { upstream, saving });
        }
    }

    /// What came, as released by the guard.
    fn recording(
        &self,
        form: Form,
        ending: Ending,
        meter: &Meter,
        upstream: Arc<str>,
    ) -> Recording {
        Recording::new(
            self.flight.id,
            self.errand.wire,
            form,
            ending,
            meter.usage,
            meter.model.clone(),
            upstream,
            *self.gateway.policies().digest(),
        )
    }

    async fn keep(&self, recording: Arc<Recording>, outcome: &Outcome) {
        let errand = self.errand;
        let admission = match self
            .gateway
            .policies()
            .admit(&errand.caller, &errand.plan, outcome)
            .await
        {
            Ok(admission) => admission,
            Err(error) => return self.warn(format!("an answer was not stored: {error}")),
        };
        if !admission.store {
            return;
        }
        let entry = Arc::new(Entry {
            key: self.flight.key,
            tenant: errand.caller.tenant.clone(),
            model: errand.facts.model.clone(),
            tags: admission.tags,
            stored: self.gateway.platform().wall(),
            freshness: admission.freshness,
            recording: recording.unbooked(),
        });
        if let Err(error) = self.gateway.store().put(entry).await {
            self.warn(format!("an answer was not stored: {error}"));
        }
    }
}

/// What a write costs more than a plain token where no price is known: a quarter of its price.
const USUAL_PREMIUM: f64 = 0.25;

#[allow(
    clippy::cast_precision_loss,
    reason = "tokens and prices are far below 2^53"
)]
fn saving(usage: &Usage, price: Option<(Price, Option<u64>)>, expected: f64) -> CacheSaving {
    let (price, write) = price.unwrap_or((Price::default(), None));
    // Prices are millionths of a dollar for a million tokens.
    let usd = |tokens: f64, price: f64| tokens * price / 1e12;
    let input = price.input as f64;
    let discount = (input - price.cached_input as f64).max(0.0);
    let premium = write.map_or(input * USUAL_PREMIUM, |write| {
        (write as f64 - input).max(0.0)
    });
    CacheSaving {
        read_tokens: usage.cached_input,
        written_tokens: usage.cache_write,
        saved_usd: usd(usage.cached_input as f64, discount),
        premium_usd: usd(usage.cache_write as f64, premium),
        predicted_usd: usd(usage.input as f64 * expected, discount),
    }
}

/// An answer without content, for the case that no upstream has a better one. It is not kept.
pub(crate) struct Spare {
    head: Head,
    recording: Arc<Recording>,
}

impl Spare {
    pub(super) fn new<P: Platform>(
        receiver: &Receiver<'_, P>,
        head: Head,
        form: Form,
        meter: &Meter,
    ) -> Self {
        let ending = meter.ending.unwrap_or(Ending::Complete);
        let upstream = head.upstream.clone();
        Self {
            recording: Arc::new(receiver.recording(form, ending, meter, upstream)),
            head,
        }
    }

    /// Gives it to the clients.
    pub(crate) fn land(self, flight: &Flight) {
        flight.set_head(self.head);
        if let Form::Events(events) = &self.recording.form {
            for event in events {
                flight.push(event.clone(), false);
            }
        }
        flight.finish(End::Done(Landing {
            usage: self.recording.usage,
            model: self.recording.model.clone(),
            recording: Some(self.recording),
        }));
    }
}
