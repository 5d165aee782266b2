//! What flows back to the client: an answer or an error, with its headers.

pub(crate) mod body;
pub(crate) mod describe;
mod error;
pub(crate) mod frame;
pub(crate) mod resume;
mod unready;

use bytes::Bytes;
use forebay_dialect::error::error_header;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::enter::headers;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::platform::{Platform, UpstreamBody};

use body::Events;
pub use body::{Cut, ReplyBody};
use error::body_of;
pub use unready::unready;

/// Whether a proxy between here and the client may gather the body first.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What goes out, before its head is written.
pub(crate) struct Ready<P: Platform> {
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content<P>,
}

pub(crate) enum Content<P: Platform> {
    Whole(Bytes),
    /// A body in one piece of this media type.
    Typed(Bytes, HeaderValue),
    Events(Box<Events<P>>),
    /// An upstream's body as it comes, and its media type.
    Unread(UpstreamBody, HeaderValue),
}

/// An answer.
pub(crate) fn reply<P: Platform>(ready: Ready<P>, mut ticket: Ticket<P>) -> Response<ReplyBody<P>> {
    ticket.summary.status = 200;
    let streams = matches!(ready.content, Content::Events(_) | Content::Unread(..));
    let foreign = matches!(ready.content, Content::Typed(..) | Content::Unread(..));
    let (media, body) = match ready.content {
        Content::Whole(body) => (
            HeaderValue::from_static("application/json"),
            ReplyBody::whole(body, ticket),
        ),
        Content::Typed(body, media) => (media, ReplyBody::whole(body, ticket)),
        Content::Events(events) => (events.frame.media_type(), ReplyBody::events(events, ticket)),
        Content::Unread(body, media) => (media, ReplyBody::unread(body, ticket)),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    *headers = ready.headers;
    if streams {
        // nginx and those like it hold a stream back until a buffer is full, unless told not to.
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
    headers.insert(CONTENT_TYPE, media);
    if foreign {
        // An upstream says what it is. A browser that takes it for a page runs nothing of it as a part
        // of this gateway's site.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    // An answer belongs to its tenant: no cache between here and the client may keep it.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// An answer without content.
pub(crate) fn no_content<P: Platform>(
    mut ticket: Ticket<P>,
    headers: HeaderMap,
) -> Response<ReplyBody<P>> {
    ticket.summary.status = StatusCode::NO_CONTENT.as_u16();
    let id = ticket.summary.request_id.clone();
    let mut response = Response::new(ReplyBody::whole(Bytes::new(), ticket));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    headers::put(response.headers_mut(), headers::REQUEST_ID, &id);
    response
}

/// An error as an answer, in the client's dialect.
pub(crate) fn error_reply<P: Platform>(
    mut ticket: Ticket<P>,
    error: GatewayError,
) -> Response<ReplyBody<P>> {
    let status = error.status();
    ticket.failed(error.kind);
    ticket.summary.code.clone_from(&error.code);
    ticket.summary.status = status;
    ticket.charge.settle();
    let mut out = HeaderMap::with_capacity(8);
    headers::put(&mut out, headers::REQUEST_ID, &ticket.summary.request_id);
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Some(after) = error.retry_after {
        // Whole seconds, rounded up: earlier would be too early.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        out.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.kind == ErrorKind::MethodNotAllowed
        && let Some(method) = &error.param
    {
        headers::put(&mut out, ALLOW, method);
    }
    if let Some(levels) = ticket.charge.levels() {
        headers::rate_limits(&mut out, levels);
    }
    if ticket.explain {
        let route = ticket.trail.told();
        headers::explain(&mut out, &ticket.summary, &error, &route);
    }
    let wire = ticket.wire;
    if let Some((name, value)) = error_header(wire, status) {
        out.insert(name, HeaderValue::from_static(value));
        // What only signatures are told of has names that no status stands for.
        let own = error.error_type.as_deref();
        let own =
            own.filter(|own| error.kind == ErrorKind::InvalidKey && own.ends_with("Exception"));
        if let Some(own) = own.and_then(|own| HeaderValue::from_str(own).ok()) {
            out.insert(name, own);
        }
    }
    let mut response = Response::new(ReplyBody::whole(body_of(wire, ticket.door, &error), ticket));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = out;
    response
}
