//! One connection from its first byte to its last: which protocol, then requests until it ends.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_gateway::ReplyBody;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::client_io::{ClientIo, Patience, Phase, Takeover};
use super::guest::Guest;
use super::leaving::Peer;
use super::service::requests;
use super::tls::TlsKeys;
use crate::operate::{Front, Generation};
use crate::platform::{Native, NativePolicies};

/// What a client that speaks HTTP/2 without TLS sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A head that did not come in time. There is no request yet, so nothing but this to say.
const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\n\
    content-length: 138\r\n\r\n\
    {\"error\":{\"message\":\"the request head did not arrive in time (timeouts.request)\",\
    \"type\":\"invalid_request_error\",\"code\":\"request_timeout\"}}";

enum Protocol {
    Http1,
    Http2,
}

/// Serves a connection until either side ends it, `closing` asks it to finish, or `cut` ends it.
pub(super) async fn serve<P: NativePolicies>(
    mut stream: TcpStream,
    guest: Guest,
    tls: Option<&TlsKeys>,
    front: &Arc<Front<P>>,
    closing: &CancellationToken,
    cut: &CancellationToken,
) {
    let ends = Ends { closing, cut };
    let generation = front.current();
    let limit = generation.config.timeouts.request.0;
    let Some(tls) = tls else {
        let begun = tokio::select! {
            // A connection that has not asked for anything yet is in nobody's way.
            () = closing.cancelled() => return,
            begun = tokio::time::timeout(limit, tell_apart(&mut stream)) => begun,
        };
        return match begun {
            Ok(Ok((protocol, before))) => {
                speak(protocol, stream, before, guest, &generation, front, ends).await
            }
            Ok(Err(_)) => {}
            Err(_) => {
                let _ = stream.try_write(TOO_SLOW);
            }
        };
    };
    let handshake = tokio_rustls::TlsAcceptor::from(tls.current()).accept(stream);
    match tokio::time::timeout(limit, handshake).await {
        Ok(Ok(stream)) => {
            let protocol = if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                Protocol::Http2
            } else {
                Protocol::Http1
            };
            speak(
                protocol,
                stream,
                Bytes::new(),
                guest,
                &generation,
                front,
                ends,
            )
            .await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Reads just enough to know whether HTTP/2's preface comes. An error or nothing at all ends the connection.
async fn tell_apart(stream: &mut TcpStream) -> io::Result<(Protocol, Bytes)> {
    // 1 KiB: most heads come in one piece, and it is read anyway.
    let mut seen = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let n = seen.len().min(PREFACE.len());
        if seen[..n] != PREFACE[..n] {
            return Ok((Protocol::Http1, seen.freeze()));
        }
        if n == PREFACE.len() {
            return Ok((Protocol::Http2, seen.freeze()));
        }
    }
}

/// What ends a connection from here.
#[derive(Clone, Copy)]
struct Ends<'a> {
    /// It is to finish what it does.
    closing: &'a CancellationToken,
    /// It is to end at once.
    cut: &'a CancellationToken,
}

#[allow(clippy::too_many_arguments, reason = "two callers, one line each")]
async fn speak<P: NativePolicies, T: AsyncRead + AsyncWrite + Peer + Unpin + Send + 'static>(
    protocol: Protocol,
    stream: T,
    before: Bytes,
    guest: Guest,
    generation: &Generation<P>,
    front: &Arc<Front<P>>,
    ends: Ends<'_>,
) {
    let timeouts = &generation.config.timeouts;
    let phase = Arc::new(Phase::default());
    let idle = matches!(protocol, Protocol::Http1).then_some(generation.config.server.idle.0);
    let patience = Patience {
        head: timeouts.request.0,
        idle,
        write: timeouts.slow_client.0,
    };
    let io = TokioIo::new(ClientIo::new(stream, before, patience, phase.clone()));
    let requests = requests(front.clone(), guest, phase.clone());
    match protocol {
        Protocol::Http1 => http1(io, requests, &phase, generation, ends).await,
        Protocol::Http2 => http2(io, requests, &phase, generation, ends).await,
    }
}

async fn http1<P: NativePolicies, T: AsyncRead + AsyncWrite + Peer + Unpin + Send + 'static>(
    io: TokioIo<ClientIo<T>>,
    requests: impl Service<
        Request<Incoming>,
        Response = Response<Answer<ReplyBody<Native<P>>>>,
        Error = Infallible,
        Future: Send + 'static,
    >,
    phase: &Phase,
    generation: &Generation<P>,
    ends: Ends<'_>,
) {
    let Ends { closing, cut } = ends;
    let limits = &generation.config.limits;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // ClientIo sees to it, at the cost of one timer a connection instead of one a request.
        .header_read_timeout(None)
        // Twice the limit: up to there the answer is one of ours, beyond it hyper's bare 431.
        .max_header_size(limits.headers.bytes().saturating_mul(2))
        .max_buf_size(limits.headers.bytes().saturating_mul(2).max(64 << 10));
    // Up to 100 fields hyper parses on the stack, which is faster; more are its bare 431 then.
    if limits.header_fields > 100 {
        builder.max_headers(limits.header_fields);
    }
    let mut connection = builder.serve_connection(io, requests);
    let mut asked = false;
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut connection => break ended,
            () = closing.cancelled(), if !asked => {
                asked = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
            () = cut.cancelled(), if asked => return,
        }
    };
    if ended.is_ok()
        && let Some(Takeover(takes_over)) = phase.handed_over()
    {
        let parts = connection.into_parts();
        let stream = parts.io.into_inner().raw(&parts.read_buf);
        tokio::select! {
            () = takes_over(Box::new(stream)) => {}
            () = cut.cancelled() => {}
        }
        return;
    }
    if let Err(error) = ended {
        tracing::debug!(error = %describe(&error), "a connection ended early");
        if phase.in_head() && timed_out(&error) {
            let mut stream = connection.into_parts().io.into_inner();
            // A second is enough for 200 bytes; a client that does not take them has left.
            let _ = tokio::time::timeout(Duration::from_secs(1), async {
                stream.write_all(TOO_SLOW).await?;
                stream.shutdown().await
            })
            .await;
        }
    }
}

async fn http2<P: NativePolicies, T: AsyncRead + AsyncWrite + Peer + Unpin + Send + 'static>(
    io: TokioIo<ClientIo<T>>,
    requests: impl Service<
        Request<Incoming>,
        Response = Response<Answer<ReplyBody<Native<P>>>>,
        Error = Infallible,
        Future: Send + 'static,
    >,
    phase: &Phase,
    generation: &Generation<P>,
    ends: Ends<'_>,
) {
    let Ends { closing, cut } = ends;
    let limits = &generation.config.limits;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(u32::try_from(limits.headers.0).unwrap_or(u32::MAX))
        // 20: what hyper takes for rapid reset (CVE-2023-44487), said here so that it stays.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        // 256 KiB a stream: what a client that does not read may make us hold for it.
        .max_send_buf_size(256 << 10)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        // A client that is gone without a word is found within 30 s.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    let mut connection = pin!(builder.serve_connection(io, requests));
    let idle = generation.config.server.idle.0;
    // PINGs keep a connection alive, but are no reason to keep it.
    let mut look = pin!(tokio::time::sleep(idle));
    let mut seen = phase.streams();
    let (mut asked, mut last) = (false, false);
    let ended = loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => break ended,
            () = closing.cancelled(), if !asked => {
                asked = true;
                connection.as_mut().graceful_shutdown();
            }
            () = cut.cancelled(), if asked => return,
            () = look.as_mut() => {
                let now = phase.streams();
                if now.open == 0 && now.begun == seen.begun {
                    if last {
                        return;
                    }
                    // It gets as long again to take leave; most clients do so at once.
                    last = true;
                    asked = true;
                    connection.as_mut().graceful_shutdown();
                }
                seen = now;
                look.as_mut().reset(tokio::time::Instant::now() + idle);
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %describe(&error), "a connection ended early");
    }
}

fn timed_out(error: &hyper::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

fn describe(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
