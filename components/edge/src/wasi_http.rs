//! WASI 0.3: requests in and out by wasi:http, tasks and timers of the component model. Shared by
//! the platforms whose variables and key-value stores differ.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use forebay_gateway::memo::Remembered;
use forebay_gateway::observe::Observation;
use forebay_gateway::platform::{
    BoxStream, NativeBody, Platform, TransportError, TransportFailure, UpstreamBody,
    UpstreamTransport,
};
use forebay_gateway::store::{KeyValue, Tiered};
use forebay_gateway::{Arrival, Gateway};
use futures_core::Stream;
use futures_util::TryStreamExt as _;
use http::header::CONTENT_LENGTH;
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{self, ErrorCode, RequestOptions};
use wasip3::http_compat::{
    IncomingResponseBody, Request, RequestOptionsExtension, http_from_wasi_request,
    http_from_wasi_response, http_into_wasi_request, http_into_wasi_response,
};

use crate::edge::{Edge, EdgeError, Ready, announced, unusable};
use crate::log::{self, Log};
use crate::memo::Memo;
use crate::policies::Imported;

/// How long an upstream may be silent within its body. The pipeline's own limit is `timeouts.idle`;
/// this one only has to be no shorter, and no platform's default of 600 s.
const BETWEEN_BYTES: Duration = Duration::from_secs(300);

/// What is left for a platform to say.
pub(crate) trait Host: 'static {
    /// Its key-value store.
    type Store: KeyValue;
    /// The value of a variable; none where it is not set.
    fn variable(name: &str) -> impl Future<Output = Option<String>>;
    /// Its key-value store, opened when first used.
    fn store() -> Self::Store;
}

/// The platform of the pipeline.
pub(crate) struct Wasi<H> {
    log: Log,
    memo: Memo,
    host: PhantomData<fn() -> H>,
}

impl<H: Host> Platform for Wasi<H> {
    type Policies = Imported;
    type Store = Tiered<H::Store>;

    fn passes_bodies(&self) -> bool {
        true
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        wasip3::spawn_local(task);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        sleep(duration)
    }

    fn random(&self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&wasip3::random::random::get_random_u64().to_le_bytes());
        out[8..].copy_from_slice(&wasip3::random::random::get_random_u64().to_le_bytes());
        out
    }

    fn send(
        &self,
        request: http::Request<Bytes>,
        upstream: &UpstreamTransport,
    ) -> impl Future<Output = Result<http::Response<UpstreamBody>, TransportError>> + 'static {
        send(request, upstream.connect_timeout)
    }

    fn observe(&self, observation: Observation) {
        if let Some(line) = self.log.line(&observation) {
            eprintln!("{line}");
        }
    }

    fn recall(&self, id: &[u8; 32]) -> Option<Arc<Remembered>> {
        self.memo.recall(id)
    }

    fn remember(&self, id: [u8; 32], decision: Arc<Remembered>) {
        self.memo.remember(id, decision);
    }
}

/// Resolves after `duration`.
pub(crate) async fn sleep(duration: Duration) {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    monotonic_clock::wait_for(nanoseconds).await;
}

async fn send(
    mut request: http::Request<Bytes>,
    connect: Duration,
) -> Result<http::Response<UpstreamBody>, TransportError> {
    let options = RequestOptions::new();
    let nanoseconds = |d: Duration| Some(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
    // A platform that can't limit the connecting leaves it to the pipeline's own timer.
    let _ = options.set_connect_timeout(nanoseconds(connect));
    let _ = options.set_between_bytes_timeout(nanoseconds(BETWEEN_BYTES));
    let length = request.body().len() as u64;
    request.headers_mut().insert(CONTENT_LENGTH, length.into());
    request
        .extensions_mut()
        .insert(RequestOptionsExtension(options));
    let request = http_into_wasi_request(request.map(Full::new)).map_err(|e| failed(&e))?;
    let response = wasip3::http::client::send(request)
        .await
        .map_err(|e| failed(&e))?;
    let response = http_from_wasi_response(response).map_err(|e| failed(&e))?;
    Ok(response.map(|body| UpstreamBody::native(Box::new(Pieces(body)))))
}

/// An upstream's body. Dropping it ends the exchange.
struct Pieces(IncomingResponseBody);

impl NativeBody for Pieces {
    fn read(self: Box<Self>) -> BoxStream<'static, Result<Bytes, TransportError>> {
        Box::into_pin(self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(TransportError {
                        failure: TransportFailure::Body,
                        detail: explain(&error),
                    })));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

fn failed(error: &ErrorCode) -> TransportError {
    use ErrorCode as E;
    let failure = match error {
        E::DnsTimeout
        | E::DnsError(_)
        | E::DestinationNotFound
        | E::DestinationUnavailable
        | E::DestinationIpProhibited
        | E::DestinationIpUnroutable
        | E::ConnectionRefused
        | E::ConnectionTimeout
        | E::ConnectionLimitReached
        | E::TlsProtocolError
        | E::TlsCertificateError
        | E::TlsAlertReceived(_)
        | E::HttpRequestDenied => TransportFailure::Connect,
        E::HttpProtocolError
        | E::HttpResponseHeaderSize(_)
        | E::HttpResponseHeaderSectionSize(_)
        | E::HttpResponseTransferCoding(_)
        | E::HttpResponseContentCoding(_) => TransportFailure::Protocol,
        _ => TransportFailure::Reset,
    };
    TransportError {
        failure,
        detail: explain(error),
    }
}

fn explain(error: &ErrorCode) -> String {
    match error {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            "this platform does not allow requests to the upstream's host; \
             add it to what the edge may reach (in Spin: allowed_outbound_hosts)"
                .to_owned()
        }
        other => other.to_string(),
    }
}

thread_local! {
    static GATEWAY: std::cell::RefCell<Option<Box<dyn std::any::Any>>> =
        const { std::cell::RefCell::new(None) };
}

/// The gateway of this instance, made by its first request. What fails is tried again by the next.
async fn ready_gateway<H: Host>() -> Result<Arc<Ready<Wasi<H>>>, EdgeError> {
    let made = || {
        GATEWAY.with_borrow(|made| {
            made.as_ref()
                .and_then(|any| any.downcast_ref::<Arc<Ready<Wasi<H>>>>().cloned())
        })
    };
    if let Some(ready) = made() {
        return Ok(ready);
    }
    let edge = Edge::composed()?;
    let mut variables = BTreeMap::new();
    for name in edge.settings().variables() {
        if let Some(value) = H::variable(&name).await {
            variables.insert(name, value);
        }
    }
    let platform = Wasi {
        log: Log::new(edge.settings().access_log),
        memo: Memo::default(),
        host: PhantomData,
    };
    let gateway = edge.gateway(platform, Some(H::store()), &variables)?;
    // Another request may have been quicker: then its flights are the instance's.
    if let Some(ready) = made() {
        return Ok(ready);
    }
    let ready = Arc::new(Ready::new(gateway, &edge));
    GATEWAY.set(Some(Box::new(ready.clone())));
    Ok(ready)
}

/// Handles one request of wasi:http.
pub(crate) async fn handle<H: Host>(request: types::Request) -> Result<types::Response, ErrorCode> {
    let arrival = Arrival::now(None);
    let request = http_from_wasi_request(request)?;
    let ready = match ready_gateway::<H>().await {
        Ok(ready) => ready,
        Err(error) => {
            eprintln!("{}", log::error(&error));
            let (head, _) = request.into_parts();
            return respond(unusable(&error, &head).map(Full::new));
        }
    };
    let permit = match ready.gateway.enter(arrival) {
        Ok(permit) => permit,
        Err(full) => return respond(full),
    };
    let (head, body) = request.into_parts();
    let body = body.into_data_stream().map_err(|error| error.to_string());
    let body = ready.reader(sleep).read(body, announced(&head)).await;
    let mut response = match body {
        Ok(body) => Gateway::handle(permit, Request::from_parts(head, body)).await,
        Err(error) => Gateway::refuse(permit, &head, error),
    };
    match response
        .body_mut()
        .take_native()
        .map(|any| any.downcast::<Pieces>())
    {
        Some(Ok(pieces)) => pass(response.into_parts().0, pieces.0),
        _ => respond(response),
    }
}

/// Hands an upstream's body to the client as the host has it: none of it is copied in here.
fn pass(
    head: http::response::Parts,
    mut body: IncomingResponseBody,
) -> Result<types::Response, ErrorCode> {
    let internal = |why: &str| ErrorCode::InternalError(Some(why.to_owned()));
    let untouched = body
        .take_unstarted()
        .ok_or_else(|| internal("the upstream's body has been read"))?;
    let (_, read) = wasip3::wit_future::new(|| Ok(()));
    let (pieces, trailers) = types::Response::consume_body(untouched, read);
    let fields: types::Fields = head
        .headers
        .try_into()
        .map_err(|_| internal("a header that the platform forbids"))?;
    let (response, _sent) = types::Response::new(fields, Some(pieces), trailers);
    let _ = response.set_status_code(head.status.as_u16());
    Ok(response)
}

fn respond<B>(mut response: http::Response<B>) -> Result<types::Response, ErrorCode>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    http_into_wasi_response(response)
}
