//! The end of an answer: clients get it, then it is stored if policy and bounds allow.

use std::sync::Arc;

use forebay_dialect::Wire;

use super::Receiver;
use super::meter::Meter;
use crate::answer::flight::{End, Flight, Head, Landing};
use crate::platform::Platform;
use crate::policy::{Ending, Outcome, Policies};
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
        let recording = form.map(|form| {
            Arc::new(self.recording(form, ending, &meter, answer.upstream.name.clone()))
        });
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
            recording,
        });
        if let Err(error) = self.gateway.store().put(entry).await {
            self.warn(format!("an answer was not stored: {error}"));
        }
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
