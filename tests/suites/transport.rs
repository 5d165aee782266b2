//! TLS, HTTP/2 by ALPN and by prior knowledge.

use bytes::Bytes;
use forebay_tests::prompts::{chat, streamed};
use forebay_tests::tls::Certificate;
use forebay_tests::{Client, Engine, Forebay, Reply, eventually};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;

fn request(uri: &str) -> Request<Full<Bytes>> {
    Request::post(uri)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(chat("over TLS").to_string())))
        .unwrap()
}

#[tokio::test]
async fn tls_offers_both_protocols_and_takes_a_new_certificate_while_it_serves() {
    let engine = Engine::instant().await;
    let first = Certificate::new();
    let config = |certificate: &Certificate| {
        engine
            .behind("[server.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n")
            .file("cert.pem", certificate.cert.clone())
            .file("key.pem", certificate.key.clone())
    };
    let forebay = Forebay::start(config(&first)).await;

    let socket = first
        .connect(forebay.addr, &["h2", "http/1.1"])
        .await
        .expect("a handshake");
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .unwrap();
    let old = tokio::spawn(connection);
    let uri = "https://localhost/v1/chat/completions";
    let reply = Reply::read(sender.send_request(request(uri)).await.unwrap()).await;
    assert_eq!(
        (reply.status, reply.cache()),
        (200, "miss"),
        "{}",
        reply.text()
    );

    forebay.stored().await;
    for alpn in [&["http/1.1"] as &[&str], &[]] {
        let socket = first
            .connect(forebay.addr, alpn)
            .await
            .expect("a handshake");
        assert_ne!(socket.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .unwrap();
        tokio::spawn(connection);
        let reply = Reply::read(
            sender
                .send_request(request("/v1/chat/completions"))
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(
            (reply.status, reply.cache()),
            (200, "hit"),
            "{}",
            reply.text()
        );
    }
    assert!(
        first.connect(forebay.addr, &["spdy/1"]).await.is_err(),
        "no protocol in common"
    );
    // A client that speaks no TLS gets no answer, and disturbs nobody.
    let mut plain = forebay.raw().await;
    plain
        .send("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(plain.reply().await.status, 0);

    let second = Certificate::new();
    forebay.rewrite(&config(&second));
    forebay.signal(Signal::HUP);
    eventually("the new certificate", || async {
        second.connect(forebay.addr, &["h2"]).await.ok().map(drop)
    })
    .await;
    assert!(
        first.connect(forebay.addr, &["h2"]).await.is_err(),
        "the old one is gone"
    );
    let reply = Reply::read(sender.send_request(request(uri)).await.unwrap()).await;
    assert_eq!(reply.status, 200, "the old connection goes on");
    assert!(!old.is_finished());

    // A certificate that can't be used changes nothing.
    let mut broken = second.clone();
    broken.cert = "no certificate".to_owned();
    forebay.rewrite(&config(&broken));
    forebay.signal(Signal::HUP);
    forebay
        .metric_reaches("forebay_reloads_failed_total", 1.0)
        .await;
    assert!(second.connect(forebay.addr, &["h2"]).await.is_ok());
}

#[tokio::test]
async fn http2_without_tls_is_spoken_with_who_begins_so() {
    let engine = Engine::slow(1.0).await;
    let forebay = Forebay::start(engine.behind("[limits]\nstreams_per_connection = 8\n")).await;
    let client = Client::http2(&format!("http://{}", forebay.addr));
    let reply = client.chat(&chat("h2c")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    client.get("/nowhere").await.is_error(404, "not_found");

    // Many at once on one connection, whole and streamed.
    let many: Vec<_> = (0..20)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    let told = client
                        .stream(&streamed(&format!("number {n}")))
                        .await
                        .rest()
                        .await;
                    return told.done;
                }
                client.chat(&chat(&format!("number {n}"))).await.status == 200
            })
        })
        .collect();
    for one in many {
        assert!(one.await.unwrap());
    }
    // A stream that is reset cancels its upstream, and the connection goes on.
    let long = forebay_tests::prompts::with(
        streamed("long"),
        serde_json::json!({"max_tokens": 100_000, "ignore_eos": true}),
    );
    let mut events = client.stream(&long).await;
    events.next().await.unwrap();
    drop(events);
    engine
        .until("the cancelled sequence", |stats| stats.aborted == 1)
        .await;
    assert_eq!(client.chat(&chat("after")).await.status, 200);
}

#[tokio::test]
async fn an_upstream_may_speak_http2() {
    // Forebay itself is an upstream that speaks it.
    let engine = Engine::instant().await;
    let inner = Forebay::start(engine.behind("")).await;
    let url = format!("http://{}", inner.addr);
    let outer =
        Forebay::start(forebay_tests::Config::new("").upstream("inner", &url, "h2c = true")).await;
    let reply = outer.client.chat(&chat("two hops")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = outer
        .client
        .stream(&streamed("two hops, streamed"))
        .await
        .rest()
        .await;
    assert!(told.done && !told.text().is_empty());
    let body = outer
        .client
        .send(http::Method::POST, "/v1/chat/completions", "{")
        .await
        .unwrap();
    assert_eq!(body.status(), 400);
    body.into_body().collect().await.unwrap();
}
