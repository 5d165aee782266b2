//! Fastly Compute: one instance a request, whose own loop performs the effects and waits for what
//! comes first. Nothing outlives the request but the KV store `forebay`.

mod kv;
mod messages;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use forebay_gateway::platform::{TransportError, TransportFailure};
use http::response::Parts;
use http::uri::Scheme;
use http::{Request as Outgoing, Uri};

use crate::stepped;
use crate::turns::{Effect, Happening, Id, REQUEST, Turns};
use generated::exports::fastly::compute::http_incoming::Guest;
use generated::fastly::compute::async_io::{self, Pollable};
use generated::fastly::compute::backend::{
    Backend, DynamicBackendOptions, register_dynamic_backend,
};
use generated::fastly::compute::http_req::{self, Request};
use generated::fastly::compute::http_resp;
use generated::fastly::compute::kv_store;
use generated::fastly::compute::types::Error;
use generated::fastly::compute::{config_store, http_body, secret_store};
use messages::{broken, failed, raise_request, raise_response, respond};

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
        path: "wit/fastly",
        world: "fastly-platform",
        generate_all,
    });

    export!(Component);
    use super::Component;
}

/// The KV store, the config store and the secret store that are asked.
const STORE: &str = "forebay";

/// What is read of a body at once.
const PIECE: u32 = 64 * 1024;

/// The longest variable, header value, method and URL.
const LONGEST: u64 = 64 * 1024;

/// How long an upstream may be silent: the pipeline's own limits are shorter.
const SILENCE: u32 = 300_000;

struct Component;

impl Guest for Component {
    fn handle(request: Request, body: Pollable) -> Result<(), ()> {
        let head = raise_request(&request).map_err(drop)?;
        Exchange {
            turns: stepped::begin(head, variable),
            bodies: HashMap::from([(REQUEST, body)]),
            waits: Vec::new(),
            backends: HashMap::new(),
            client: Client::Waiting,
        }
        .run();
        Ok(())
    }
}

/// A secret, or else a configured value.
fn variable(name: &str) -> Option<String> {
    let secret = secret_store::Store::open(STORE)
        .ok()
        .and_then(|store| store.get(name).ok().flatten())
        .and_then(|secret| String::from_utf8(secret.plaintext(LONGEST).ok()?).ok());
    secret.or_else(|| {
        let store = config_store::Store::open(STORE).ok()?;
        store.get(name, LONGEST).ok().flatten()
    })
}

/// What the host works on.
enum Wait {
    Fetch(Pollable),
    Read,
    Get(Pollable),
    Put(Pollable),
}

/// How far the answer is.
enum Client {
    Waiting,
    /// The head came this turn: whether the body is whole is seen at its end.
    Headed(Parts, Vec<u8>),
    Streaming(Pollable),
    Over,
}

struct Exchange {
    turns: Turns,
    bodies: HashMap<Id, Pollable>,
    waits: Vec<(Id, Wait)>,
    backends: HashMap<String, Backend>,
    client: Client,
}

impl Exchange {
    fn run(mut self) {
        let mut happened = Vec::new();
        loop {
            let turn = self.turns.step(happened.drain(..));
            for effect in turn.effects {
                if let Some(happening) = self.perform(effect) {
                    happened.push(happening);
                }
            }
            if let Some(happening) = self.flush() {
                happened.push(happening);
            }
            if !happened.is_empty() {
                continue;
            }
            // With nothing to wait for either, nothing can happen any more.
            if turn.done || (self.waits.is_empty() && turn.wake.is_none()) {
                return;
            }
            happened.extend(self.wait(turn.wake));
        }
    }

    /// Does it, or begins it. Some are over at once.
    fn perform(&mut self, effect: Effect) -> Option<Happening> {
        match effect {
            Effect::Fetch(id, request, connect) => match self.fetch(request, connect) {
                Ok(pending) => self.waits.push((id, Wait::Fetch(pending))),
                Err(failed) => return Some(Happening::Fetched(id, Err(failed))),
            },
            Effect::Read(id) if self.bodies.contains_key(&id) => self.waits.push((id, Wait::Read)),
            Effect::Read(id) => return Some(Happening::Piece(id, Ok(None))),
            Effect::Cancel(id) => {
                self.waits.retain(|(other, _)| *other != id);
                self.bodies.remove(&id);
            }
            Effect::Get(id, key) => match kv::open_store().and_then(|store| {
                store
                    .lookup_async(&key)
                    .map_err(|error| format!("{error:?}"))
            }) {
                Ok(pending) => self.waits.push((id, Wait::Get(pending))),
                Err(why) => return Some(Happening::Got(id, Err(why))),
            },
            Effect::Put(id, key, value, keep) => match kv::put(&key, &value, keep) {
                Ok(pending) => self.waits.push((id, Wait::Put(pending))),
                Err(why) => return Some(Happening::Written(id, Err(why))),
            },
            Effect::Head(head) => self.client = Client::Headed(head, Vec::new()),
            Effect::Chunk(piece) => match &mut self.client {
                Client::Headed(_, body) => body.extend_from_slice(&piece),
                Client::Streaming(body) => {
                    return Some(match write(body, &piece) {
                        Ok(()) => Happening::Taken,
                        Err(_) => Happening::Gone,
                    });
                }
                Client::Waiting | Client::Over => return Some(Happening::Gone),
            },
            Effect::End => match std::mem::replace(&mut self.client, Client::Over) {
                Client::Headed(head, body) => {
                    // A client that has left is nobody's error.
                    let _ = respond(&head).and_then(|response| {
                        let whole = http_body::new()?;
                        write(&whole, &body)?;
                        http_resp::send_downstream(response, whole)
                    });
                }
                Client::Streaming(body) => {
                    let _ = http_body::close(body);
                }
                Client::Waiting | Client::Over => {}
            },
            // A body that is dropped before it is closed breaks off, and the client sees that.
            Effect::Abort => {
                self.flush();
                self.client = Client::Over;
            }
            Effect::Pass(id, head) => {
                self.client = Client::Over;
                if let Some(body) = self.bodies.remove(&id) {
                    let _ = respond(&head)
                        .and_then(|response| http_resp::send_downstream(response, body));
                }
            }
        }
        None
    }

    /// An answer that is not whole after its first turn is a stream.
    fn flush(&mut self) -> Option<Happening> {
        let Client::Headed(head, begun) = &self.client else {
            return None;
        };
        let streaming = respond(head).and_then(|response| {
            let body = http_body::new()?;
            http_resp::send_downstream_streaming(response, &body)?;
            write(&body, begun)?;
            Ok(body)
        });
        let waits = !begun.is_empty();
        match streaming {
            Ok(body) => {
                self.client = Client::Streaming(body);
                waits.then_some(Happening::Taken)
            }
            Err(_) => {
                self.client = Client::Over;
                Some(Happening::Gone)
            }
        }
    }

    /// Waits for what comes first, or for the time that is due.
    fn wait(&mut self, wake: Option<Duration>) -> Option<Happening> {
        // A millisecond more: never too early.
        let limit = wake.map(|wake| u32::try_from(wake.as_millis() + 1).unwrap_or(u32::MAX));
        let handles: Vec<(usize, &Pollable)> = self
            .waits
            .iter()
            .enumerate()
            .filter_map(|(at, (id, wait))| match wait {
                Wait::Fetch(pending) | Wait::Get(pending) | Wait::Put(pending) => {
                    Some((at, pending))
                }
                Wait::Read => Some((at, self.bodies.get(id)?)),
            })
            .collect();
        if handles.is_empty() {
            match wake {
                Some(wake) => std::thread::sleep(wake),
                None => self.waits.clear(),
            }
            return None;
        }
        let borrowed: Vec<&Pollable> = handles.iter().map(|(_, handle)| *handle).collect();
        let first = match limit {
            Some(limit) => async_io::select_with_timeout(&borrowed, limit)?,
            None => async_io::select(&borrowed),
        };
        let at = handles.get(first as usize)?.0;
        let (id, wait) = self.waits.remove(at);
        Some(self.complete(id, wait))
    }

    fn complete(&mut self, id: Id, wait: Wait) -> Happening {
        match wait {
            Wait::Fetch(pending) => Happening::Fetched(
                id,
                http_req::await_response(pending)
                    .map_err(|error| failed(&error))
                    .and_then(|(response, body)| {
                        self.bodies.insert(id, body);
                        raise_response(&response).map_err(|error| broken(error, "the head"))
                    }),
            ),
            Wait::Read => Happening::Piece(
                id,
                match self
                    .bodies
                    .get(&id)
                    .map(|body| http_body::read(body, PIECE))
                {
                    None => Ok(None),
                    Some(Ok(piece)) if piece.is_empty() => Ok(None),
                    Some(Ok(piece)) => Ok(Some(Bytes::from(piece))),
                    Some(Err(error)) => Err(format!("{error:?}")),
                },
            ),
            Wait::Get(pending) => Happening::Got(
                id,
                match kv_store::await_lookup(pending) {
                    Ok(entry) => entry
                        .and_then(|entry| entry.take_body())
                        .map(|body| kv::read_whole(&body))
                        .transpose(),
                    Err(error) => Err(kv::explain(&error)),
                },
            ),
            Wait::Put(pending) => Happening::Written(
                id,
                kv_store::await_insert(pending).map_err(|error| kv::explain(&error)),
            ),
        }
    }

    fn fetch(
        &mut self,
        request: Outgoing<Bytes>,
        connect: Duration,
    ) -> Result<Pollable, TransportError> {
        let (head, body) = request.into_parts();
        let backend = self.backend(&head.uri, connect)?;
        let sent = || -> Result<Pollable, Error> {
            let request = Request::new()?;
            request.set_method(head.method.as_str())?;
            request.set_uri(&head.uri.to_string())?;
            for (name, value) in &head.headers {
                request.append_header(name.as_str(), value.as_bytes())?;
            }
            let whole = http_body::new()?;
            write(&whole, &body)?;
            http_req::send_async_uncached(request, whole, backend)
        };
        sent().map_err(|error| broken(error, "the request"))
    }

    /// The backend of an upstream, opened once an instance: the one that the service declares under
    /// the upstream's authority, or else a dynamic one.
    fn backend(&mut self, uri: &Uri, connect: Duration) -> Result<&Backend, TransportError> {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if !self.backends.contains_key(authority) {
            let opened = Backend::open(authority).or_else(|_| {
                let name = format!("forebay-{}", self.backends.len());
                dynamic_backend(&name, uri, connect).map_err(|error| TransportError {
                    failure: TransportFailure::Connect,
                    detail: format!(
                        "Fastly refused a dynamic backend for `{authority}` ({error:?}); enable dynamic \
                         backends for this service, or declare a backend named `{authority}`"
                    ),
                })
            })?;
            self.backends.insert(authority.to_owned(), opened);
        }
        self.backends
            .get(authority)
            .ok_or_else(|| broken(Error::GenericError, "the backend"))
    }
}

/// A backend that the service does not declare.
fn dynamic_backend(name: &str, uri: &Uri, connect: Duration) -> Result<Backend, Error> {
    let host = uri.host().ok_or(Error::InvalidArgument)?;
    let tls = uri.scheme() == Some(&Scheme::HTTPS);
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let options = DynamicBackendOptions::new();
    options.override_host(uri.authority().map_or(host, |authority| authority.as_str()));
    options.use_tls(tls);
    if tls {
        options.cert_hostname(host);
        options.sni_hostname(host);
    }
    options.connect_timeout(u32::try_from(connect.as_millis()).unwrap_or(u32::MAX));
    options.first_byte_timeout(SILENCE);
    options.between_bytes_timeout(SILENCE);
    register_dynamic_backend(name, &format!("{host}:{port}"), options)
}

pub(super) fn write(body: &Pollable, bytes: &[u8]) -> Result<(), Error> {
    let mut left = bytes;
    while !left.is_empty() {
        let written = http_body::write(body, left)? as usize;
        left = left.get(written..).ok_or(Error::GenericError)?;
        if written == 0 {
            return Err(Error::GenericError);
        }
    }
    Ok(())
}
