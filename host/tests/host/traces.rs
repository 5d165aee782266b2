//! Traces reach a collector, with the GenAI conventions and without content.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::client::{http, post, whole};
use crate::support::upstream::Upstream;
use crate::support::{Host, chat, upstream_section};

/// A collector that tells path and body of what comes.
async fn collector() -> (String, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let tell = tell.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await?.to_bytes();
                    let _ = tell.send((path, body));
                    Ok::<_, hyper::Error>(http::Response::new(Full::<Bytes>::default()))
                }
            });
            tokio::spawn(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (url, told)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

// One thread, as on one core: the SDK's shutdown must not wait for itself.
#[tokio::test]
async fn a_request_becomes_a_span_under_its_clients_trace() {
    let (collector, mut told) = collector().await;
    let upstream = Upstream::start().await;
    let section = upstream_section(&upstream.url());
    let host = Host::start(&format!("[telemetry]\notlp = \"{collector}\"\n{section}")).await;
    let mut request = post(
        &host.url("/v1/chat/completions"),
        chat("a secret prompt", false),
    );
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request
        .headers_mut()
        .insert("traceparent", parent.parse().unwrap());
    let (status, _) = whole(http().request(request).await.unwrap()).await;
    assert_eq!(status, 200);

    host.running.drain().await;
    let (path, body) = told.recv().await.unwrap();
    assert_eq!(path, "/v1/traces");
    assert!(contains(&body, b"chat m"), "the span's name");
    for word in [
        "gen_ai.operation.name",
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
    ] {
        assert!(contains(&body, word.as_bytes()), "{word}");
    }
    let trace = [
        0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31,
        0x9c,
    ];
    assert!(contains(&body, &trace), "the client's trace");
    assert!(
        !contains(&body, b"secret prompt") && !contains(&body, b"hello"),
        "no content"
    );
}
