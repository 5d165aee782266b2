//! Workers in JavaScript: the host calls `step`, performs what comes back, and calls again.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use forebay_gateway::platform::{TransportError, TransportFailure};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::stepped;
use crate::turns::{self, Turns};
use generated::exports::forebay::shell::exchange::{
    Effect, Failure, Fields, Guest, GuestExchange, Happening, Head, Outgoing, Passed, Stage, Turn,
    Writing,
};
use generated::forebay::shell::variables;

#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    dead_code,
    clippy::all,
    clippy::pedantic
)]
mod generated {
    wit_bindgen::generate!({
        path: "wit/worker",
        world: "worker",
    });

    export!(Component);
    use super::Component;
}

struct Component;

impl Guest for Component {
    type Exchange = Exchange;
}

struct Exchange(RefCell<Turns>);

impl GuestExchange for Exchange {
    fn new(method: String, target: String, headers: Fields) -> Self {
        let request = http::Request::builder().method(&*method).uri(&*target);
        // JavaScript's own parser has accepted both; what `http` does not know is no route here.
        let mut request = request.body(()).unwrap_or_else(|_| http::Request::new(()));
        *request.headers_mut() = raise_fields(headers);
        Self(RefCell::new(stepped::begin(request, variables::get)))
    }

    fn step(&self, happened: Vec<Happening>) -> Turn {
        let turn = self
            .0
            .borrow_mut()
            .step(happened.into_iter().map(raise_happening));
        Turn {
            effects: turn.effects.into_iter().map(lower_effect).collect(),
            // Clocks stand still within a turn and timers are rounded down: never too early.
            wake: turn.wake.map(|wake| milliseconds(wake).saturating_add(1)),
            done: turn.done,
        }
    }
}

fn raise_happening(happening: Happening) -> turns::Happening {
    use turns::Happening as H;
    match happening {
        Happening::Fetched((id, Ok(head))) => {
            let mut response = http::Response::new(());
            *response.status_mut() =
                http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
            *response.headers_mut() = raise_fields(head.headers);
            H::Fetched(id, Ok(response))
        }
        Happening::Fetched((id, Err(failure))) => H::Fetched(id, Err(raise_failure(failure))),
        Happening::Piece((id, piece)) => H::Piece(id, piece.map(|p| p.map(Bytes::from))),
        Happening::Got((id, value)) => H::Got(id, value),
        Happening::Written((id, result)) => H::Written(id, result),
        Happening::Taken => H::Taken,
        Happening::Gone => H::Gone,
    }
}

fn raise_failure(failure: Failure) -> TransportError {
    TransportError {
        failure: match failure.stage {
            Stage::Connect => TransportFailure::Connect,
            Stage::Reset => TransportFailure::Reset,
            Stage::Body => TransportFailure::Body,
            Stage::Protocol => TransportFailure::Protocol,
        },
        detail: failure.detail,
    }
}

fn lower_effect(effect: turns::Effect) -> Effect {
    use turns::Effect as E;
    match effect {
        E::Fetch(id, request, connect) => {
            let (head, body) = request.into_parts();
            Effect::Fetch(Outgoing {
                id,
                method: head.method.to_string(),
                url: head.uri.to_string(),
                headers: lower_fields(&head.headers),
                body: body.into(),
                connect: milliseconds(connect),
            })
        }
        E::Read(id) => Effect::Read(id),
        E::Cancel(id) => Effect::Cancel(id),
        E::Get(id, key) => Effect::Get((id, key)),
        E::Put(id, key, value, keep) => Effect::Put(Writing {
            id,
            key,
            value,
            keep: u32::try_from(keep.as_secs()).unwrap_or(u32::MAX),
        }),
        E::Head(head) => Effect::Head(lower_head(&head)),
        E::Chunk(bytes) => Effect::Chunk(bytes.into()),
        E::End => Effect::End,
        E::Abort => Effect::Abort,
        E::Pass(id, head) => Effect::Pass(Passed {
            id,
            head: lower_head(&head),
        }),
    }
}

fn lower_head(head: &http::response::Parts) -> Head {
    Head {
        status: head.status.as_u16(),
        headers: lower_fields(&head.headers),
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Each byte is the character of that number, as JavaScript's `Headers` have it.
fn lower_fields(headers: &HeaderMap) -> Fields {
    let text = |value: &HeaderValue| value.as_bytes().iter().map(|b| char::from(*b)).collect();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

fn raise_fields(fields: Fields) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let value = match value.is_ascii() {
            true => value.into_bytes(),
            false => value
                .chars()
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect(),
        };
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(&value),
        ) {
            headers.append(name, value);
        }
    }
    headers
}
