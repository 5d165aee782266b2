//! What comes from an upstream on its way into the flight: read in the upstream's format, written
//! in the client's, metered, guarded, pushed.

mod empty;
mod events;
pub(crate) mod guard;
pub(crate) mod labels;
mod land;
pub(crate) mod meter;
mod stream;
mod whole;
pub(crate) mod words;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use forebay_dialect::{AnswerContext, Request};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use http::header::CONTENT_TYPE;

use crate::answer::flight::{Flight, Head};
use crate::answer::lead::Errand;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::observe::{LostField, Observation};
use crate::platform::{Platform, TransportError, TransportFailure};
use crate::policy::{Hit, Policies};
use crate::route::{Answer, Envelope, timed_out, transport_error};
use crate::time::Timer;
use guard::Guarded;
use labels::Sent;

pub(crate) use land::Spare;

/// An answer broke.
pub(crate) enum Broken {
    /// Before its first content: another upstream may be tried.
    Early(GatewayError),
    /// It came whole and says nothing. Another upstream may be tried; else it is what there is.
    Empty(GatewayError, Box<Spare>),
    /// Clients have seen some of it, or another try would end the same way.
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

    /// The same with another error.
    fn with(self, change: impl FnOnce(GatewayError) -> GatewayError) -> Self {
        match self {
            Broken::Early(error) => Broken::Early(change(error)),
            Broken::Empty(error, spare) => Broken::Empty(change(error), spare),
            Broken::Late(error) => Broken::Late(change(error)),
        }
    }
}

type GuardOf<P> = Guarded<<<P as Platform>::Policies as Policies>::Guard>;

/// Reads answers into one flight.
pub(crate) struct Receiver<'a, P: Platform> {
    gateway: &'a Arc<Gateway<P>>,
    flight: &'a Arc<Flight>,
    errand: &'a Errand,
    /// What the client has sent, for the guard.
    sent: Sent,
    /// Runs while an upstream is silent.
    silence: Timer,
}

impl<'a, P: Platform> Receiver<'a, P> {
    pub(crate) fn new(
        gateway: &'a Arc<Gateway<P>>,
        flight: &'a Arc<Flight>,
        errand: &'a Errand,
        body: Bytes,
    ) -> Self {
        Self {
            gateway,
            flight,
            errand,
            sent: Sent {
                model: errand.facts.model.clone(),
                body,
            },
            silence: Timer::default(),
        }
    }

    /// Reads an answer to its end. `head` is what clients learn when it has begun.
    pub(crate) async fn receive(
        &mut self,
        request: &Request,
        answer: &mut Answer,
        mut head: Head,
    ) -> Result<(), Broken> {
        let mut guard = self.guard().await.map_err(Broken::Late)?;
        if let Some(guard) = &mut guard {
            let judged = self.judge_head(guard, &mut head).await;
            judged.map_err(Broken::Late)?;
        }
        let context = self.context(request, answer);
        let upstream = head.upstream.clone();
        let received = match framing_of(answer) {
            Some(framing) => {
                self.receive_stream(answer, framing, guard, head, &context)
                    .await
            }
            None => self.receive_whole(answer, guard, head, &context).await,
        };
        if let Some(lost) = context.seen.unshown() {
            let fields = Arc::new([LostField::new(&lost)]);
            let upstream = upstream.clone();
            let lost = Observation::Lost { upstream, fields };
            self.gateway.platform().observe(lost);
        }
        if let Some(word) = context.seen.unknown() {
            let platform = self.gateway.platform();
            platform.observe(Observation::UnknownFinish {
                upstream,
                word: word.to_owned(),
            });
        }
        received.map_err(|broken| broken.with(|error| answer.proof.hide(error)))
    }

    /// What an answer in another format says where the upstream says nothing.
    fn context(&self, request: &Request, answer: &Answer) -> AnswerContext {
        let now = self.gateway.platform().wall().duration_since(UNIX_EPOCH);
        AnswerContext {
            id: format!("{:016x}", self.flight.id),
            model: self.errand.facts.model.to_string(),
            created: now.unwrap_or_default().as_secs(),
            echo: request.answer_echo(),
            back: answer.back.clone(),
            seen: Arc::default(),
        }
    }

    /// The next bytes of the body. `limit` is the stage's own, if it has one; the request's
    /// deadline holds as well. `guarded`: give up when the replica goes out of use.
    async fn next(
        &mut self,
        answer: &mut Answer,
        limit: Option<Duration>,
        guarded: bool,
    ) -> Result<Option<Bytes>, GatewayError> {
        let platform = &**self.gateway.platform();
        let deadline = self.errand.deadline;
        let left = deadline.left(platform.now());
        let own = deadline.own && limit.is_none_or(|limit| left <= limit);
        let streams = limit.is_some();
        let limit = limit.map_or(left, |limit| limit.min(left));
        let name = answer.upstream.name.clone();
        let endpoint = answer.endpoint().clone();
        let piece = async {
            if !guarded {
                return answer.body.next().await;
            }
            let given_up = answer.others.replace(&endpoint, || platform.now());
            match select(pin!(answer.body.next()), pin!(given_up)).await {
                Either::Left((piece, _)) => piece,
                Either::Right(_) => Some(Err(TransportError {
                    failure: TransportFailure::Body,
                    detail: format!("{} went out of use", endpoint.base),
                })),
            }
        };
        match self.silence.within(platform, limit, piece).await {
            None => Err(timed_out(&name, limit, own)),
            Some(None) => Ok(None),
            Some(Some(Ok(bytes))) => {
                // That whole answers come says nothing about streams.
                if streams {
                    endpoint.heard(platform.now());
                }
                Ok(Some(bytes))
            }
            Some(Some(Err(error))) => Err(transport_error(&name, &error)),
        }
    }

    fn report_hits(&self, hits: Vec<Hit>) {
        if !hits.is_empty() {
            self.flight.trail.hits(&hits);
            let caller = self.errand.caller.clone();
            let platform = self.gateway.platform();
            platform.observe(Observation::GuardHits { caller, hits });
        }
    }

    fn warn(&self, text: String) {
        let platform = self.gateway.platform();
        platform.observe(Observation::Warning(text));
    }
}

/// How the answer is framed as a stream; none where it is whole.
fn framing_of(answer: &Answer) -> Option<Envelope> {
    let media = answer.head.headers.get(CONTENT_TYPE)?;
    let media = media.as_bytes().to_ascii_lowercase();
    if media.starts_with(b"text/event-stream") {
        Some(Envelope::Sse)
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
