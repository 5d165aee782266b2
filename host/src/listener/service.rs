//! One request: its head checked, a place in flight, its body read, then the pipeline.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use forebay_gateway::error::{ErrorKind, GatewayError};
use forebay_gateway::{Arrival, Gateway, ReplyBody};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};

use super::answer::Answer;
use super::body::{self, BodyLimits};
use super::client_io::Phase;
use super::guest::Guest;
use super::peers::{self, Holding, Kind};
use super::{site, upgrade};
use crate::coding;
use crate::config::{Limits, Size};
use crate::operate::{Front, Generation};
use crate::platform::clock;
use crate::platform::{Native, NativePolicies};

/// What answers the requests of one connection.
pub(super) fn requests<P: NativePolicies>(
    front: Arc<Front<P>>,
    guest: Guest,
    phase: Arc<Phase>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Answer<ReplyBody<Native<P>>>>,
    Error = Infallible,
    Future: Send + 'static,
> + Send
+ 'static {
    service_fn(move |request: Request<Incoming>| {
        let busy = phase.busy(request.version(), request.body().size_hint().exact());
        let (front, guest, phase) = (front.clone(), guest.clone(), phase.clone());
        // Boxed: a connection keeps a place for this future as long as it lives, also while an
        // answer streams and while nobody asks for anything.
        Box::pin(async move {
            let (response, holding) = answer(&front, &guest, &phase, request).await;
            Ok(response.map(|body| Answer::new(body, busy, holding)))
        })
    })
}

async fn answer<P: NativePolicies>(
    front: &Arc<Front<P>>,
    guest: &Guest,
    phase: &Arc<Phase>,
    request: Request<Incoming>,
) -> Answered<P> {
    let arrival = Arrival {
        peer: Some(guest.address),
        started: clock::now(),
        started_at: clock::wall(),
    };
    let generation = front.current();
    let (head, body) = request.into_parts();
    if let Some(oidc) = &generation.oidc {
        oidc.prepare(&head).await;
    }
    let page = site::allowed_origin(&head.headers, &generation.config.server).cloned();
    let mut response = match &page {
        Some(origin) if site::is_preflight(&head) => {
            let asked = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
            let headers = site::preflight(origin, asked);
            let permit = generation.gateway.visit(arrival);
            return (Gateway::answer_preflight(permit, headers), None);
        }
        _ => {
            let connection = Connection {
                front,
                guest,
                phase,
                generation: &generation,
            };
            connection.respond(arrival, head, body).await
        }
    };
    if let Some(origin) = &page {
        site::cors(response.0.headers_mut(), origin);
    }
    response
}

/// An answer, and the place among its address's requests.
type Answered<P> = (Response<ReplyBody<Native<P>>>, Option<Holding>);

/// What the requests of one connection are answered with.
struct Connection<'a, P: NativePolicies> {
    front: &'a Arc<Front<P>>,
    guest: &'a Guest,
    phase: &'a Arc<Phase>,
    generation: &'a Generation<P>,
}

impl<P: NativePolicies> Connection<'_, P> {
    async fn respond(&self, arrival: Arrival, head: Parts, body: Incoming) -> Answered<P> {
        let Self {
            front,
            guest,
            phase,
            generation,
        } = self;
        let gateway = &generation.gateway;
        let limits = &generation.config.limits;
        let expects = head.headers.contains_key(header::EXPECT);
        // All that the head decides comes before the body: who may not come in costs no memory.
        if let Err(error) = check(&head, generation) {
            body::discard(body, expects);
            return (Gateway::refuse(gateway.visit(arrival), &head, error), None);
        }
        // Who signs is known once the body has come: until then the connection is a stranger's.
        let known = gateway.comes_by_key(&head);
        if known {
            guest.is_known();
        }
        let share = |kind| peers::share(limits, kind, gateway.is_open());
        let requests = share(Kind::Requests);
        let Some(holding) = front.peers().hold(guest.address, Kind::Requests, requests) else {
            body::discard(body, expects);
            let message = format!(
                "{requests} requests of this address are in flight (limits.requests_per_address); try again shortly"
            );
            let error = GatewayError::new(ErrorKind::Overloaded, message)
                .with_retry_after(Duration::from_secs(1));
            return (Gateway::refuse(gateway.visit(arrival), &head, error), None);
        };
        let permit = match gateway.enter(arrival) {
            Ok(permit) => permit,
            Err(full) => {
                body::discard(body, expects);
                return (full, None);
            }
        };
        if gateway.takes_socket(&head) && upgrade::asks(&head) {
            return (
                upgrade::open(front, phase, permit, head, holding).await,
                None,
            );
        }
        let (size, setting) = match gateway.takes_form(&head) {
            true => (limits.upload.min(limits.memory), "limits.upload"),
            false => (limits.body, "limits.body"),
        };
        let limits = BodyLimits {
            size,
            setting,
            time: generation.config.timeouts.request.0,
            together: limits.memory,
            address: share(Kind::Bytes),
        };
        let bytes = || front.peers().none(guest.address, Kind::Bytes);
        front.held().limit(limits.together.bytes());
        let mut read = body::read(body, expects, limits, front.held(), bytes()).await;
        let mut head = head;
        let codings = coding::of(&head.headers).unwrap_or_default();
        if let Ok(coded) = &mut read
            && !coded.is_empty()
            && !codings.is_empty()
        {
            let coded = std::mem::take(coded);
            read = body::decoded(coded, &codings, limits, front.held(), bytes()).await;
            head.headers.remove(header::CONTENT_ENCODING);
            head.headers.remove(header::CONTENT_LENGTH);
        }
        let response = match read {
            Ok(body) => Gateway::handle(permit, Request::from_parts(head, body)).await,
            Err(error) => Gateway::refuse(permit, &head, error),
        };
        if !known && response.status().is_success() {
            guest.is_known();
        }
        (response, Some(holding))
    }
}

fn check<P: NativePolicies>(head: &Parts, generation: &Generation<P>) -> Result<(), GatewayError> {
    let config = &generation.config;
    if let Some(error) = head_too_large(&head.headers, target(head), &config.limits) {
        return Err(error);
    }
    check_coding(&head.headers)?;
    site::check(head, generation.gateway.is_open(), &config.server)?;
    generation.gateway.check_head(head)
}

/// A body comes in chunks once, or not at all (RFC 9112, section 6.1). A proxy before us might undo another
/// coding, or a second one of the same, and see another body.
fn check_coding(headers: &HeaderMap) -> Result<(), GatewayError> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if plain(only) => Ok(()),
        _ => Err(GatewayError::new(
            ErrorKind::InvalidRequest,
            "transfer-encoding can only be \"chunked\", once",
        )),
    }
}

/// The length of a request's target, in bytes.
fn target(head: &Parts) -> usize {
    let target = head.uri.path_and_query();
    target.map_or(0, |target| target.as_str().len())
}

fn head_too_large(headers: &HeaderMap, target: usize, limits: &Limits) -> Option<GatewayError> {
    if headers.len() > limits.header_fields {
        let message = format!(
            "the request has {} header fields, over the limit of {} (limits.header_fields)",
            headers.len(),
            limits.header_fields
        );
        return Some(GatewayError::new(ErrorKind::HeadTooLarge, message));
    }
    // 4: the colon, the space and the line's end.
    let size = target
        + headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum::<usize>();
    if size > limits.headers.bytes() {
        let message = format!(
            "request headers are {}, over the limit of {} (limits.headers)",
            Size(size as u64),
            limits.headers
        );
        return Some(GatewayError::new(ErrorKind::HeadTooLarge, message));
    }
    None
}
