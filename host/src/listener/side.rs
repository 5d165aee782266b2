//! Serves another surface, the operators', under the limits that clients have: heads come in time,
//! idle connections end, and whoever does not read is cut.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower_service::Service as _;

use super::accept::{keep_watch, pause_if_exhausted};
use super::answer::Answer;
use super::client_io::{ClientIo, Patience, Phase};
use crate::config::Config;

/// The most connections: operators and their machines are few.
const CONNECTIONS: usize = 256;

/// The largest body: a few names of entries to purge.
const BODY: usize = 64 << 10;

/// Serves a router until aborted.
pub async fn serve_router(listener: TcpListener, router: Router, config: impl Fn() -> Arc<Config>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_if_exhausted(&error).await;
                continue;
            }
        };
        // One too many is closed without a word: it is no client.
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue;
        };
        keep_watch(&stream);
        let connection = serve(stream, router.clone(), config());
        tokio::spawn(async move {
            let _place = place;
            connection.await;
        });
    }
}

async fn serve(stream: TcpStream, router: Router, config: Arc<Config>) {
    let patience = Patience {
        head: config.timeouts.request.0,
        idle: Some(config.server.idle.0),
        write: config.timeouts.slow_client.0,
    };
    let phase = Arc::new(Phase::default());
    let io = ClientIo::new(stream, Bytes::new(), patience, phase.clone());
    let limit = config.timeouts.request.0;
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = phase.busy(request.version(), request.body().size_hint().exact());
        let mut router = router.clone();
        async move {
            let response = match whole(request, limit).await {
                Ok(request) => router.call(request).await?,
                Err(status) => status.into_response(),
            };
            Ok::<_, Infallible>(response.map(|body| Answer::new(body, busy, None)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // ClientIo sees to it.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(io), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an operator's connection ended early");
    }
}

/// A request with its body, which is small here and has to come in time.
async fn whole(
    request: Request<Incoming>,
    limit: Duration,
) -> Result<Request<axum::body::Body>, StatusCode> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(limit, Limited::new(body, BODY).collect())
        .await
        .map_err(|_| StatusCode::REQUEST_TIMEOUT)?
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok(Request::from_parts(head, body.to_bytes().into()))
}
