//! Class: what a client reads of an upstream whose endpoint passes through. Rules for the output find a
//! word wherever an answer, an error or a head holds it, not in its texts alone.

use std::sync::{Arc, Mutex};

use forebay_tests::upstream::response;
use forebay_tests::{Forebay, Scripted};
use serde_json::{Value, json};

use crate::outputs::{ADDRESS, RULES, WORD};

/// The gateway with these rules before an upstream that says what it is told to.
async fn stage(rules: &str) -> (Forebay, Scripted, Arc<Mutex<String>>) {
    let says: Arc<Mutex<String>> = Arc::default();
    let script = Arc::clone(&says);
    let upstream = Scripted::start(move |mut call| {
        let says = script.lock().unwrap().clone();
        async move { call.send(says.into_bytes()).await }
    })
    .await;
    // An answer that is refused is not asked for again.
    let rules = format!("{rules}\n[retries]\nattempts = 1\n");
    (
        Forebay::start(upstream.behind(&rules)).await,
        upstream,
        says,
    )
}

fn asked() -> [(&'static str, Value); 2] {
    let rerank = json!({"model": "m", "query": "which", "documents": ["a", "b"]});
    let moderations = json!({"model": "m", "input": "a"});
    [("/v1/rerank", rerank), ("/v1/moderations", moderations)]
}

#[tokio::test]
async fn no_string_of_an_answer_passes_unjudged() {
    let (forebay, _upstream, says) = stage(RULES).await;
    let places = [
        r#"{"id":"W","results":[{"index":0}]}"#,
        r#"{"model":"W","results":[{"index":0}]}"#,
        r#"{"object":"W","data":[{"object":"W"}]}"#,
        r#"{"W":1}"#,
        r#"{"results":[{"W":1,"x W":2}]}"#,
        r#"{"results":[{"document":{"text":"W","W":"x"}}]}"#,
        r#"{"usage":{"type":"W"},"meta":{"api_version":{"version":"W"}}}"#,
        r#"[{"W":{}}]"#,
    ];
    for secret in [ADDRESS, WORD] {
        for place in places {
            let body = place.replace('W', secret);
            *says.lock().unwrap() = response("200 OK", "application/json", &body);
            for (path, request) in asked() {
                let reply = forebay.client.post(path, &request).await;
                let read = reply.text();
                assert!(!read.contains(secret), "{path} {body}: {read}");
                assert_eq!(reply.status == 200, secret == ADDRESS, "{path} {read}");
                assert!(!reply.json().is_null());
            }
        }
    }
}

#[tokio::test]
async fn neither_does_an_error_nor_a_head() {
    let (forebay, _upstream, says) = stage(RULES).await;
    for secret in [ADDRESS, WORD] {
        let error = r#"{"error":{"message":"no W here","type":"W","code":"W","param":"W"}}"#;
        let error = error.replace('W', secret);
        for status in ["400 Bad Request", "429 Too Many Requests"] {
            *says.lock().unwrap() = response(status, "application/json", &error);
            for (path, request) in asked() {
                let reply = forebay.client.post(path, &request).await;
                let read = reply.text();
                assert!(!read.contains(secret), "{path} {status}: {read}");
                assert!(reply.status >= 400, "{path} {status}: {read}");
            }
            let reply = forebay.client.get("/v1/files").await;
            assert!(!reply.text().contains(secret), "{}", reply.text());
        }
        *says.lock().unwrap() = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json; x={secret}\r\nx-request-id: {secret}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        for (path, request) in asked() {
            let reply = forebay.client.post(path, &request).await;
            for (name, value) in &reply.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                assert!(!value.contains(secret), "{path} {name}: {value}");
            }
        }
    }
}

#[tokio::test]
async fn what_an_upstream_says_of_a_file_is_judged() {
    let (forebay, _upstream, says) = stage(RULES).await;
    let form = "--edge\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n{\"custom_id\":\"1\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}}\r\n--edge--\r\n";
    let media = "multipart/form-data; boundary=edge";
    let client = forebay.client.with_header("content-type", media);
    for secret in [ADDRESS, WORD] {
        for body in [
            r#"{"id":"file-1","object":"file","filename":"W"}"#,
            r#"{"id":"file-1","object":"file","W":1,"status_details":"W"}"#,
        ] {
            let body = body.replace('W', secret);
            *says.lock().unwrap() = response("200 OK", "application/json", &body);
            let reply = client.post_bytes("/v1/files", form.to_owned()).await;
            let read = reply.text();
            assert!(!read.contains(secret), "{body}: {read}");
            assert_eq!(reply.status == 200, secret == ADDRESS, "{read}");
        }
    }
}

#[tokio::test]
async fn what_no_rule_finds_stays_byte_for_byte() {
    let odd =
        r#"{ "id":"c\u0031", "results" : [{"index":0,"relevance_score":0.50,"odd":"h\u0065"}]}"#;
    for rules in ["", RULES] {
        let (forebay, _upstream, says) = stage(rules).await;
        *says.lock().unwrap() = response("200 OK", "application/json", odd);
        for (path, request) in asked() {
            assert_eq!(forebay.client.post(path, &request).await.text(), odd);
        }
    }
}

/// Rules that only count turn nothing away, and change nothing.
#[tokio::test]
async fn rules_in_shadow_mode_leave_every_answer_as_it_is() {
    let shadow = RULES.replace("apply", "shadow = true\napply");
    let png = "\u{1}PNG pomegranate";
    let answer = json!({
        "id": WORD, "object": "chat.completion", "created": 1, "model": "m", "odd": WORD,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": WORD},
            "logprobs": {"content": [{"token": WORD, "logprob": -0.5, "bytes": null, "top_logprobs": []}]}}],
    })
    .to_string();
    let image = json!({"model": "m", "prompt": "a tree"});
    let speech = json!({"model": "m", "input": "a tree", "voice": "v"});
    let (forebay, _upstream, says) = stage(&shadow).await;
    for (path, request) in [
        ("/v1/images/generations", &image),
        ("/v1/audio/speech", &speech),
    ] {
        *says.lock().unwrap() = response("200 OK", "image/png", png);
        let reply = forebay.client.post(path, request).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, png), "{path}");
    }
    *says.lock().unwrap() = response("200 OK", "application/json", &answer);
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let reply = forebay.client.post("/v1/chat/completions", &chat).await;
    assert_eq!(
        reply.json(),
        serde_json::from_str::<Value>(&answer).unwrap()
    );
    let (forebay, upstream, _) = stage(RULES).await;
    for (path, request) in [
        ("/v1/images/generations", &image),
        ("/v1/audio/speech", &speech),
    ] {
        assert_eq!(
            forebay.client.post(path, request).await.status,
            400,
            "{path}"
        );
    }
    assert_eq!(upstream.calls(), 0);
}
