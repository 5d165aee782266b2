//! The transport to upstreams: what it says when they fail, and how fast it lets go of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_gateway::platform::{Platform as _, TransportFailure, UpstreamTransport};
use forebay_host::platform::Native;
use forebay_host::telemetry::Observers;
use futures_util::StreamExt as _;
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::chat;
use crate::support::open_policies::Open;
use crate::support::upstream::{Upstream, event};

fn platform() -> Native<Open> {
    Native::new(0, Arc::new(Observers::new(None)))
}

fn transport(h2c: bool) -> UpstreamTransport {
    UpstreamTransport {
        connect_timeout: Duration::from_millis(500),
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
