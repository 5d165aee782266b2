//! The listener: a request to its component, the answer back, an error as clients of OpenAI read it.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::handler::ExpirationError;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::app::{self, Handlers, Options};
use crate::engine;
use crate::error::StartError;
use crate::headers;
use crate::instance::{End, Waiting};

/// How long a request's head may take: a client that sends slower holds a connection for nothing.
const HEAD: Duration = Duration::from_secs(30);

/// An application that listens.
pub struct App {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    drain: Duration,
    _engine: engine::Running,
}

struct Shared {
    handlers: Handlers,
    places: Arc<Semaphore>,
}

/// Loads an application and takes its address.
///
/// # Errors
///
/// What in the manifest, the variables, the components or the address does not do.
pub async fn up(options: &Options) -> Result<App, StartError> {
    let running = engine::start()?;
    let (loading, with) = (running.engine.clone(), options.clone());
    let handlers = tokio::task::spawn_blocking(move || app::load(&with, &loading))
        .await
        .map_err(|error| StartError::Runtime(error.to_string()))??;
    let failed = |why| StartError::Listen {
        address: options.listen,
        why,
    };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(App {
        listener,
        address,
        shared: Arc::new(Shared {
            handlers,
            places: Arc::new(Semaphore::new(options.requests.min(Semaphore::MAX_PERMITS))),
        }),
        drain: options.drain,
        _engine: running,
    })
}

impl App {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves; then what is being answered may go on for a while.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD);
        server.http2().timer(TokioTimer::new());
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let (socket, client) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: a pause lets some go.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // An event of a stream must not wait for the next one.
            let _ = socket.set_nodelay(true);
            let shared = self.shared.clone();
            let service = service_fn(move |request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(shared.answer(request, client).await) }
            });
            let connection = server.serve_connection(TokioIo::new(socket), service);
            let connection = graceful.watch(connection.into_owned());
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended badly");
                }
            });
        }
        drop(self.listener);
        if tokio::time::timeout(self.drain, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("answers that took longer than the drain were cut");
        }
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, client: SocketAddr) -> Response<Answer> {
        if request.uri().path() == "/.well-known/spin/health" {
            return own(StatusCode::OK, Bytes::from_static(b"OK"), "text/plain");
        }
        let Some(found) = self.handlers.router.find(request.uri().path()) else {
            return error(StatusCode::NOT_FOUND, "no route leads there", "not_found");
        };
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let mut busy = error(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests are being served; try again shortly",
                "overloaded",
            );
            let headers = busy.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return busy;
        };
        let mut request = request.map(|body| body.map_err(Error::from).boxed_unsync());
        headers::prepare(&mut request, &found, client);
        let Some(handler) = self.handlers.components.get(found.component) else {
            return error(StatusCode::NOT_FOUND, "no route leads there", "not_found");
        };
        let waiting = Waiting::new();
        match handler.handle(waiting.ticket(), request).await {
            Ok(mut response) => {
                headers::strip_hop_by_hop(response.headers_mut());
                response.map(|body| Answer {
                    body: Source::Guest {
                        body,
                        waiting,
                        _place: place,
                    },
                })
            }
            Err(failed) => self.failed(&failed, &waiting),
        }
    }

    /// What a client is told of an instance that gave no answer: never what the guest had to say.
    fn failed(&self, failed: &wasmtime::Error, waiting: &Waiting) -> Response<Answer> {
        let end =
            waiting
                .life()
                .map_or(End::None, |life| match (life.end(), life.lacked_memory()) {
                    (End::None | End::Trap, true) => End::OutOfMemory,
                    (end, _) => end,
                });
        tracing::warn!(error = %failed.root_cause(), ?end, "a request got no answer of its component");
        waiting.served();
        if failed.downcast_ref::<ExpirationError>().is_some() || end == End::TimedOut {
            return error(
                StatusCode::GATEWAY_TIMEOUT,
                "the component did not answer in time (--request-timeout)",
                "component_timeout",
            );
        }
        match end {
            End::OutOfMemory => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the component needed more memory than it may have (--max-instance-memory)",
                "component_memory",
            ),
            _ => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the component failed; the log has more",
                "component_failed",
            ),
        }
    }
}

fn own(status: StatusCode, body: Bytes, media: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer {
        body: Source::Own(Full::new(body)),
    });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// An error in OpenAI's shape: whoever talks to a gateway reads that.
fn error(status: StatusCode, message: &str, code: &str) -> Response<Answer> {
    let kind = match status {
        StatusCode::NOT_FOUND => "invalid_request_error",
        _ => "server_error",
    };
    let body = serde_json::json!({
        "error": {"message": message, "type": kind, "param": null, "code": code},
    });
    own(status, Bytes::from(body.to_string()), "application/json")
}

/// An answer's body, and the place it holds.
struct Answer {
    body: Source,
}

enum Source {
    Own(Full<Bytes>),
    Guest {
        body: WasiBody,
        waiting: Waiting,
        _place: OwnedSemaphorePermit,
    },
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.get_mut().body {
            Source::Own(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Source::Guest { body, waiting, .. } => {
                let polled = Pin::new(body).poll_frame(cx);
                if let Poll::Ready(None) = polled {
                    waiting.served();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::Own(body) => body.is_end_stream(),
            Source::Guest { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Own(body) => body.size_hint(),
            Source::Guest { body, .. } => body.size_hint(),
        }
    }
}
