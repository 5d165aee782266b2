//! An answer that comes as a stream of events.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use forebay_dialect::exchange::Seen;
use forebay_dialect::{
    AnswerContext, Mender, Payload, PayloadError, StreamItem, StreamTranslation, Terminal, Wire,
    fold,
};

use super::empty::is_empty;
use super::events::{Event, Events};
use super::guard::{denied, policy_failed};
use super::meter::Meter;
use super::{Broken, GuardOf, Receiver, Spare, invalid};
use crate::answer::flight::Head;
use crate::decide::aside;
use crate::error::{ErrorKind, GatewayError};
use crate::memory::no_memory;
use crate::platform::{MemoryShare, Platform};
use crate::policy::Ending;
use crate::recording::Form;
use crate::route::{Answer, Envelope};
use crate::time::timeout;

/// What may come before the first content and is held back until then, so that a stream that
/// breaks before it says anything can be asked of another upstream. Beyond it the stream counts as
/// begun. The Responses format repeats the whole request in its first events.
const HELD_EVENTS: usize = 64;
const HELD_BYTES: usize = 1 << 20;

/// A stream on its way through.
struct Passing<P: Platform> {
    guard: Option<GuardOf<P>>,
    meter: Meter,
    /// None where the upstream speaks as the client does.
    translation: Option<StreamTranslation>,
    /// Mends what passes where the upstream speaks as the client does.
    mender: Mender,
    /// What clients are told once the first content has come.
    head: Head,
    seen: Arc<Seen>,
    sent: Instant,
    /// What came before the first content.
    held: Vec<Payload>,
    held_bytes: usize,
    /// Content has gone out.
    begun: bool,
    /// All of it is held, since its client wants one body: so many bytes at most.
    folds: Option<usize>,
    /// The memory of what is held to be folded.
    share: Box<dyn MemoryShare>,
}

/// What an event was.
#[derive(PartialEq)]
enum Step {
    /// One of the stream.
    On,
    /// Its end.
    End,
}

impl<P: Platform> Receiver<'_, P> {
    pub(super) async fn receive_stream(
        &mut self,
        answer: &mut Answer,
        framing: Envelope,
        guard: Option<GuardOf<P>>,
        head: Head,
        context: &AnswerContext,
    ) -> Result<(), Broken> {
        let config = self.gateway.config().clone();
        let (wire, model) = (self.errand.wire, &self.errand.facts.model);
        let name = answer.upstream.name.clone();
        let first_byte = answer.upstream.first_byte(model, &config.timeouts);
        let idle = answer.upstream.idle(model, &config.timeouts);
        let mut events = Events::new(framing, answer.wire, config.streams.max_event);
        let translated = answer.wire != wire || context.back.undoes();
        let mut passing = Passing {
            guard,
            meter: Meter::default(),
            translation: translated.then(|| StreamTranslation::new(answer.wire, wire, context)),
            mender: Mender::new(wire, context),
            head,
            seen: context.seen.clone(),
            sent: answer.sent,
            held: Vec::new(),
            held_bytes: 0,
            begun: false,
            folds: answer.folds.then_some(config.streams.max_response),
            share: self.gateway.platform().share(),
        };
        let mut wait = first_byte;
        loop {
            let next = self.next(answer, Some(wait), answer.folds).await;
            let Some(chunk) = next.map_err(|e| Broken::at(passing.begun, e))? else {
                // An event whose blank line is missing is whole where the body is.
                if let Some(Ok(event)) = events.finish()
                    && self.event(event, &mut passing).await? == Step::End
                {
                    return self.end_stream(answer, passing, context).await;
                }
                return self.end_of_body(answer, &events, passing, context).await;
            };
            wait = idle;
            events.push(chunk);
            while let Some(event) = events.next() {
                let event = event.map_err(|e| Broken::at(passing.begun, invalid(&name, &e)))?;
                if event.data.is_empty() {
                    continue;
                }
                let step = self.event(event, &mut passing).await?;
                if passing.begun || passing.meter.spoke {
                    answer.begun(|| self.gateway.platform().now());
                }
                if step == Step::End {
                    return self.end_stream(answer, passing, context).await;
                }
            }
            self.wait_for_clients().await.map_err(Broken::Late)?;
        }
    }

    /// One event of the upstream's, as what it becomes for the client.
    async fn event(&self, event: Event, passing: &mut Passing<P>) -> Result<Step, Broken> {
        let begun = passing.begun;
        let name = passing.head.upstream.clone();
        let unreadable = |e: PayloadError| {
            let what = format!("an event that is not valid in its format: {e}");
            Broken::at(begun, invalid(&name, &what))
        };
        let Some(translation) = &mut passing.translation else {
            let data = passing.mender.event(event.data);
            let item = StreamItem::parse(self.errand.wire, data).map_err(unreadable)?;
            let StreamItem::Payload(payload) = item else {
                return Ok(Step::End);
            };
            let last = payload.is_terminal();
            self.payload(payload, passing).await?;
            return Ok(if last { Step::End } else { Step::On });
        };
        let mut told = Vec::new();
        translation
            .push(event.name.as_deref(), &event.data, &mut told)
            .map_err(unreadable)?;
        let ended = translation.has_ended();
        self.translated(told, passing).await?;
        Ok(if ended { Step::End } else { Step::On })
    }

    /// What a translation made of an event.
    async fn translated(&self, told: Vec<Bytes>, passing: &mut Passing<P>) -> Result<(), Broken> {
        for data in told {
            let payload = Payload::parse(self.errand.wire, data).map_err(|e| {
                let error = format!("a translated event can't be read: {e}");
                Broken::at(passing.begun, GatewayError::new(ErrorKind::Internal, error))
            })?;
            self.payload(payload, passing).await?;
        }
        Ok(())
    }

    async fn payload(&self, payload: Payload, passing: &mut Passing<P>) -> Result<(), Broken> {
        let now = self.gateway.platform().now();
        if let Some(error) = passing.meter.read(&payload, &passing.head.upstream, now) {
            return Err(Broken::at(passing.begun, error));
        }
        if passing.begun {
            return self.pass_on(payload, passing).await.map_err(Broken::Late);
        }
        let bytes = payload.raw.len();
        passing.held_bytes += bytes;
        passing.held.push(payload);
        if let Some(limit) = passing.folds {
            if !passing.share.grow(bytes) {
                return Err(Broken::Late(no_memory()));
            }
            if passing.held_bytes <= limit {
                return Ok(());
            }
            let what = format!("a response of more than {limit} bytes (streams.max_response)");
            return Err(Broken::Late(invalid(&passing.head.upstream, &what)));
        }
        if passing.meter.spoke
            || passing.held.len() > HELD_EVENTS
            || passing.held_bytes > HELD_BYTES
        {
            self.begin(passing).await.map_err(Broken::Late)?;
        }
        Ok(())
    }

    /// The first content has come: from here on the stream is this upstream's.
    async fn begin(&self, passing: &mut Passing<P>) -> Result<(), GatewayError> {
        let now = self.gateway.platform().now();
        passing.begun = true;
        passing.head.waited = now.saturating_duration_since(passing.sent);
        if let Some(lost) = passing.seen.unshown() {
            passing.head.lose(&lost);
        }
        self.flight.set_head(passing.head.clone());
        for payload in std::mem::take(&mut passing.held) {
            self.pass_on(payload, passing).await?;
        }
        Ok(())
    }

    async fn pass_on(
        &self,
        payload: Payload,
        passing: &mut Passing<P>,
    ) -> Result<(), GatewayError> {
        self.flight.spoke(passing.meter.text_bytes);
        let Some(guard) = &mut passing.guard else {
            self.flight
                .push(payload.raw.clone(), payload.is_usage_only());
            return Ok(());
        };
        let usage_only = payload.is_usage_only();
        let passed = guard.pass(payload).await.map_err(|e| policy_failed(&e))?;
        for body in passed.payloads {
            self.flight.push(body, usage_only);
        }
        if let Some(reason) = passed.denied {
            self.report_hits(std::mem::take(&mut guard.hits));
            return Err(denied(&reason));
        }
        Ok(())
    }

    /// The body has ended: the end of some formats' streams, a broken one in all others.
    async fn end_of_body(
        &mut self,
        answer: &mut Answer,
        events: &Events,
        mut passing: Passing<P>,
        context: &AnswerContext,
    ) -> Result<(), Broken> {
        let name = answer.upstream.name.clone();
        let truncated = |begun: bool, why: String| {
            let error = format!("upstream \"{name}\" {why}");
            Broken::at(
                begun,
                GatewayError::new(ErrorKind::UpstreamTruncated, error),
            )
        };
        if let Some(why) = events.unfinished() {
            return Err(truncated(passing.begun, why));
        }
        let mut told = Vec::new();
        let ended = match &mut passing.translation {
            Some(translation) => {
                translation.end_of_body(&mut told);
                translation.has_ended()
            }
            None if passing.meter.ending.is_none() => false,
            // The reason to finish has come: only the format's own end is missing.
            None if self.errand.wire == Wire::Messages => {
                told.push(Bytes::from_static(b"{\"type\":\"message_stop\"}"));
                true
            }
            None => self.errand.wire.terminal() != Terminal::Payload,
        };
        if ended {
            self.translated(told, &mut passing).await?;
            return self.end_stream(answer, passing, context).await;
        }
        let why = "ended its stream without the terminal event".to_owned();
        Err(truncated(passing.begun, why))
    }

    /// The events of a stream without content, as they may go out.
    async fn empty_events(&self, passing: &mut Passing<P>) -> Result<Vec<Bytes>, GatewayError> {
        let held = std::mem::take(&mut passing.held);
        let Some(guard) = &mut passing.guard else {
            return Ok(held.into_iter().map(|held| held.raw).collect());
        };
        let mut events = Vec::with_capacity(held.len());
        for payload in held {
            let passed = guard.pass(payload).await.map_err(|e| policy_failed(&e))?;
            if let Some(reason) = passed.denied {
                self.report_hits(std::mem::take(&mut guard.hits));
                return Err(denied(&reason));
            }
            events.extend(passed.payloads);
        }
        self.report_hits(std::mem::take(&mut guard.hits));
        Ok(events)
    }

    async fn end_stream(
        &mut self,
        answer: &mut Answer,
        mut passing: Passing<P>,
        context: &AnswerContext,
    ) -> Result<(), Broken> {
        let wire = self.errand.wire;
        if !passing.begun {
            if passing.held.is_empty() {
                let error = invalid(&answer.upstream.name, "a stream without any event");
                return Err(Broken::Early(error));
            }
            if passing.folds.is_some() {
                return self.end_folded(answer, passing, context).await;
            }
            if is_empty(&passing.meter, passing.held.iter()) {
                let form = Form::Events(
                    self.empty_events(&mut passing)
                        .await
                        .map_err(Broken::Late)?,
                );
                let spare = Spare::new(self, passing.head, form, &passing.meter);
                let error = invalid(&answer.upstream.name, "a stream without any content");
                return Err(Broken::Empty(error, Box::new(spare)));
            }
            self.begin(&mut passing).await.map_err(Broken::Late)?;
        }
        if let Some(mut guard) = passing.guard {
            let passed = guard
                .finish()
                .await
                .map_err(|e| Broken::Late(policy_failed(&e)))?;
            self.report_hits(std::mem::take(&mut guard.hits));
            // After an event that ends a stream nothing may follow; every stretch was closed before it.
            if wire.terminal() != Terminal::Payload {
                for body in passed.payloads {
                    self.flight.push(body, false);
                }
            }
            if let Some(reason) = passed.denied {
                return Err(Broken::Late(denied(&reason)));
            }
        }
        let meter = passing.meter;
        self.measured(answer, &meter);
        let form = self.flight.log().map(|(events, _)| Form::Events(events));
        self.land(answer, meter, form, Ending::Complete).await;
        Ok(())
    }

    /// A stream whose client wants one body. Nothing of it has gone out: whatever is wrong with it,
    /// another upstream may be tried.
    async fn end_folded(
        &mut self,
        answer: &mut Answer,
        passing: Passing<P>,
        context: &AnswerContext,
    ) -> Result<(), Broken> {
        self.measured(answer, &passing.meter);
        let events: Vec<Bytes> = passing.held.into_iter().map(|held| held.raw).collect();
        let (wire, context) = (self.errand.wire, context.clone());
        let size = events.iter().map(Bytes::len).sum();
        let folding = async move { fold(wire, &events, &context) };
        let body = aside(self.gateway, &self.errand.caller.tenant, size, folding)
            .await
            .map_err(|e| {
                let what = format!("a stream that can't be assembled into a complete answer: {e}");
                Broken::Early(invalid(&answer.upstream.name, &what))
            })?;
        let mut share = self.gateway.platform().share();
        if !share.grow(body.len()) {
            return Err(Broken::Late(no_memory()));
        }
        self.deliver(answer, (body, share), passing.guard, passing.head)
            .await
    }

    /// What a stream that has ended tells of its upstream's speed.
    fn measured(&self, answer: &Answer, meter: &Meter) {
        let now = self.gateway.platform().now();
        if let Some(first) = meter.first_token {
            let tokens = meter.usage.map_or(meter.deltas, |u| u.output);
            answer.upstream.measured(
                first.saturating_duration_since(answer.sent),
                tokens,
                now.saturating_duration_since(first),
                now,
            );
        }
    }

    /// Slows down to the fastest client; a client that does not read at all is cut.
    async fn wait_for_clients(&self) -> Result<(), GatewayError> {
        let patience = self.gateway.config().timeouts.slow_client.0;
        match timeout(&**self.gateway.platform(), patience, self.flight.writable()).await {
            Some(true) => Ok(()),
            Some(false) => Err(GatewayError::new(
                ErrorKind::Internal,
                "no client is waiting for this answer any more",
            )),
            None => {
                self.flight.cut_laggards();
                Ok(())
            }
        }
    }
}
