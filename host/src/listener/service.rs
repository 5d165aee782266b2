//! One request: a place in flight, its head checked, its body read, then the pipeline.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use forebay_gateway::error::{ErrorKind, GatewayError};
use forebay_gateway::{Arrival, Cut, Gateway, ReplyBody};
use http::{HeaderMap, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};

use super::body::{self, BodyLimits};
use super::client_io::Phase;
use crate::config::{Limits, Size};
use crate::operate::Front;
use crate::platform::{Native, NativePolicies};

/// What answers the requests of one connection.
pub(super) fn requests<P: NativePolicies>(
    front: Arc<Front<P>>,
    peer: IpAddr,
    phase: Arc<Phase>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Answer<P>>,
    Error = Infallible,
    Future: Send + 'static,
> + Send
+ 'static {
    service_fn(move |request| {
        phase.busy();
        let (front, phase) = (front.clone(), phase.clone());
        async move {
            let response = answer(&front, peer, request).await;
            Ok(response.map(|body| Answer { body, phase }))
        }
    })
}

async fn answer<P: NativePolicies>(
    front: &Front<P>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Response<ReplyBody<Native<P>>> {
    let arrival = Arrival {
        peer: Some(peer),
        started: Instant::now(),
        started_at: SystemTime::now(),
    };
    let generation = front.current();
    // Before the body is read: a full gateway says so at once.
    let permit = match generation.gateway.enter(arrival) {
        Ok(permit) => permit,
        Err(full) => return full,
    };
    let (head, body) = request.into_parts();
    let limits = &generation.config.limits;
    if let Some(error) = head_too_large(&head.headers, head.uri.path().len(), limits) {
        return Gateway::refuse(permit, &head, error);
    }
    let limits = BodyLimits {
        size: limits.body,
        time: generation.config.timeouts.request.0,
        together: limits.memory,
    };
    match body::read(
        body,
        head.headers.contains_key(header::EXPECT),
        limits,
        front.held(),
    )
    .await
    {
        Ok((body, _share)) => Gateway::handle(permit, Request::from_parts(head, body)).await,
        Err(error) => Gateway::refuse(permit, &head, error),
    }
}

fn head_too_large(headers: &HeaderMap, path: usize, limits: &Limits) -> Option<GatewayError> {
    if headers.len() > limits.header_fields {
        let message = format!(
            "the request has {} header fields, over the limit of {} (limits.header_fields)",
            headers.len(),
            limits.header_fields
        );
        return Some(GatewayError::new(ErrorKind::HeadTooLarge, message));
    }
    // 4: the colon, the space and the line's end.
    let size = path
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

/// The pipeline's answer. When it has gone out the connection waits for the next request.
pub(super) struct Answer<P: NativePolicies> {
    body: ReplyBody<Native<P>>,
    phase: Arc<Phase>,
}

impl<P: NativePolicies> Body for Answer<P> {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<P: NativePolicies> Drop for Answer<P> {
    fn drop(&mut self) {
        self.phase.idle();
    }
}
