//! One request in, one response out: endpoint, body, fault, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SERVER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::body::{self, Connection, HANG, SimBody};
use super::chat::{self, ChatEvents, ChatRequest};
use super::completions::{self, CompletionEvents, CompletionRequest};
use super::error::ApiError;
use super::job::Job;
use super::request::Common;
use super::service;
use super::sse::{EventStream, Events};
use crate::config::SimConfig;
use crate::engine::Engine;
use crate::fault::{FAULT_HEADER, Fault};
use crate::metrics::Metrics;

/// Says on every response that nothing was computed.
pub const SIMULATED_HEADER: &str = "x-forebay-simulated";

/// Request bodies beyond this are refused: room for a full context of the longest tokens twice over.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// Bodies beyond this are cut into tokens off the runtime's threads (it takes about a millisecond).
const INLINE_BODY: usize = 64 * 1024;

/// Prompts to hash or answers to make up beyond this many tokens go the same way.
const INLINE_TOKENS: usize = 16_384;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html");
const SSE: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

const BAD_GATEWAY_PAGE: Bytes = Bytes::from_static(
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n",
);

/// The connection is to end without a response.
#[derive(Debug, thiserror::Error)]
#[error("reset before the response by {FAULT_HEADER}")]
pub(crate) struct Hangup;

/// Everything a request needs.
pub(crate) struct App {
    pub(crate) config: SimConfig,
    pub(crate) engine: Engine,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) fingerprint: String,
    /// Completion requests under way, which `/load` tells.
    pub(crate) load: Arc<AtomicUsize>,
}

/// What goes wrong with a request: a refusal, or no response at all.
enum Failure {
    Refused(ApiError),
    Hangup,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl App {
    /// Answers one request.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Connection,
    ) -> Result<Response<SimBody>, Hangup> {
        let mut response = match self.respond(request, connection).await {
            Ok(response) => response,
            Err(Failure::Refused(error)) => refusal(&error),
            Err(Failure::Hangup) => return Err(Hangup),
        };
        let headers = response.headers_mut();
        headers.insert(SIMULATED_HEADER, HeaderValue::from_static("true"));
        headers.insert(SERVER, HeaderValue::from_static("forebay-engine-sim"));
        Ok(response)
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Connection,
    ) -> Result<Response<SimBody>, Failure> {
        let (head, incoming) = request.into_parts();
        let asked = header_fault(&head.headers)?;
        let path = head.uri.path();
        if let ("/v1/chat/completions" | "/v1/completions", &Method::POST) = (path, &head.method) {
            let body = read_body(incoming).await?;
            let chat = path == "/v1/chat/completions";
            return self.complete(chat, body, asked, connection).await;
        }
        if let Some(fault) = &asked {
            strike_before(fault, &connection).await?;
            if let Some(response) = instead(fault) {
                return Ok(response);
            }
        }
        let json = |bytes| ok(JSON, bytes);
        match (path, &head.method) {
            ("/health" | "/ping", &Method::GET) => Ok(ok(JSON, Bytes::new())),
            ("/v1/models", &Method::GET) => Ok(json(service::models(&self.config))),
            ("/version", &Method::GET) => Ok(json(service::version())),
            ("/load", &Method::GET) => {
                let load = self.load.load(Ordering::Acquire);
                Ok(json(service::load(load)))
            }
            ("/metrics", &Method::GET) => Ok(ok(TEXT, Bytes::from(self.metrics.page()))),
            ("/tokenize", &Method::POST) => {
                let body = read_body(incoming).await?;
                let app = Arc::clone(&self);
                let read = move |body: &[u8]| service::tokenize(body, &app.config);
                Ok(json(off_thread(body, read).await?))
            }
            ("/detokenize", &Method::POST) => {
                let body = read_body(incoming).await?;
                Ok(json(service::detokenize(&body, &self.config)?))
            }
            ("/reset_prefix_cache", &Method::POST) => {
                if self.engine.reset_prefix_cache() {
                    return Ok(ok(JSON, Bytes::new()));
                }
                let message = "the prefix cache is in use";
                Err(ApiError::plain(StatusCode::CONFLICT, message).into())
            }
            (path, _) if is_known(path) => {
                let message = "Method Not Allowed";
                Err(ApiError::plain(StatusCode::METHOD_NOT_ALLOWED, message).into())
            }
            _ => Err(ApiError::plain(StatusCode::NOT_FOUND, "Not Found").into()),
        }
    }

    async fn complete(
        self: Arc<Self>,
        chat: bool,
        body: Bytes,
        asked: Option<Fault>,
        connection: Connection,
    ) -> Result<Response<SimBody>, Failure> {
        let loaded = Load::one(&self.load);
        let app = Arc::clone(&self);
        if chat {
            let read = move |body: &[u8]| ChatRequest::read(body, &app.config);
            let mut request = off_thread(body, read).await?;
            let prompts = vec![std::mem::take(&mut request.prompt)];
            let fault = self.fault(asked, &request.common);
            if let Some(instead) = self.strike_before(&fault, &connection).await? {
                return Ok(instead);
            }
            let job = self.start(&request.common, prompts, "chatcmpl").await?;
            if request.common.stream {
                let fingerprint = self.fingerprint.clone();
                let events = ChatEvents {
                    fingerprint,
                    request,
                };
                return Ok(streamed(loaded.with(job, events), fault, connection));
            }
            job.finished().await;
            let whole = chat::whole(&job, &request, &self.fingerprint);
            Ok(answered(whole, fault, connection))
        } else {
            let read = move |body: &[u8]| CompletionRequest::read(body, &app.config);
            let mut request = off_thread(body, read).await?;
            let prompts = std::mem::take(&mut request.prompts);
            let fault = self.fault(asked, &request.common);
            if let Some(instead) = self.strike_before(&fault, &connection).await? {
                return Ok(instead);
            }
            let job = self.start(&request.common, prompts, "cmpl").await?;
            if request.common.stream {
                let fingerprint = self.fingerprint.clone();
                let events = CompletionEvents {
                    fingerprint,
                    request,
                };
                return Ok(streamed(loaded.with(job, events), fault, connection));
            }
            job.finished().await;
            let whole = completions::whole(&job, &request, &self.fingerprint);
            Ok(answered(whole, fault, connection))
        }
    }

    async fn start(
        self: &Arc<Self>,
        common: &Common,
        prompts: Vec<Vec<u32>>,
        kind: &'static str,
    ) -> Result<Job, ApiError> {
        let tokens = prompts.iter().map(Vec::len).sum::<usize>();
        if tokens.max(common.wish.planned()) <= INLINE_TOKENS {
            return Job::start(&self.engine, &self.config, common, prompts, kind);
        }
        let app = Arc::clone(self);
        let common = common.clone();
        blocking(move || Job::start(&app.engine, &app.config, &common, prompts, kind)).await
    }

    /// The request's own fault, else the header's, else the replica's.
    fn fault(&self, asked: Option<Fault>, common: &Common) -> Option<Fault> {
        let own = common.fault.clone().or(asked);
        own.or_else(|| self.config.fault.clone())
    }

    async fn strike_before(
        &self,
        fault: &Option<Fault>,
        connection: &Connection,
    ) -> Result<Option<Response<SimBody>>, Failure> {
        let Some(fault) = fault else {
            return Ok(None);
        };
        strike_before(fault, connection).await?;
        Ok(instead(fault))
    }
}

fn is_known(path: &str) -> bool {
    [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/models",
        "/health",
        "/ping",
        "/version",
        "/load",
        "/metrics",
        "/tokenize",
        "/detokenize",
        "/reset_prefix_cache",
    ]
    .contains(&path)
}

/// Counts one request under way; it goes with the stream or ends with the answer.
struct Load(Arc<AtomicUsize>);

impl Load {
    fn one(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(load))
    }

    fn with<E: Events>(self, job: Job, events: E) -> EventStream<Counted<E>> {
        EventStream::new(
            job,
            Counted {
                events,
                _load: self,
            },
        )
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Events that count as load until they are dropped.
struct Counted<E> {
    events: E,
    _load: Load,
}

impl<E: Events> Events for Counted<E> {
    fn opening(&self, job: &Job) -> Vec<Bytes> {
        self.events.opening(job)
    }

    fn piece(&self, head: &super::job::Head, ready: &super::job::Ready<'_>) -> Bytes {
        self.events.piece(head, ready)
    }

    fn closing(&self, job: &Job) -> Option<Bytes> {
        self.events.closing(job)
    }
}

async fn read_body(incoming: Incoming) -> Result<Bytes, Failure> {
    match Limited::new(incoming, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::body_too_large(MAX_BODY).into())
        }
        Err(_) => Err(Failure::Hangup),
    }
}

/// Reads a body here if it is small, else on a thread that may block.
async fn off_thread<T: Send + 'static>(
    body: Bytes,
    read: impl FnOnce(&[u8]) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if body.len() <= INLINE_BODY {
        return read(&body);
    }
    blocking(move || read(&body)).await
}

/// Runs what takes long on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        let message = "the simulation failed on this request";
        Err(ApiError::plain(StatusCode::INTERNAL_SERVER_ERROR, message))
    })
}

fn header_fault(headers: &HeaderMap) -> Result<Option<Fault>, ApiError> {
    let Some(value) = headers.get(FAULT_HEADER) else {
        return Ok(None);
    };
    let line = String::from_utf8_lossy(value.as_bytes());
    Fault::parse(&line)
        .map(Some)
        .map_err(|error| ApiError::bad_request(error.to_string(), Some(FAULT_HEADER)))
}

/// The faults that strike before there is a response.
async fn strike_before(fault: &Fault, connection: &Connection) -> Result<(), Failure> {
    body::pause(fault.delay_ms).await;
    if fault.hang {
        tokio::time::sleep(HANG).await;
        return Err(Failure::Hangup);
    }
    if fault.reset && fault.cut_after.is_none() {
        connection.reset_at_end();
        return Err(Failure::Hangup);
    }
    Ok(())
}

/// The response that a fault puts in place of an answer.
fn instead(fault: &Fault) -> Option<Response<SimBody>> {
    let status = StatusCode::from_u16(fault.instead()?).ok()?;
    let mut response = if fault.html {
        ok(HTML, BAD_GATEWAY_PAGE)
    } else {
        let message = "asked for by x-forebay-sim-fault";
        refusal(&ApiError::plain(status, message))
    };
    *response.status_mut() = status;
    if let Some(seconds) = fault.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Some(response)
}

fn ok(content_type: HeaderValue, bytes: Bytes) -> Response<SimBody> {
    let mut response = Response::new(body::full(bytes));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn refusal(error: &ApiError) -> Response<SimBody> {
    let mut response = ok(JSON, Bytes::from(error.body()));
    *response.status_mut() = error.status;
    if let Some(seconds) = error.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn answered(bytes: Bytes, fault: Option<Fault>, connection: Connection) -> Response<SimBody> {
    let Some(fault) = fault else {
        return ok(JSON, bytes);
    };
    let inserts = fault.malformed_after.is_some() || fault.garbage_after.is_some();
    let length = HeaderValue::from(bytes.len());
    let mut response = Response::new(body::whole(bytes, &fault, connection));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    if !inserts {
        headers.insert(CONTENT_LENGTH, length);
    }
    response
}

fn streamed<E: Events + Send + Sync + 'static>(
    events: EventStream<E>,
    fault: Option<Fault>,
    connection: Connection,
) -> Response<SimBody> {
    let mut response = Response::new(body::events(events, fault, connection));
    response.headers_mut().insert(CONTENT_TYPE, SSE);
    response
}
