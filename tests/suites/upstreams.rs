//! Upstreams that fail in every way: the client reads why, nothing half is kept, neighbours are served.

use forebay_tests::prompts::{chat, chunk, done, faulty, finish, streamed, whole, with};
use forebay_tests::upstream::{response, stream_of};
use forebay_tests::{Config, Engine, Forebay, Scripted, refused};
use serde_json::json;

pub(crate) const IMPATIENT: &str = "[timeouts]\nfirst_byte = \"500ms\"\nidle = \"500ms\"\nconnect = \"500ms\"\n\n[retries]\neject_after = 1000\n";

/// As [`IMPATIENT`], and nothing is tried twice. What is not streamed is bounded by the total alone.
const ONCE: &str = "[timeouts]\nfirst_byte = \"500ms\"\nidle = \"500ms\"\nconnect = \"500ms\"\ntotal = \"1500ms\"\n\n[retries]\nattempts = 1\neject_after = 1000\n";

const SIM_ONLY: &str = "models = { forebay-sim = \"forebay-sim\" }";

/// A model of its own for each upstream, so that one gateway serves them all.
pub(crate) fn serving(model: &str) -> String {
    format!("models = {{ \"{model}\" = \"m\" }}")
}

#[tokio::test]
async fn before_the_first_byte_each_failure_has_its_own_error() {
    let (nobody, _bound) = refused();
    let resetting = Scripted::start(|call| async move { call.reset() }).await;
    let closing = Scripted::start(|call| async move { drop(call) }).await;
    let silent = Scripted::start(|call| async move { call.until_gone().await }).await;
    let head_only = Scripted::start(|mut call| async move {
        call.send(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n",
        )
        .await;
        call.until_gone().await;
    })
    .await;
    let garbage = Scripted::saying("SSH-2.0-OpenSSH_9.6\r\n").await;
    let truncated = Scripted::saying("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"choices\":[{").await;
    let page = Scripted::saying(response(
        "502 Bad Gateway",
        "text/html",
        "<html><h1>502</h1></html>",
    ))
    .await;
    let nonsense =
        Scripted::saying(response("200 OK", "application/json", "certainly not JSON")).await;
    let locked = Scripted::saying(response(
        "401 Unauthorized",
        "application/json",
        "{\"error\":{\"message\":\"bad key sk-secret\",\"type\":\"x\"}}",
    ))
    .await;
    let elsewhere = Scripted::saying(whole("from elsewhere")).await;
    let moved = Scripted::saying(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}/v1/chat/completions\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        elsewhere.url()
    ))
    .await;

    let rows: [(&str, String, u16, &str); 11] = [
        ("refusing", nobody, 502, "upstream_unreachable"),
        ("resetting", resetting.url(), 502, "upstream_reset"),
        ("closing", closing.url(), 502, "upstream_reset"),
        ("silent", silent.url(), 504, "upstream_timeout"),
        ("head-only", head_only.url(), 504, "upstream_timeout"),
        ("garbage", garbage.url(), 502, "upstream_invalid_response"),
        ("truncated", truncated.url(), 502, "upstream_reset"),
        ("page", page.url(), 502, "upstream_error"),
        ("nonsense", nonsense.url(), 502, "upstream_invalid_response"),
        ("locked", locked.url(), 502, "upstream_auth_failed"),
        ("moved", moved.url(), 502, "upstream_error"),
    ];
    let engine = Engine::instant().await;
    let mut config = Config::new(ONCE).upstream("sim", &engine.url(), SIM_ONLY);
    for (name, url, ..) in &rows {
        config = config.upstream(name, url, &serving(name));
    }
    let forebay = Forebay::start(config).await;

    for (name, _, status, code) in &rows {
        for body in [chat("hello"), streamed("hello")] {
            let request = with(body, json!({"model": name}));
            let reply = forebay.client.chat(&request).await;
            // A page or a refusal has no code of OpenAI's; what we say instead is ours.
            let message = reply.is_error(*status, code);
            assert!(
                message.contains(name),
                "{name}: the sentence names the upstream: {message}"
            );
            assert!(
                !message.contains("127.0.0.1") && !message.contains("sk-secret"),
                "{name}: {message}"
            );
        }
        let neighbour = forebay.client.chat(&chat(&format!("beside {name}"))).await;
        assert_eq!(neighbour.status, 200, "{name} disturbed its neighbour");
    }
    // Nothing of this was kept: each request reached its upstream again.
    for upstream in [&resetting, &silent, &truncated, &nonsense, &page, &locked] {
        assert_eq!(upstream.calls(), 2);
    }
    assert_eq!(elsewhere.calls(), 0, "a redirect is not followed");
    silent.cancelled(2).await;
    let metrics = forebay.metrics().await;
    assert_eq!(
        metrics.sum("forebay_errors_total{kind=\"upstream_timeout\"}"),
        4.0
    );
    assert_eq!(
        metrics.sum("forebay_store_entries"),
        rows.len() as f64,
        "only the neighbours are stored"
    );
}

#[tokio::test]
async fn once_a_stream_has_begun_it_ends_with_the_error_and_nothing_is_kept() {
    let begun = || stream_of(&[chunk("one "), chunk("two ")]);
    let hanging = Scripted::start(move |mut call| async move {
        call.send(begun()).await;
        call.until_gone().await;
    })
    .await;
    let breaking = Scripted::start(move |mut call| async move {
        call.send(begun()).await;
        call.reset();
    })
    .await;
    let unfinished = Scripted::saying(stream_of(&[chunk("one "), chunk("two ")])).await;
    let ended = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let cut_chunk = {
        let events = [chunk("one "), chunk("two ")].concat();
        Scripted::saying(format!("{ended}{:x}\r\n{events}\r\n", events.len())).await
    };
    let garbling = Scripted::saying(stream_of(&[
        chunk("one "),
        chunk("two "),
        "data: {\"choices\": [}\n\n".to_owned(),
        chunk("three"),
        done(),
    ]))
    .await;
    let binary = Scripted::start(move |mut call| async move {
        call.send(begun()).await;
        call.send(b"data: \xff\xfe\x00\n\n").await;
        call.send(done()).await;
    })
    .await;
    let failing = Scripted::saying(stream_of(&[chunk("one "), chunk("two "), "data: {\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"code\":\"oom\"}}\n\n".to_owned()])).await;
    let endless = Scripted::start(move |mut call| async move {
        call.send(begun()).await;
        call.send("data: ").await;
        for _ in 0..3 {
            call.send("x".repeat(1 << 20)).await;
        }
        call.until_gone().await;
    })
    .await;

    let rows = [
        ("hanging", &hanging, "upstream_timeout"),
        ("breaking", &breaking, "upstream_reset"),
        ("unfinished", &unfinished, "upstream_truncated"),
        ("cut-chunk", &cut_chunk, "upstream_reset"),
        ("garbling", &garbling, "upstream_invalid_response"),
        ("binary", &binary, "upstream_invalid_response"),
        ("failing", &failing, "oom"),
        ("endless", &endless, "upstream_invalid_response"),
    ];
    let engine = Engine::instant().await;
    let mut config = Config::new(format!("{IMPATIENT}\n[streams]\nmax_event = 1048576\n"))
        .upstream("sim", &engine.url(), SIM_ONLY);
    for (name, upstream, _) in &rows {
        config = config.upstream(name, &upstream.url(), &serving(name));
    }
    let forebay = Forebay::start(config).await;
    for (name, upstream, code) in &rows {
        let request = with(streamed("hello"), json!({"model": name}));
        for turn in 1..=2 {
            let mut events = forebay.client.stream(&request).await;
            let neighbour = forebay.client.chat(&chat(&format!("beside {name}"))).await;
            assert_eq!(neighbour.status, 200, "{name} disturbed its neighbour");
            let told = events.rest().await;
            assert_eq!(told.error_code(), *code, "{name}");
            assert!(
                !told.done,
                "{name}: a broken stream does not end as if it were whole"
            );
            assert_eq!(
                told.text(),
                "one two ",
                "{name}: what came before is passed on"
            );
            assert_eq!(upstream.calls(), turn, "{name}: nothing half was kept");
        }
    }
    hanging.cancelled(2).await;
    endless.cancelled(2).await;
    assert_eq!(
        forebay.metrics().await.sum("forebay_store_entries"),
        rows.len() as f64
    );

    // Bad before the first event: nothing has gone out, so it is a plain error.
    let mut config = Config::new(ONCE);
    let early = [
        (
            "garbage-first",
            Scripted::saying(stream_of(&["data: {]\n\n".to_owned()])).await,
            "upstream_invalid_response",
        ),
        (
            "nothing",
            Scripted::saying(stream_of(&[])).await,
            "upstream_truncated",
        ),
        (
            "done-only",
            Scripted::saying(stream_of(&[done()])).await,
            "upstream_invalid_response",
        ),
    ];
    for (name, upstream, _) in &early {
        config = config.upstream(name, &upstream.url(), &serving(name));
    }
    let forebay = Forebay::start(config).await;
    for (name, _, code) in &early {
        let request = with(streamed("hello"), json!({"model": name}));
        forebay.client.chat(&request).await.is_error(502, code);
    }
}

#[tokio::test]
async fn an_upstreams_own_refusal_is_passed_on() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("[retries]\nattempts = 1\n")).await;
    let reply = forebay
        .client
        .chat(&with(chat("hello"), json!({"n": 200})))
        .await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(
        reply.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("at most 128"),
        "{}",
        reply.text()
    );

    let page = faulty(chat("hello"), json!({"html": true}));
    let reply = forebay.client.chat(&page).await;
    reply.is_error(502, "upstream_error");
    assert!(!reply.text().contains("<html>"), "a page is not passed on");

    // Last: from now on the upstream rests.
    let limited = faulty(chat("hello"), json!({"status": 429, "retry_after": 7}));
    let reply = forebay.client.chat(&limited).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, "7"),
        "{}",
        reply.text()
    );
    assert!(reply.json()["error"]["message"].is_string());
}

#[tokio::test]
async fn a_slow_drip_is_no_failure_until_the_total_time_is_up() {
    let dripping = Scripted::start(|mut call| async move {
        call.begin_stream().await;
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(30));
        for n in 0..10_000 {
            pace.tick().await;
            call.send(chunk(&format!("{n} "))).await;
            if n == 20 && call.request.json()["model"] == "finite" {
                call.send(finish("stop") + &done()).await;
                return;
            }
        }
    })
    .await;
    let config =
        dripping.behind("[timeouts]\nfirst_byte = \"500ms\"\nidle = \"500ms\"\ntotal = \"2s\"\n");
    let forebay = Forebay::start(config).await;
    let whole = with(streamed("drip"), json!({"model": "finite"}));
    let told = forebay.client.stream(&whole).await.rest().await;
    assert!(
        told.done && told.text().ends_with(" 20 "),
        "{}",
        told.text()
    );
    let told = forebay.client.stream(&streamed("drip")).await.rest().await;
    assert_eq!(
        (told.error_code().as_str(), told.done),
        ("upstream_timeout", false)
    );
    assert!(told.events.len() > 20, "{}", told.events.len());
}
