//! Requests in formats that only clients speak: made OpenAI's on the way in, and their answers the
//! client's own on the way out.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use forebay_dialect::door::{Door, DoorStream, Entered, Told};
use forebay_dialect::error::ErrorParts;
use http::{HeaderMap, request};

use crate::decide::{LARGE, invalid_request};
use crate::enter::headers;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::memory::booked;
use crate::platform::Platform;
use crate::reply::frame::EventFrame;
use crate::reply::{Content, Ready};

/// A request that came through a door.
pub(crate) enum Through<P: Platform> {
    /// It goes on, in OpenAI's form.
    Request(Bytes, Exit),
    /// It asks nothing of a model.
    Answer(Ready<P>),
}

/// The way out.
pub(crate) struct Exit {
    door: Door,
    told: Told,
}

/// A stream's way out.
pub(crate) struct Leaving {
    door: Door,
    stream: Box<dyn DoorStream>,
}

/// Makes a request OpenAI's, for whoever may come in.
pub(crate) async fn enter<P: Platform>(
    gateway: &Arc<Gateway<P>>,
    door: Door,
    model: Option<&str>,
    head: &request::Parts,
    body: Bytes,
    ticket: &mut Ticket<P>,
) -> Result<Through<P>, GatewayError> {
    let platform = gateway.platform();
    let identity = gateway.keys().identify_head(head, platform.wall())?;
    let now = platform.wall().duration_since(UNIX_EPOCH);
    let mut told = Told {
        model: model.unwrap_or_default().to_owned(),
        now: now.unwrap_or_default().as_secs(),
        id: hex::encode(platform.random()),
        texts: Vec::new(),
    };
    let large = body.len() >= LARGE;
    let original = body.clone();
    let work = async move { (door.enter(&body, &mut told), told) };
    let (entered, told) = match large {
        true => platform.aside(&identity.key.tenant, work).await,
        false => work.await,
    };
    match entered {
        Ok(Entered::Request(body)) => {
            let body = booked(&**platform, &original, body)?;
            Ok(Through::Request(body, Exit { door, told }))
        }
        Ok(Entered::Answer(body)) => {
            ticket.charge.begin(gateway.account(&identity))?;
            let mut out = HeaderMap::new();
            headers::put(&mut out, headers::REQUEST_ID, &ticket.summary.request_id);
            Ok(Through::Answer(Ready {
                headers: out,
                content: Content::Whole(body),
            }))
        }
        Err(error) => {
            // A loop of failures is limited too.
            ticket.charge.begin(gateway.account(&identity))?;
            Err(invalid_request(&error))
        }
    }
}

impl Exit {
    /// The answer in the client's form.
    pub(crate) fn leave<P: Platform>(self, ready: Ready<P>) -> Result<Ready<P>, GatewayError> {
        let Ready {
            mut headers,
            content,
        } = ready;
        let Self { door, told } = self;
        if let Content::Whole(body) = &content
            && let Some(lost) = door.unshown(body)
        {
            let before = headers
                .get(headers::LOST)
                .and_then(|names| names.to_str().ok());
            let names = before.map_or_else(
                || lost.param.clone(),
                |names| format!("{names}, {}", lost.param),
            );
            headers::put(&mut headers, headers::LOST, &names);
        }
        let content = match content {
            Content::Whole(body) => Content::Whole(door.answer(&body, &told).ok_or_else(|| {
                GatewayError::new(
                    ErrorKind::UpstreamInvalid,
                    "the answer can't be converted to the format of this endpoint",
                )
            })?),
            Content::Events(mut events) => {
                if let Some(stream) = door.stream(told) {
                    events.frame = match door.streams_lines() {
                        true => EventFrame::Lines,
                        false => EventFrame::NamedSse,
                    };
                    events.leaving = Some(Leaving { door, stream });
                }
                Content::Events(events)
            }
            other => other,
        };
        Ok(Ready { headers, content })
    }
}

impl Leaving {
    /// What becomes of an event.
    pub(crate) fn event(&mut self, data: &Bytes) -> Vec<Bytes> {
        let mut out = Vec::new();
        self.stream.event(data, &mut out);
        out
    }

    /// What ends the stream.
    pub(crate) fn end(&mut self) -> Vec<Bytes> {
        let mut out = Vec::new();
        self.stream.end(&mut out);
        out
    }

    /// What ends a stream that fails.
    pub(crate) fn error(&self, error: &ErrorParts<'_>) -> Bytes {
        self.door.error_event(error)
    }
}
