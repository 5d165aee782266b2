//! Class: who may knock. A web page in a user's browser, a name that leads to loopback, a head with two readings.

use forebay_tests::prompts::{chat, whole};
use forebay_tests::upstream::response;
use forebay_tests::{Config, Engine, Forebay, Key, Raw, Scripted};
use serde_json::json;

const JSON: &str = "content-type: application/json\r\n";

/// One request with these header lines on a connection of its own: its status and its body.
async fn ask(forebay: &Forebay, line: &str, headers: &str, body: &str) -> (u16, String) {
    let mut raw = forebay.raw().await;
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("content-length: {}\r\n", body.len())
    };
    raw.send(format!(
        "{line} HTTP/1.1\r\n{headers}{length}connection: close\r\n\r\n{body}"
    ))
    .await;
    let reply = raw.reply().await;
    (reply.status, format!("{}\n{}", reply.head, reply.body))
}

const POST: &str = "POST /v1/chat/completions";
const GET: &str = "GET /v1/models";

#[tokio::test]
async fn a_name_that_leads_to_loopback_is_not_answered_without_keys() {
    let engine = Engine::instant().await;
    let config = engine.behind("[server]\nhosts = [\"forebay.internal\"]\n");
    let forebay = Forebay::start(config).await;
    let body = chat("hello").to_string();
    for host in [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "0.0.0.0",
        "169.254.169.254",
        "forebay.internal.evil.example",
        "evil.",
    ] {
        let headers = format!("host: {host}\r\n{JSON}");
        for (line, body) in [(POST, body.as_str()), (GET, ""), ("GET /nothing", "")] {
            let (status, text) = ask(&forebay, line, &headers, body).await;
            assert_eq!(status, 403, "{line} {host}: {text}");
            assert!(text.contains("server.hosts"), "{line} {host}: {text}");
        }
    }
    for host in [
        "localhost",
        "127.0.0.1:1",
        "[::1]:99",
        "Forebay.Internal:8",
        "gateway:8080",
    ] {
        let headers = format!("host: {host}\r\n{JSON}");
        let (status, text) = ask(&forebay, POST, &headers, &body).await;
        assert_eq!(status, 200, "{host}: {text}");
    }
    assert_eq!(engine.computed(), 1, "the first of them, then the cache");
}

#[tokio::test]
async fn a_page_can_neither_read_nor_post() {
    let engine = Engine::instant().await;
    let config = engine.behind("[server]\norigins = [\"https://chat.example\"]\n");
    let forebay = Forebay::start(config).await;
    let body = chat("from a page").to_string();
    let host = "host: localhost\r\n";
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "https://chat.example.evil.example",
        "http://chat.example",
    ] {
        let upgrade =
            "upgrade: websocket\r\nsec-websocket-key: AAAA\r\nsec-websocket-version: 13\r\n";
        for (line, more, body) in [
            (POST, JSON, body.as_str()),
            (POST, "content-type: text/plain\r\n", body.as_str()),
            (POST, "", body.as_str()),
            (GET, "", ""),
            ("GET /v1/realtime", upgrade, ""),
            (
                "OPTIONS /v1/chat/completions",
                "access-control-request-method: POST\r\n",
                "",
            ),
        ] {
            let headers = format!("{host}origin: {origin}\r\n{more}");
            let (status, text) = ask(&forebay, line, &headers, body).await;
            assert_eq!(status, 403, "{line} {origin}: {text}");
            assert!(text.contains("server.origins"), "{text}");
            assert!(!text.contains("access-control-allow-origin"), "{text}");
        }
    }
    // Without an Origin: what a form, an image or a no-cors fetch sends.
    for sign in [
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-mode: no-cors\r\n",
        "referer: https://evil.example/\r\n",
        "user-agent: Mozilla/5.0 (X11; Linux x86_64)\r\n",
    ] {
        for media in [
            "",
            "content-type: text/plain\r\n",
            "content-type: application/x-www-form-urlencoded\r\n",
            "content-type: multipart/form-data; boundary=x\r\n",
        ] {
            let headers = format!("{host}{sign}{media}");
            let (status, text) = ask(&forebay, POST, &headers, &body).await;
            assert_eq!(status, 403, "{sign}{media}: {text}");
        }
        let (status, text) = ask(&forebay, GET, &format!("{host}{sign}"), "").await;
        assert_eq!(status, 403, "{sign}: {text}");
    }
    assert_eq!(engine.computed(), 0);

    // The page that is listed may ask, and may read the answer.
    let page = format!("{host}origin: https://chat.example\r\n");
    let asked = format!(
        "{page}access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n"
    );
    let (status, text) = ask(&forebay, "OPTIONS /v1/chat/completions", &asked, "").await;
    assert_eq!(status, 204, "{text}");
    assert!(
        text.contains("access-control-allow-headers: content-type"),
        "{text}"
    );
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        let (_, allowed) = text
            .split_once("access-control-allow-methods: ")
            .unwrap_or_default();
        let allowed = allowed.lines().next().unwrap_or_default();
        assert!(
            allowed.split(", ").any(|one| one == method),
            "{method}: {text}"
        );
    }
    let (status, text) = ask(&forebay, POST, &format!("{page}{JSON}"), &body).await;
    assert_eq!(status, 200, "{text}");
    assert!(
        text.contains("access-control-allow-origin: https://chat.example"),
        "{text}"
    );
}

/// What an upstream calls HTML would else be a page of the gateway's own site, which may ask what it likes.
#[tokio::test]
async fn an_upstreams_answer_is_no_page_of_the_gateway() {
    let page = "<script>fetch('/v1/models')</script>";
    let upstream = Scripted::saying(response("200 OK", "text/html", page)).await;
    let forebay = Forebay::start(upstream.behind("[retries]\nattempts = 1\n")).await;
    let speech = json!({"model": "m", "input": "x", "voice": "v"});
    let rerank = json!({"model": "m", "query": "q", "documents": ["d"]});
    for (path, request) in [("/v1/audio/speech", speech), ("/v1/rerank", rerank)] {
        let reply = forebay.client.post(path, &request).await;
        if reply.status == 200 {
            assert_eq!(reply.header("content-security-policy"), "sandbox", "{path}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        }
    }
    assert!(upstream.calls() > 0);
}

#[tokio::test]
async fn programs_are_let_in_as_ever() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let body = chat("from a program").to_string();
    for headers in [
        "user-agent: curl/8\r\n".to_owned(),
        JSON.to_owned(),
        format!("{JSON}sec-fetch-mode: cors\r\nuser-agent: node\r\naccept-language: *\r\n"),
        format!("{JSON}user-agent: Mozilla/5.0\r\n"),
    ] {
        let headers = format!("host: localhost\r\n{headers}");
        let (status, text) = ask(&forebay, POST, &headers, &body).await;
        assert_eq!(status, 200, "{headers}: {text}");
    }
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
    ] {
        let headers = format!("host: localhost\r\ncontent-type: {media}\r\n");
        let (status, text) = ask(&forebay, POST, &headers, &body).await;
        assert_eq!(status, 415, "{media}: {text}");
    }
    // With keys the network position of a client opens nothing, so names do not matter.
    let key = Key::of("acme");
    let keyed = Forebay::start(engine.behind("").keys(&[&key])).await;
    let headers = format!(
        "host: llm.example.com\r\norigin: https://a.example\r\nauthorization: Bearer {}\r\n{JSON}",
        key.text
    );
    let (status, text) = ask(&keyed, POST, &headers, &body).await;
    assert_eq!(status, 200, "{text}");
    assert!(!text.contains("access-control-allow-origin"), "{text}");
}

#[tokio::test]
async fn a_head_has_one_reading() {
    let upstream = Scripted::start(|mut call| async move {
        call.answer("200 OK", "application/json", &whole("hello"))
            .await;
    })
    .await;
    let forebay = Forebay::start(upstream.behind("")).await;
    let body = chat("twice").to_string();
    let n = body.len();
    let good = format!("{POST} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {n}\r\n\r\n{body}");
    let chunked = format!(
        "{POST} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{n:x}\r\n{body}\r\n0\r\n\r\n"
    );
    let bad = [
        format!("{POST} HTTP/1.1\r\ncontent-length: {n}\r\n\r\n{body}"),
        format!(
            "{POST} HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\ncontent-length: {n}\r\n\r\n{body}"
        ),
        format!("{POST} HTTP/1.1\r\nhost: a b\r\ncontent-length: {n}\r\n\r\n{body}"),
        format!("{POST} HTTP/1.1\r\nhost: localhost@evil\r\ncontent-length: {n}\r\n\r\n{body}"),
        format!("{POST} HTTP/1.1\r\nhost:\r\ncontent-length: {n}\r\n\r\n{body}"),
        format!("{POST} HTTP/1.1\r\nhost: localhost:port\r\ncontent-length: {n}\r\n\r\n{body}"),
        format!(
            "POST http://evil.example/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {n}\r\n\r\n{body}"
        ),
        format!("{POST} HTTP/1.1\nhost: localhost\r\ncontent-length: {n}\r\n\r\n{body}"),
        format!("{POST} HTTP/1.1\r\nhost: localhost\ncontent-length: {n}\r\n\r\n{body}"),
        format!("{POST} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {n}\n\n{body}"),
        format!("{POST} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {n}\r\n\n{body}"),
        format!("{POST} HTTP/1.1\r\nhost: localhost\rx: y\r\ncontent-length: {n}\r\n\r\n{body}"),
        chunked.replace("encoding: chunked", "encoding: chunked, chunked"),
        chunked.replace(
            "encoding: chunked",
            "encoding: chunked\r\ntransfer-encoding: chunked",
        ),
        chunked.replace("encoding: chunked", "encoding: gzip, chunked"),
        chunked.replace(
            "encoding: chunked",
            &format!("encoding: chunked\r\ncontent-length: {n}"),
        ),
        chunked.replace(
            "host: localhost",
            &format!("host: localhost\r\nContent-Length: {n}"),
        ),
    ];
    // Alone, and behind a good one, where nobody reads the head but the HTTP library.
    for bad in &bad {
        for (before, answered) in [(String::new(), 0), (good.clone(), 1), (chunked.clone(), 1)] {
            let mut raw = forebay.raw().await;
            raw.send(format!("{before}{bad}")).await;
            for _ in 0..answered {
                assert_eq!(raw.reply().await.status, 200, "{before}");
            }
            let reply = raw.reply().await;
            assert_eq!(reply.status, 400, "{bad}\n{}", reply.head);
        }
    }
    let mut raw = forebay.raw().await;
    raw.send(format!("{good}{chunked}{good}")).await;
    for n in 0..3 {
        assert_eq!(raw.reply().await.status, 200, "good request {n}");
    }
}

/// A model's name that walks through a path, on its way to providers whose paths name the model.
#[tokio::test]
async fn dots_in_a_models_name_never_reach_a_path() {
    let upstream = Scripted::start(|mut call| async move {
        call.answer("200 OK", "application/json", "{}").await;
    })
    .await;
    let mut config = Config::new("");
    for (name, provider) in [("a", "gemini"), ("b", "azure"), ("c", "bedrock")] {
        let more = format!(
            "provider = \"{provider}\"\nregion = \"us-east-1\"\nkey = \"env:CLOUD\"\n[upstreams.options]\n{}",
            if provider == "azure" {
                "api = \"deployments\"\n"
            } else {
                ""
            }
        );
        config = config.upstream(name, &upstream.url(), &more);
    }
    let forebay = Forebay::start_unready(config.env("CLOUD", "k")).await;
    for model in ["..", ".", "../x", "x/..", "a/../../b", "..\\x", "a/./b"] {
        let encoded: String = model.bytes().map(|b| format!("%{b:02x}")).collect();
        let gemini = r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
        let converse = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
        let mut body = chat("hi");
        body["model"] = model.into();
        for (path, body) in [
            (
                format!("/v1beta/models/{encoded}:generateContent"),
                gemini.to_owned(),
            ),
            (format!("/model/{encoded}/converse"), converse.to_owned()),
            ("/v1/chat/completions".to_owned(), body.to_string()),
        ] {
            let reply = forebay.client.post_bytes(&path, body).await;
            assert!(
                (400..500).contains(&reply.status),
                "{path} {model}: {} {}",
                reply.status,
                reply.text()
            );
        }
    }
    assert_eq!(upstream.calls(), 0, "{:?}", upstream.received());
}

/// A connection that asks for nothing, whichever protocol keeps it busy.
#[tokio::test]
async fn connections_that_only_ping_end() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("[server]\nidle = \"300ms\"\n")).await;
    let mut h2 = forebay.raw().await;
    h2.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        .await;
    let mut admin = Raw::connect(forebay.admin).await;
    admin
        .send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n")
        .await;
    let mut silent = Raw::connect(forebay.admin).await;
    h2.pings_until_closed().await;
    silent.closed().await;
    // Its head never ends: that has a limit of its own.
    drop(admin);
}
