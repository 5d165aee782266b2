//! The transport to upstreams: what it says when they fail, and how fast it lets go of them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use forebay_gateway::platform::{
    FreshConnection, Platform as _, TransportFailure, UpstreamTransport,
};
use forebay_host::platform::Native;
use forebay_host::telemetry::Observers;
use futures_util::StreamExt as _;
use http::Request;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::support::chat;
use crate::support::open_policies::Open;
use crate::support::upstream::{Upstream, event};

fn platform() -> Native<Open> {
    Native::new(0, Arc::new(Observers::new(None)))
}

fn transport(h2c: bool) -> UpstreamTransport {
    aged(h2c, Duration::from_secs(60))
}

fn aged(h2c: bool, connection_age: Duration) -> UpstreamTransport {
    UpstreamTransport {
        connect_timeout: Duration::from_millis(500),
        connection_age,
        h2c,
        ca_file: None,
        client_tls: None,
    }
}

fn request(url: &str, body: String) -> Request<Bytes> {
    Request::post(url).body(body.into()).unwrap()
}

/// An upstream that reads a request and then writes these bytes and closes.
async fn scripted(bytes: &'static [u8]) -> String {
    script(bytes, false).await
}

/// The same, but it closes only when the other side does.
async fn lingering(bytes: &'static [u8]) -> String {
    script(bytes, true).await
}

async fn script(bytes: &'static [u8], linger: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut scratch = [0; 4096];
            let _ = stream.read(&mut scratch).await;
            let _ = stream.write_all(bytes).await;
            while linger && stream.read(&mut scratch).await.is_ok_and(|n| n > 0) {}
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn dropping_a_body_ends_the_exchange_at_once() {
    for h2c in [false, true] {
        let mut upstream = Upstream::start().await;
        let platform = platform();
        upstream.events.send(event("a")).unwrap();
        let response = platform
            .send(request(&upstream.url(), chat("x", true)), &transport(h2c))
            .await
            .unwrap();
        let mut body = response.into_body();
        body.next().await.unwrap().unwrap();
        // The transport waits for the next piece when it is dropped, as it does in life.
        tokio::select! {
            biased;
            _ = body.next() => panic!("nothing was sent"),
            () = tokio::task::yield_now() => {}
        }
        drop(body);
        tokio::time::timeout(Duration::from_millis(50), upstream.left.recv())
            .await
            .unwrap_or_else(|_| panic!("h2c {h2c}: still open after 50 ms"));
    }
}

#[tokio::test]
async fn dropping_a_request_before_its_answer_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let platform = platform();
    let sending = tokio::spawn(platform.send(request(&url, chat("x", true)), &transport(false)));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut scratch = vec![0; 65536];
    assert!(stream.read(&mut scratch).await.unwrap() > 0);
    sending.abort();
    let closed = async { while stream.read(&mut scratch).await.is_ok_and(|n| n > 0) {} };
    tokio::time::timeout(Duration::from_millis(50), closed)
        .await
        .expect("still open after 50 ms");
}

#[tokio::test]
async fn failures_say_where_they_happened() {
    use TransportFailure::{Body, Connect, Protocol, Reset};
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let cases = [
        (refused, false, Connect),
        ("http://no-such-host.invalid/".to_owned(), false, Connect),
        (
            scripted(b"").await.replace("http:", "https:"),
            false,
            Connect,
        ),
        (scripted(b"").await, false, Reset),
        (
            scripted(b"HTTP/1.1 200 OK\r\ncontent-le").await,
            false,
            Reset,
        ),
        (
            scripted(b"SSH-2.0-OpenSSH_9.9\r\n\r\n").await,
            false,
            Protocol,
        ),
        (
            lingering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await,
            true,
            Protocol,
        ),
        (
            scripted(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort").await,
            false,
            Body,
        ),
        (
            scripted(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").await,
            false,
            Body,
        ),
    ];
    for (url, h2c, expected) in cases {
        let outcome = platform()
            .send(request(&url, "{}".to_owned()), &transport(h2c))
            .await;
        let error = match outcome {
            Err(error) => error,
            Ok(response) => {
                let mut body = response.into_body();
                loop {
                    match body.next().await {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => break error,
                        None => panic!("{url}: the body ended well"),
                    }
                }
            }
        };
        assert_eq!(error.failure, expected, "{url}: {error}");
    }
}

#[tokio::test]
async fn a_connection_that_is_not_established_in_time_is_given_up() {
    // Nobody accepts TLS here, so the handshake hangs while TCP is long there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let error = platform()
        .send(request(&url, "{}".to_owned()), &transport(false))
        .await
        .unwrap_err();
    assert_eq!(error.failure, TransportFailure::Connect);
    assert!(error.detail.contains("timeouts.connect"), "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let url = scripted(
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let response = platform()
        .send(request(&url, "{}".to_owned()), &transport(false))
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
}

/// A server of HTTP/1.1 and HTTP/2 that counts its connections, each of so many requests at once. Each answer
/// waits for a permit, which it keeps.
async fn counting(
    permits: Arc<Semaphore>,
    at_once: u32,
) -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (made, asked) = (connections.clone(), Arc::clone(&requests));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            made.fetch_add(1, SeqCst);
            let (permits, asked) = (permits.clone(), Arc::clone(&asked));
            let service = service_fn(move |_: Request<Incoming>| {
                let (permits, asked) = (permits.clone(), Arc::clone(&asked));
                async move {
                    asked.fetch_add(1, SeqCst);
                    permits.acquire().await.unwrap().forget();
                    Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from_static(b"{}"))))
                }
            });
            tokio::spawn(async move {
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder.http2().max_concurrent_streams(at_once);
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (url, connections, requests)
}

#[tokio::test]
async fn a_connection_is_kept_until_it_is_old() {
    for (h2c, at_once) in [(false, 100), (true, 100), (true, 1)] {
        // A connection of no age is old at once, and has one request.
        for (age, expected) in [(Duration::from_secs(60), 1), (Duration::ZERO, 4)] {
            let (url, connections, _) = counting(Arc::new(Semaphore::new(100)), at_once).await;
            let platform = platform();
            for _ in 0..4 {
                let request = request(&url, "{}".to_owned());
                let response = platform.send(request, &aged(h2c, age)).await.unwrap();
                let mut body = response.into_body();
                while body.next().await.is_some() {}
            }
            let made = connections.load(SeqCst);
            assert_eq!(made, expected, "h2c {h2c}, {at_once} at once, {age:?}");
        }
    }
}

#[tokio::test]
async fn no_request_waits_for_another_ones_end_on_a_full_connection() {
    for at_once in [1, 2, 7, 100] {
        full_connections(at_once).await;
    }
}

/// Many requests at once, to a server that answers none before it has them all.
async fn full_connections(at_once: u32) {
    const REQUESTS: usize = 150;
    let permits = Arc::new(Semaphore::new(1));
    let (url, connections, asked) = counting(permits.clone(), at_once).await;
    let platform = Arc::new(platform());
    let send = || {
        let (platform, url) = (platform.clone(), url.clone());
        async move {
            let sent = request(&url, "{}".to_owned());
            let answered = platform.send(sent, &transport(true)).await;
            if answered
                .as_ref()
                .is_err_and(|e| e.failure == TransportFailure::Stale)
            {
                let mut again = request(&url, "{}".to_owned());
                again.extensions_mut().insert(FreshConnection);
                return platform.send(again, &transport(true)).await;
            }
            answered
        }
    };
    // A connection is there, so that all of them see it.
    send().await.unwrap();
    let sending: Vec<_> = (0..REQUESTS).map(|_| tokio::spawn(send())).collect();
    tokio::time::timeout(Duration::from_secs(20), async {
        while asked.load(SeqCst) < REQUESTS + 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap_or_else(|_| {
        let asked = asked.load(SeqCst);
        panic!("{at_once} at once: {asked} of {} were asked", REQUESTS + 1)
    });
    let enough = REQUESTS / at_once as usize;
    let made = connections.load(SeqCst);
    assert!(made >= enough, "{at_once} at once: {made} connections");
    permits.add_permits(REQUESTS);
    for sent in sending {
        assert_eq!(sent.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_kept_connection_that_closes_when_used_is_told_from_an_upstream_that_fails() {
    // One answer a connection, although it says that there may be more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut scratch = [0; 4096];
            let _ = stream.read(&mut scratch).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
            // The next request is read and not answered.
            let _ = stream.read(&mut scratch).await;
        }
    });
    let platform = platform();
    let way = transport(false);
    let send = || platform.send(request(&url, "{}".to_owned()), &way);
    let mut body = send().await.unwrap().into_body();
    assert!(body.next().await.is_none());
    let error = send().await.unwrap_err();
    assert_eq!(error.failure, TransportFailure::Stale, "{error}");
}

#[tokio::test]
async fn a_refusal_arrives_though_its_server_has_not_read_all_of_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut scratch = [0; 4096];
            let _ = stream.read(&mut scratch).await;
            let refusal = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\n\r\nlarge";
            let _ = stream.write_all(refusal).await;
            // Closed with bytes unread: what is still on its way is answered with a reset.
        }
    });
    let platform = platform();
    for _ in 0..32 {
        let large = request(&url, "x".repeat(8 << 20));
        let response = platform.send(large, &transport(false)).await.unwrap();
        assert_eq!(response.status(), 413);
        let mut body = response.into_body();
        assert_eq!(body.next().await.unwrap().unwrap(), "large");
    }
}

/// What a server of HTTP/2 does with its requests, by connection and number there.
enum Does {
    Answer,
    Refuse,
    /// Says that it goes away before it ends its answer.
    Leave,
}

async fn http2(does: impl Fn(usize, usize) -> Does + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let does = Arc::new(does);
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let (does, connection_number) = (does.clone(), number);
            number += 1;
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let mut at = 0;
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let what = does(connection_number, at);
                    at += 1;
                    match what {
                        Does::Refuse => respond.send_reset(h2::Reason::REFUSED_STREAM),
                        Does::Answer => {
                            respond
                                .send_response(http::Response::new(()), true)
                                .unwrap();
                        }
                        Does::Leave => {
                            let response = http::Response::new(());
                            let mut body = respond.send_response(response, false).unwrap();
                            body.send_data(Bytes::from_static(b"one"), false).unwrap();
                            connection.graceful_shutdown();
                            tokio::spawn(async move {
                                tokio::time::sleep(Duration::from_millis(50)).await;
                                body.send_data(Bytes::from_static(b"two"), true).unwrap();
                            });
                        }
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_request_that_http2_refuses_unread_may_be_sent_again() {
    let url = http2(|_, at| if at == 0 { Does::Refuse } else { Does::Answer }).await;
    let platform = platform();
    let way = transport(true);
    let send = || platform.send(request(&url, "{}".to_owned()), &way);
    let error = send().await.unwrap_err();
    assert_eq!(error.failure, TransportFailure::Stale, "{error}");
    assert_eq!(send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_stream_ends_whole_though_its_server_goes_away_and_the_next_goes_elsewhere() {
    let url = http2(|connection, _| match connection {
        0 => Does::Leave,
        _ => Does::Answer,
    })
    .await;
    let platform = platform();
    let way = transport(true);
    let send = || platform.send(request(&url, "{}".to_owned()), &way);
    let mut body = send().await.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    let other = send().await;
    assert_eq!(other.unwrap().status(), 200, "a new connection");
    assert_eq!(body.next().await.unwrap().unwrap(), "two");
    assert!(body.next().await.is_none());
}
