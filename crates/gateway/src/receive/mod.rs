//! What comes from an upstream on its way into the flight: read in the upstream's format, told
//! in the client's, metered, guarded, pushed.

mod events;
pub(crate) mod guard;
pub(crate) mod meter;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use forebay_dialect::{
    AnswerContext, Payload, StreamItem, StreamTranslation, Terminal, Wire, translate_answer,
};
use futures_util::StreamExt as _;
use http::header::CONTENT_TYPE;

use crate::error::{ErrorKind, GatewayError};
use crate::flight::Head;
use crate::guard::{Guarded, denied, policy_failed};
use crate::leader::{GuardOf, Leader};
use crate::meter::Meter;
use crate::platform::Platform;
use crate::policy::{Ending, Policies};
use crate::recording::Form;
use crate::time::timeout;
use crate::upstream::{Answer, Framing, timed_out, transport_error};
use events::{Event, Events};

/// An answer broke.
pub(crate) enum Broken {
    /// Before its first event: another upstream may be tried.
    Early(GatewayError),
    /// Clients have seen some of it.
    Late(GatewayError),
}

impl Broken {
    fn at(begun: bool, error: GatewayError) -> Self {
        if begun {
            Broken::Late(error)
        } else {
            Broken::Early(error)
        }
    }
}

/// A stream on its way through.
struct Passing<P: Platform> {
    guard: Option<GuardOf<P>>,
    meter: Meter,
    /// None where the upstream speaks as the client does.
    translation: Option<StreamTranslation>,
    /// What clients are told once the first event has come.
    head: Head,
    sent: Instant,
    /// An event has gone out.
    begun: bool,
}

/// What an event was.
#[derive(PartialEq)]
enum Step {
    /// One of the stream.
    On,
    /// Its end.
    End,
}

impl<P: Platform> Leader<P> {
    pub(crate) async fn receive(&mut self, answer: &mut Answer) -> Result<(), Broken> {
        let guard = if self.facts.guard_output {
            let guard = self.gateway.policies().guard(&self.caller).await;
            Some(Guarded::new(
                guard.map_err(|e| Broken::Late(policy_failed(&e)))?,
            ))
        } else {
            None
        };
        match framing_of(answer) {
            Some(framing) => self.receive_stream(answer, framing, guard).await,
            None => self.receive_whole(answer, guard).await,
        }
    }

    /// The client's format, which the flight is in.
    pub(crate) fn wire(&self) -> Wire {
        self.attempts.request.wire()
    }

    /// What an answer in another format says where the upstream says nothing.
    fn context(&self) -> AnswerContext {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        AnswerContext {
            id: format!("{:016x}", self.flight.id),
            model: self.facts.model.to_string(),
            created: now.unwrap_or_default().as_secs(),
            echo: self.attempts.request.answer_echo(),
        }
    }

    /// The next bytes of the body. `limit` is the stage's own; the client's deadline holds as well.
    async fn next(
        &mut self,
        answer: &mut Answer,
        limit: Duration,
    ) -> Result<Option<Bytes>, GatewayError> {
        let left = self
            .attempts
            .deadline
            .saturating_duration_since(Instant::now());
        let limit = limit.min(left);
        let platform = &**self.gateway.platform();
        match self
            .silence
            .within(platform, limit, answer.body.next())
            .await
        {
            None => Err(timed_out(&answer.upstream.name, limit)),
            Some(None) => Ok(None),
            Some(Some(Ok(bytes))) => Ok(Some(bytes)),
            Some(Some(Err(error))) => Err(transport_error(&answer.upstream.name, &error)),
        }
    }

    async fn receive_whole(
        &mut self,
        answer: &mut Answer,
        guard: Option<GuardOf<P>>,
    ) -> Result<(), Broken> {
        let body = self.gather(answer).await?;
        let name = answer.upstream.name.clone();
        let not_its_dialect = |e: forebay_dialect::PayloadError| {
            Broken::Early(invalid(
                &name,
                &format!("what is no answer of its dialect: {e}"),
            ))
        };
        let body = if answer.wire == self.wire() {
            body
        } else {
            translate_answer(answer.wire, self.wire(), &body, &self.context())
                .map_err(not_its_dialect)?
        };
        let payload = Payload::parse(self.wire(), body).map_err(not_its_dialect)?;
        let mut meter = Meter::default();
        if let Some(error) = meter.read(&payload, &name) {
            return Err(Broken::Late(error));
        }
        let took = answer.sent.elapsed();
        answer
            .upstream
            .measured(took, meter.usage.map_or(0, |u| u.output), Duration::ZERO);
        let body = match guard {
            None => payload.raw.clone(),
            Some(guard) => self
                .guard_whole(payload, guard)
                .await
                .map_err(Broken::Late)?,
        };
        self.flight.set_head(self.head(name, answer));
        self.land(answer, meter, Some(Form::Whole(body)), Ending::Complete)
            .await;
        Ok(())
    }

    /// The whole of a body that is no stream.
    async fn gather(&mut self, answer: &mut Answer) -> Result<Bytes, Broken> {
        let timeouts = self.gateway.config().timeouts.clone();
        let limit = self.gateway.config().streams.max_response;
        let mut body = Bytes::new();
        let mut gathered = BytesMut::new();
        let mut wait = timeouts.first_byte.0;
        while let Some(chunk) = self.next(answer, wait).await.map_err(Broken::Early)? {
            wait = timeouts.idle.0;
            if body.len() + gathered.len() + chunk.len() > limit {
                return Err(Broken::Late(invalid(
                    &answer.upstream.name,
                    &format!("an answer of more than {limit} bytes (streams.max_response)"),
                )));
            }
            if body.is_empty() && gathered.is_empty() {
                body = chunk;
            } else {
                if gathered.is_empty() {
                    gathered.extend_from_slice(&std::mem::take(&mut body));
                }
                gathered.extend_from_slice(&chunk);
            }
        }
        // A copy of its own: what came is a slice of a larger read buffer, which a recording
        // would keep alive, many times its weight.
        Ok(Bytes::copy_from_slice(if gathered.is_empty() {
            &body
        } else {
            &gathered
        }))
    }

    /// A whole answer is pushed at once and finished: all that may go out is then released.
    async fn guard_whole(
        &self,
        payload: Payload,
        mut guard: GuardOf<P>,
    ) -> Result<Bytes, GatewayError> {
        let texts = payload.texts().to_vec();
        let passed = guard
            .pass(payload.clone())
            .await
            .map_err(|e| policy_failed(&e))?;
        let rest = match &passed.denied {
            None => Some(guard.finish().await.map_err(|e| policy_failed(&e))?),
            Some(_) => None,
        };
        self.report_hits(std::mem::take(&mut guard.hits));
        if let Some(reason) = passed
            .denied
            .or(rest.as_ref().and_then(|r| r.denied.clone()))
        {
            return Err(denied(&reason));
        }
        // Released within the pass, released at the end: both belong into the slots of the one body.
        let mut slots = vec![Some(String::new()); texts.len()];
        for body in passed
            .payloads
            .into_iter()
            .chain(rest.into_iter().flat_map(|r| r.payloads))
        {
            let Ok(part) = Payload::parse(self.wire(), body) else {
                continue;
            };
            for text in part.texts() {
                let at = texts
                    .iter()
                    .rposition(|t| t.choice == text.choice && t.channel == text.channel);
                if let Some(Some(slot)) = at.and_then(|at| slots.get_mut(at)) {
                    slot.push_str(&text.text);
                }
            }
        }
        Ok(payload.rewrite(&slots, true))
    }

    async fn receive_stream(
        &mut self,
        answer: &mut Answer,
        framing: Framing,
        guard: Option<GuardOf<P>>,
    ) -> Result<(), Broken> {
        let config = self.gateway.config().clone();
        let name = answer.upstream.name.clone();
        let mut events = Events::new(framing, answer.wire, config.streams.max_event);
        let translated = answer.wire != self.wire();
        let mut passing = Passing {
            guard,
            meter: Meter::default(),
            translation: translated
                .then(|| StreamTranslation::new(answer.wire, self.wire(), &self.context())),
            head: self.head(name.clone(), answer),
            sent: answer.sent,
            begun: false,
        };
        loop {
            let wait = if passing.begun {
                config.timeouts.idle.0
            } else {
                config.timeouts.first_byte.0
            };
            let next = self.next(answer, wait).await;
            let Some(chunk) = next.map_err(|e| Broken::at(passing.begun, e))? else {
                return self.end_of_body(answer, &events, passing).await;
            };
            events.push(chunk);
            while let Some(event) = events.next() {
                let event = event.map_err(|e| Broken::at(passing.begun, invalid(&name, &e)))?;
                if event.data.is_empty() {
                    continue;
                }
                if self.event(event, &mut passing).await? == Step::End {
                    return self.end_stream(answer, passing).await;
                }
            }
            self.wait_for_clients().await.map_err(Broken::Late)?;
        }
    }

    /// One event of the upstream's, as what it becomes for the client.
    async fn event(&self, event: Event, passing: &mut Passing<P>) -> Result<Step, Broken> {
        let begun = passing.begun;
        let name = passing.head.upstream.clone();
        let not_its_dialect = |e: forebay_dialect::PayloadError| {
            let what = format!("an event that is none of its dialect: {e}");
            Broken::at(begun, invalid(&name, &what))
        };
        let Some(translation) = &mut passing.translation else {
            let item = StreamItem::parse(self.wire(), event.data).map_err(not_its_dialect)?;
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
            .map_err(not_its_dialect)?;
        let ended = translation.has_ended();
        self.told(told, passing).await?;
        Ok(if ended { Step::End } else { Step::On })
    }

    /// What a translation made of an event.
    async fn told(&self, told: Vec<Bytes>, passing: &mut Passing<P>) -> Result<(), Broken> {
        for data in told {
            let payload = Payload::parse(self.wire(), data).map_err(|e| {
                let error = format!("a translated event can't be read: {e}");
                Broken::at(passing.begun, GatewayError::new(ErrorKind::Internal, error))
            })?;
            self.payload(payload, passing).await?;
        }
        Ok(())
    }

    async fn payload(&self, payload: Payload, passing: &mut Passing<P>) -> Result<(), Broken> {
        if let Some(error) = passing.meter.read(&payload, &passing.head.upstream) {
            return Err(Broken::at(passing.begun, error));
        }
        if !passing.begun {
            passing.begun = true;
            passing.head.waited = passing.sent.elapsed();
            self.flight.set_head(passing.head.clone());
        }
        self.pass_on(payload, passing.guard.as_mut())
            .await
            .map_err(Broken::Late)
    }

    async fn pass_on(
        &self,
        payload: Payload,
        guard: Option<&mut GuardOf<P>>,
    ) -> Result<(), GatewayError> {
        let Some(guard) = guard else {
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
    ) -> Result<(), Broken> {
        let name = answer.upstream.name.clone();
        if let Some(why) = events.unfinished() {
            let error = format!("upstream \"{name}\" {why}");
            let error = GatewayError::new(ErrorKind::UpstreamTruncated, error);
            return Err(Broken::at(passing.begun, error));
        }
        let mut told = Vec::new();
        let ended = match &mut passing.translation {
            Some(translation) => {
                translation.end_of_body(&mut told);
                translation.has_ended()
            }
            None => self.wire().terminal() == Terminal::Eof && passing.meter.ending.is_some(),
        };
        if ended {
            self.told(told, &mut passing).await?;
            return self.end_stream(answer, passing).await;
        }
        let error = GatewayError::new(
            ErrorKind::UpstreamTruncated,
            format!("upstream \"{name}\" ended its stream without the terminal event"),
        );
        Err(Broken::at(passing.begun, error))
    }

    async fn end_stream(&mut self, answer: &mut Answer, passing: Passing<P>) -> Result<(), Broken> {
        if !passing.begun {
            let error = invalid(&answer.upstream.name, "a stream without a single event");
            return Err(Broken::Early(error));
        }
        if let Some(mut guard) = passing.guard {
            let passed = guard
                .finish()
                .await
                .map_err(|e| Broken::Late(policy_failed(&e)))?;
            self.report_hits(std::mem::take(&mut guard.hits));
            // After an event that ends a stream nothing may follow; every stretch was closed before it.
            if self.wire().terminal() != Terminal::Payload {
                for body in passed.payloads {
                    self.flight.push(body, false);
                }
            }
            if let Some(reason) = passed.denied {
                return Err(Broken::Late(denied(&reason)));
            }
        }
        let meter = passing.meter;
        let now = Instant::now();
        if let Some(first) = meter.first_token {
            let tokens = meter.usage.map_or(meter.deltas, |u| u.output);
            answer
                .upstream
                .measured(first - answer.sent, tokens, now - first);
        }
        let form = self.flight.log().map(|(events, _)| Form::Events(events));
        self.land(answer, meter, form, Ending::Complete).await;
        Ok(())
    }

    /// Slows down to the fastest client; a client that does not read at all is cut.
    async fn wait_for_clients(&self) -> Result<(), GatewayError> {
        let patience = self.gateway.config().timeouts.slow_client.0;
        match timeout(&**self.gateway.platform(), patience, self.flight.writable()).await {
            Some(true) => Ok(()),
            Some(false) => Err(GatewayError::new(
                ErrorKind::Internal,
                "nobody waits for this answer any more",
            )),
            None => {
                self.flight.cut_laggards();
                Ok(())
            }
        }
    }
}

/// How the answer is framed as a stream; none where it is whole.
fn framing_of(answer: &Answer) -> Option<Framing> {
    let media = answer.head.headers.get(CONTENT_TYPE)?;
    let media = media.as_bytes().to_ascii_lowercase();
    if media.starts_with(b"text/event-stream") {
        Some(Framing::Sse)
    } else if media.starts_with(b"application/vnd.amazon.eventstream") {
        Some(answer.framing)
    } else {
        None
    }
}

fn invalid(upstream: &str, what: &str) -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamInvalid,
        format!("upstream \"{upstream}\" sent {what}"),
    )
}
