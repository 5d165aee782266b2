//! Class: an upstream that attacks. What it says in heads beside its answer reaches no client, and nothing
//! that it sends goes on for ever, whatever it promises.

use std::time::Duration;

use forebay_tests::prompts::{chat, chunk, done, finish, streamed, whole};
use forebay_tests::{Forebay, Scripted};
use serde_json::json;

/// Heads that mean something to a client, a proxy or a browser, and none of which is an upstream's to say.
const HOSTILE: [(&str, &str); 14] = [
    ("set-cookie", "session=hostile"),
    ("set-cookie2", "session=hostile"),
    ("location", "http://hostile.example/"),
    ("refresh", "0; url=http://hostile.example/"),
    ("access-control-allow-origin", "*"),
    ("access-control-allow-credentials", "true"),
    ("connection", "close, x-hostile"),
    ("keep-alive", "timeout=hostile"),
    ("proxy-authenticate", "Basic realm=hostile"),
    ("www-authenticate", "Basic realm=hostile"),
    ("clear-site-data", "\"*\""),
    ("strict-transport-security", "max-age=1"),
    ("x-hostile", "hostile"),
    ("x-forebay-upstream", "hostile"),
];

fn hostile() -> String {
    let lines = HOSTILE.iter();
    lines
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect()
}

fn answer(status: &str, media: &str, body: &str) -> String {
    let (heads, length) = (hostile(), body.len());
    format!(
        "HTTP/1.1 {status}\r\n{heads}content-type: {media}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn what_an_upstream_says_beside_its_answer_reaches_no_client() {
    let stream = [chunk("hello"), finish("stop"), done()].concat();
    let ranked = json!({"id": "r", "results": []}).to_string();
    let error = json!({"error": {"message": "no", "type": "invalid_request_error"}}).to_string();
    for (path, request, says) in [
        (
            "/v1/chat/completions",
            chat("whole"),
            answer("200 OK", "application/json", &whole("hello")),
        ),
        (
            "/v1/chat/completions",
            streamed("a stream"),
            answer("200 OK", "text/event-stream", &stream),
        ),
        (
            "/v1/chat/completions",
            chat("an error"),
            answer("400 Bad Request", "application/json", &error),
        ),
        (
            "/v1/rerank",
            json!({"model": "m", "query": "q", "documents": ["d"]}),
            answer("200 OK", "application/json", &ranked),
        ),
        (
            "/v1/audio/speech",
            json!({"model": "m", "input": "x", "voice": "v"}),
            answer("200 OK", "audio/mpeg", "sound"),
        ),
    ] {
        let upstream = Scripted::saying(says).await;
        let forebay = Forebay::start(upstream.behind("[retries]\nattempts = 1\n")).await;
        let reply = forebay.client.post(path, &request).await;
        assert_eq!(upstream.calls(), 1, "{path}");
        for (name, value) in HOSTILE {
            assert_ne!(reply.header(name), value, "{path} {name}");
        }
        assert!(!reply.text().contains("hostile"), "{path} {}", reply.text());
    }
}

#[tokio::test]
async fn a_redirect_is_followed_nowhere() {
    let elsewhere =
        Scripted::saying(answer("200 OK", "application/json", &whole("elsewhere"))).await;
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let head = format!(
            "HTTP/1.1 {status}\r\nlocation: {}/v1/chat/completions\r\ncontent-length: 0\r\n\r\n",
            elsewhere.url()
        );
        let upstream = Scripted::saying(head).await;
        let forebay = Forebay::start(upstream.behind("[retries]\nattempts = 1\n")).await;
        let reply = forebay.client.chat(&chat("whither")).await;
        assert_eq!(reply.status, 502, "{status}: {}", reply.text());
        assert!(reply.header("location").is_empty(), "{status}");
    }
    assert_eq!(elsewhere.calls(), 0);
}

#[tokio::test]
async fn what_is_no_http_is_the_upstreams_error() {
    let body = whole("hello");
    let with = |head: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n{body}")
    };
    let length = body.len();
    for says in [
        with("content-length: 99999\r\n", &body),
        with(&format!("content-length: {}\r\n", length - 9), &body),
        with("content-length: -1\r\n", &body),
        with(
            &format!("content-length: {length}\r\ncontent-length: 1\r\n"),
            &body,
        ),
        with(
            "transfer-encoding: chunked\r\n",
            &format!("zz\r\n{body}\r\n0\r\n\r\n"),
        ),
        with(
            "transfer-encoding: chunked\r\n",
            &format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        ),
        with(
            "transfer-encoding: chunked\r\n",
            &format!("{length:x}\r\n{body}"),
        ),
        with("content-encoding: gzip\r\n", &body),
        with("content-encoding: exi\r\n", &body),
        "HTTP/1.1 200\u{0} OK\r\n\r\n".to_owned(),
        "HTTP/9.9 200 OK\r\n\r\n".to_owned(),
        "SSH-2.0-x\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 2\r\n\r\n[]".to_owned(),
    ] {
        let upstream = Scripted::saying(says.clone()).await;
        let forebay = Forebay::start(upstream.behind("[retries]\nattempts = 1\n")).await;
        let reply = forebay.client.chat(&chat("is it HTTP")).await;
        assert!(
            (500..600).contains(&reply.status),
            "{says}: {} {}",
            reply.status,
            reply.text()
        );
        let code = &reply.json()["error"]["code"];
        assert!(code.is_string(), "{says}: {}", reply.text());
        let well = forebay.client.get("/v1/models").await;
        assert_eq!(well.status, 200, "{}", well.text());
    }
}

/// Heads, interim answers, events and bodies without end.
#[tokio::test]
async fn what_never_ends_is_ended() {
    const PIECE: usize = 64 << 10;
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let field = format!("x-{}: b\r\n", "a".repeat(1_000));
    let fields = format!("HTTP/1.1 200 OK\r\n{}", field.repeat(8));
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n";
    for (name, begin, piece) in [
        ("a head", fields.clone(), field.clone()),
        (
            "a field",
            "HTTP/1.1 200 OK\r\nx: ".to_owned(),
            "a".repeat(PIECE),
        ),
        ("interim answers", String::new(), interim.repeat(100)),
        ("a body", format!("{json}["), "1,".repeat(PIECE / 2)),
        ("an event", format!("{events}data: "), "x".repeat(PIECE)),
        ("a comment", format!("{events}: "), "x".repeat(PIECE)),
        (
            "lines of an event",
            events.to_owned(),
            "data: x\n".repeat(PIECE / 8),
        ),
        (
            "empty events",
            events.to_owned(),
            "data:\n\n".repeat(PIECE / 7),
        ),
    ] {
        let upstream = Scripted::start(move |mut call| {
            let (begin, piece) = (begin.clone(), piece.clone());
            async move {
                call.send(begin).await;
                // 64 MiB are more than any limit below.
                for _ in 0..(64 << 20) / piece.len() {
                    call.send(&piece).await;
                }
                call.until_gone().await;
            }
        })
        .await;
        let config = "[retries]\nattempts = 1\n[streams]\nmax_response = 4194304\nmax_event = 1048576\n[timeouts]\ntotal = \"6s\"\nfirst_byte = \"3s\"\nidle = \"3s\"\n";
        let forebay = Forebay::start(upstream.behind(config)).await;
        let request = if name.contains("event") || name == "a comment" {
            streamed(name)
        } else {
            chat(name)
        };
        let asking = forebay.client.chat(&request);
        let reply = tokio::time::timeout(Duration::from_secs(20), asking).await;
        let reply = reply.unwrap_or_else(|_| panic!("{name} goes on"));
        assert!(
            reply.text().contains("error"),
            "{name}: {} {}",
            reply.status,
            reply.text()
        );
        upstream.cancelled(1).await;
        let held = forebay.metrics().await.sum("forebay_request_bodies_bytes");
        assert!(held < 64_000.0, "{name}: {held} bytes are still held");
    }
}
