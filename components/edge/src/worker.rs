//! Workers in JavaScript: the host calls `step`, performs what comes back, and calls again.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use forebay_gateway::platform::{TransportError, TransportFailure};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::stepped;
use crate::turns::{self, Clocks, REQUEST, Turns};
use generated::exports::forebay::shell::exchange::{
    self, Effect, Failure, Fields, Guest, GuestExchange, Happening, Head, Outgoing, Passed, Stage,
    Turn, Writing,
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

    fn begin(
        now: f64,
        method: String,
        target: String,
        headers: Fields,
        body: Option<Vec<u8>>,
    ) -> (Turn, Option<exchange::Exchange>) {
        let request = http::Request::builder().method(&*method).uri(&*target);
        // JavaScript's own parser has accepted both; what `http` does not know is no route here.
        let mut request = request.body(()).unwrap_or_else(|_| http::Request::new(()));
        *request.headers_mut() = raise_fields(&headers);
        let mut turns = stepped::begin(request, variables::get);
        let whole = body.map(|body| turns::Happening::Piece(REQUEST, Ok(Some(body.into()))));
        let turn = lower_turn(turns.step_at(clocks(now), whole));
        let left = (!turn.done).then(|| exchange::Exchange::new(Exchange(RefCell::new(turns))));
        (turn, left)
    }
}

struct Exchange(RefCell<Turns>);

impl GuestExchange for Exchange {
    fn step(&self, now: f64, happened: Vec<Happening>) -> Turn {
        let happened = happened.into_iter().map(raise_happening);
        lower_turn(self.0.borrow_mut().step_at(clocks(now), happened))
    }
}

thread_local! {
    /// The host's clock when it was first told, and this instance's own at that time.
    static FIRST: Cell<Option<(f64, Clocks)>> = const { Cell::new(None) };
}

/// The clocks that the host tells, in milliseconds since 1970. Asking for them costs it more.
fn clocks(now: f64) -> Clocks {
    let (then, (instant, wall)) = FIRST
        .get()
        .unwrap_or_else(|| (now, (Instant::now(), SystemTime::now())));
    FIRST.set(Some((then, (instant, wall))));
    let passed = (now - then).max(0.0) / 1000.0;
    let passed = Duration::try_from_secs_f64(passed).unwrap_or_default();
    (
        instant.checked_add(passed).unwrap_or(instant),
        wall.checked_add(passed).unwrap_or(wall),
    )
}

fn lower_turn(turn: turns::Turn) -> Turn {
    Turn {
        effects: turn.effects.into_iter().map(lower_effect).collect(),
        // Clocks stand still within a turn and timers are rounded down: never too early.
        wake: turn.wake.map(|wake| milliseconds(wake).saturating_add(1)),
        done: turn.done,
    }
}

fn raise_happening(happening: Happening) -> turns::Happening {
    use turns::Happening as H;
    match happening {
        Happening::Fetched((id, Ok(head))) => {
            let mut response = http::Response::new(());
            *response.status_mut() =
                http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
            *response.headers_mut() = raise_fields(&head.headers);
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

/// Each byte of a value is the character of that number, as JavaScript's `Headers` have it.
fn lower_fields(headers: &HeaderMap) -> Fields {
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 2;
    let mut lines = String::with_capacity(headers.iter().map(size).sum());
    for (name, value) in headers {
        lines.push_str(name.as_str());
        lines.push(':');
        match value.to_str() {
            Ok(value) => lines.push_str(value),
            Err(_) => lines.extend(value.as_bytes().iter().map(|b| char::from(*b))),
        }
        lines.push('\n');
    }
    lines
}

fn raise_fields(lines: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in lines.split('\n').filter_map(|line| line.split_once(':')) {
        let value = match value.is_ascii() {
            true => HeaderValue::from_str(value),
            false => {
                let bytes = value.chars().map(|c| u8::try_from(c).unwrap_or(b'?'));
                HeaderValue::from_bytes(&bytes.collect::<Vec<_>>())
            }
        };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
            headers.append(name, value);
        }
    }
    headers
}
