//! Endpoints that pass through as they are: who gets what, what the guardrails see, who pays.

use forebay_tests::client::Reply;
use forebay_tests::upstream::response;
use forebay_tests::{Config, Forebay, Key, Scripted};
use serde_json::{Value, json};

/// An upstream that answers every request with this JSON.
async fn saying(body: Value) -> Scripted {
    Scripted::saying(response("200 OK", "application/json", &body.to_string())).await
}

/// An upstream that ranks the documents backwards and gives each back.
async fn ranker() -> Scripted {
    Scripted::start(|mut call| async move {
        let body = call.request.json();
        let documents = body["documents"].as_array().cloned().unwrap_or_default();
        let results: Vec<Value> = (0..documents.len())
            .rev()
            .map(|at| json!({"index": at, "relevance_score": 0.5, "document": {"text": documents[at]}}))
            .collect();
        let body = json!({"id": "r", "results": results, "usage": {"total_tokens": 42}});
        call.answer("200 OK", "application/json", &body.to_string())
            .await;
    })
    .await
}

fn rule(text: &str) -> String {
    format!("[log]\naccess = true\n\n[[policies.guardrails.config.rules]]\n{text}\n")
}

const MASK: &str = "name = \"pii\"\nkind = \"pii\"\naction = \"mask\"\napply = [\"input\"]";
const DENY: &str =
    "name = \"no\"\nkind = \"dictionary\"\nterms = [\"forbidden\"]\naction = \"deny\"";

fn reranked(documents: &[&str]) -> Value {
    json!({"model": "m", "query": "which", "documents": documents, "top_n": 2})
}

/// A form with a file, as clients send it.
fn form(fields: &[(&str, &str)]) -> (String, String) {
    let mut out = String::new();
    for (name, value) in fields {
        out += &format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    out += "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\u{0}sound\r\n--edge--\r\n";
    ("multipart/form-data; boundary=edge".to_owned(), out)
}

async fn post_form(forebay: &Forebay, path: &str, fields: &[(&str, &str)]) -> Reply {
    let (media, body) = form(fields);
    let client = forebay.client.with_header("content-type", &media);
    client.post_bytes(path, body).await
}

#[tokio::test]
async fn a_request_passes_as_it_is_with_the_upstreams_own_key_and_model() {
    let upstream = ranker().await;
    let config = Config::new("[log]\naccess = true\n")
        .upstream(
            "ranker",
            &upstream.url(),
            "key = \"env:RANKER_KEY\"\nmodels = { m = \"ranker-large\" }",
        )
        .env("RANKER_KEY", "sk-upstreams-own");
    let forebay = Forebay::start(config).await;
    for (path, goes_to) in [
        ("/v1/rerank", "/v1/rerank"),
        ("/rerank", "/v1/rerank"),
        ("/v2/rerank", "/v2/rerank"),
    ] {
        let body = r#"{ "model":"m","query":"which","documents":["a","b"],"top_n":1.0,"mine":7 }"#;
        let reply = forebay.client.post_bytes(path, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["results"][0]["index"], 1);
        assert_eq!(reply.header("x-forebay-upstream"), "ranker");
        let received = upstream.received();
        let last = received.last().unwrap();
        assert!(
            last.head.starts_with(&format!("post {goes_to} ")),
            "{}",
            last.head
        );
        assert_eq!(
            last.header("authorization"),
            Some("bearer sk-upstreams-own")
        );
        let sent = String::from_utf8_lossy(&last.body).into_owned();
        assert_eq!(sent, body.replace("\"m\"", "\"ranker-large\""));
    }
    let metrics = forebay.metrics().await;
    assert_eq!(
        metrics.sum("forebay_requests_total{operation=\"rerank\",status=\"2xx\"}"),
        3.0
    );
    forebay.logs("input_tokens=42").await;
}

#[tokio::test]
async fn what_is_masked_in_a_request_is_put_back_in_its_answer() {
    let upstream = ranker().await;
    let forebay = Forebay::start(upstream.behind(&rule(MASK))).await;
    let documents = ["write to ann@example.org", "or to bob@example.net"];
    let reply = forebay
        .client
        .post("/v1/rerank", &reranked(&documents))
        .await;
    let answer = reply.json();
    assert_eq!(answer["results"][0]["document"]["text"], documents[1]);
    assert_eq!(answer["results"][1]["document"]["text"], documents[0]);
    let sent = String::from_utf8_lossy(&upstream.received()[0].body).into_owned();
    assert!(
        !sent.contains("example.") && sent.contains("[EMAIL_1_"),
        "{sent}"
    );
    forebay.has_not_logged(&["example.org", "example.net"]);
}

#[tokio::test]
async fn a_denied_text_goes_nowhere_and_none_comes_back() {
    let upstream = ranker().await;
    let forebay = Forebay::start(upstream.behind(&rule(DENY))).await;
    for (path, body) in [
        ("/v1/rerank", reranked(&["a", "forbidden"])),
        (
            "/v1/rerank",
            json!({"model": "m", "query": "forbidden", "documents": []}),
        ),
        ("/v1/moderations", json!({"input": ["x", "forbidden"]})),
        (
            "/v1/moderations",
            json!({"input": [{"type": "text", "text": "forbidden"}]}),
        ),
        (
            "/v1/score",
            json!({"model": "m", "text_1": "a", "text_2": ["forbidden"]}),
        ),
        ("/tokenize", json!({"model": "m", "prompt": "forbidden"})),
        ("/classify", json!({"model": "m", "input": ["forbidden"]})),
        // What no rule can read would go around all of them.
        (
            "/v1/rerank",
            json!({"model": "m", "query": "q", "documents": [[1, 2]]}),
        ),
        (
            "/v1/rerank",
            json!({"model": "m", "query": "q", "documents": [], "more": "text"}),
        ),
        (
            "/v1/moderations",
            json!({"input": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}),
        ),
        ("/detokenize", json!({"model": "m", "tokens": [1, 2]})),
        ("/pooling", json!({"model": "m", "input": [1, 2]})),
        // Nor can a rule read pictures and sound in answers.
        (
            "/v1/images/generations",
            json!({"model": "m", "prompt": "a cat"}),
        ),
        (
            "/v1/audio/speech",
            json!({"model": "m", "input": "hello", "voice": "alloy"}),
        ),
    ] {
        let reply = forebay.client.post(path, &body).await;
        assert_eq!(reply.status, 400, "{path} {body}: {}", reply.text());
        assert_eq!(reply.json()["error"]["type"], "content_policy_violation");
    }
    assert_eq!(upstream.calls(), 0);
    let leaking = saying(json!({"results": [{"document": {"text": "so forbidden"}}]})).await;
    let forebay = Forebay::start(leaking.behind(&rule(DENY))).await;
    let reply = forebay.client.post("/v1/rerank", &reranked(&["a"])).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(!reply.text().contains("so forbidden"));
}

#[tokio::test]
async fn sound_and_pictures_pass_where_the_operator_turned_the_guard_off() {
    let upstream = Scripted::saying(response("200 OK", "audio/mpeg", "ID3 sound")).await;
    let off = "[[through]]\nendpoint = \"audio.speech\"\nguard = \"off\"\n\n[[through]]\nendpoint = \"audio.transcriptions\"\nguard = \"off\"\n";
    let forebay = Forebay::start(upstream.behind(&format!("{}\n{off}", rule(DENY)))).await;
    let speech = json!({"model": "m", "input": "hello", "voice": "alloy"});
    let reply = forebay.client.post("/v1/audio/speech", &speech).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "ID3 sound"));
    assert_eq!(reply.header("content-type"), "audio/mpeg");
    let fields = [("model", "m")];
    let reply = post_form(&forebay, "/v1/audio/transcriptions", &fields).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = post_form(&forebay, "/v1/audio/translations", &fields).await;
    assert_eq!(reply.json()["error"]["code"], "unreadable");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_form_goes_as_it_came_but_for_the_models_name() {
    let upstream = saying(json!({"text": "hello", "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 3}})).await;
    let config = Config::new("[log]\naccess = true\n").upstream(
        "one",
        &upstream.url(),
        "models = { m = \"whisper-1\", same = \"same\" }",
    );
    let forebay = Forebay::start(config).await;
    let fields = [("model", "same"), ("prompt", "names")];
    let reply = post_form(&forebay, "/v1/audio/transcriptions", &fields).await;
    assert_eq!(reply.json()["text"], "hello");
    assert_eq!(upstream.received()[0].body, form(&fields).1.as_bytes());
    let fields = [("model", "m"), ("prompt", "names")];
    post_form(&forebay, "/v1/audio/transcriptions", &fields).await;
    let sent = String::from_utf8_lossy(&upstream.received()[1].body).into_owned();
    assert!(
        sent.contains("whisper-1") && sent.contains("RIFF\u{0}sound"),
        "{sent}"
    );
    assert!(
        sent.contains("filename=\"a.wav\"") && sent.contains("audio/wav"),
        "{sent}"
    );
    forebay.logs("output_tokens=3").await;

    let twice = [("model", "same"), ("model", "m")];
    let reply = post_form(&forebay, "/v1/audio/transcriptions", &twice).await;
    reply.is_error(400, "invalid_form");
    let bad = forebay
        .client
        .post("/v1/audio/transcriptions", &json!({"model": "m"}))
        .await;
    bad.is_error(415, "unsupported_media_type");
    let (media, body) = form(&[("model", "m")]);
    let client = forebay.client.with_header("content-type", &media);
    let cut = body[..body.len() - 12].to_owned();
    let reply = client.post_bytes("/v1/images/edits", cut).await;
    reply.is_error(400, "invalid_form");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn an_endpoint_that_no_upstream_has_is_told_so() {
    let upstream = ranker().await;
    let config = Config::new("")
        .upstream("claude", &upstream.url(), "provider = \"anthropic\"")
        .upstream("openai", &upstream.url(), "provider = \"openai\"")
        .upstream(
            "named",
            &upstream.url(),
            "provider = \"ollama\"\npasses = [\"tokenize\"]\nmodels = { small = \"small\" }",
        );
    let forebay = Forebay::start(config).await;
    let reply = forebay.client.post("/v1/rerank", &reranked(&["a"])).await;
    let message = reply.is_error(404, "endpoint_not_available");
    assert!(message.contains("rerank"), "{message}");
    let reply = forebay
        .client
        .post("/v1/moderations", &json!({"input": "x"}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-forebay-upstream"), "openai");
    let tokens = |model: &str| json!({"model": model, "prompt": "x"});
    let reply = forebay.client.post("/tokenize", &tokens("small")).await;
    assert_eq!(reply.header("x-forebay-upstream"), "named");
    let reply = forebay.client.post("/tokenize", &tokens("large")).await;
    reply.is_error(404, "model_not_found");
}

#[tokio::test]
async fn another_upstream_answers_before_the_first_byte() {
    let broken = Scripted::saying(response("500 Oops", "application/json", "{}")).await;
    let works = ranker().await;
    let config = Config::new("")
        .upstream("broken", &broken.url(), "")
        .upstream("works", &works.url(), "expected_ttft = \"10s\"");
    let forebay = Forebay::start(config).await;
    for _ in 0..4 {
        let reply = forebay.client.post("/v1/rerank", &reranked(&["a"])).await;
        assert_eq!(
            reply.header("x-forebay-upstream"),
            "works",
            "{}",
            reply.text()
        );
    }
    assert!(broken.calls() > 0);
    let refusing = Scripted::saying(response(
        "400 Bad Request",
        "application/json",
        "{\"error\":{\"message\":\"documents is empty\",\"type\":\"invalid_request_error\",\"code\":\"empty\"}}",
    ))
    .await;
    let forebay = Forebay::start(refusing.behind("")).await;
    let reply = forebay.client.post("/v1/rerank", &reranked(&[])).await;
    assert_eq!(reply.is_error(400, "empty"), "documents is empty");
}

#[tokio::test]
async fn keys_models_limits_and_residency_hold() {
    let upstream = ranker().await;
    let bound = Key::of("acme").with("models = [\"m\"]");
    let poor = Key::of("poor").with("requests_per_minute = 1");
    let european = Key::of("euro");
    let config = Config::new("")
        .keys(&[&bound, &poor, &european])
        .table("[[tenants]]\nname = \"euro\"\nresidency = [\"EU\"]")
        .upstream("us", &upstream.url(), "jurisdiction = \"US\"");
    let forebay = Forebay::start(config).await;
    let ask = |key: &Key, body: Value| {
        let client = forebay.client_of(key);
        async move { client.post("/v1/rerank", &body).await }
    };
    let nobody = forebay.client.post("/v1/rerank", &reranked(&["a"])).await;
    nobody.is_error(401, "missing_api_key");
    assert_eq!(ask(&bound, reranked(&["a"])).await.status, 200);
    let other = json!({"model": "other", "query": "q", "documents": []});
    ask(&bound, other).await.is_error(403, "model_not_allowed");
    let unnamed = json!({"query": "q", "documents": []});
    ask(&bound, unnamed)
        .await
        .is_error(403, "model_not_allowed");
    assert_eq!(ask(&poor, reranked(&["a"])).await.status, 200);
    ask(&poor, reranked(&["a"]))
        .await
        .is_error(429, "rate_limit_exceeded");
    ask(&european, reranked(&["a"]))
        .await
        .is_error(503, "no_upstream");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn bad_bodies_are_told_in_openais_form() {
    let upstream = ranker().await;
    let config = upstream.behind("[limits]\nmembers = 10\nupload = \"1 KiB\"\n");
    let forebay = Forebay::start(config).await;
    for (body, code) in [
        ("", "invalid_json"),
        ("[]", "invalid_type"),
        ("{\"model\":7}", "invalid_type"),
        ("{\"model\":\"m\",\"model\":\"n\"}", "duplicate_field"),
        ("{\"model\":\"..\"}", "invalid_request"),
    ] {
        let reply = forebay.client.post_bytes("/v1/rerank", body).await;
        reply.is_error(400, code);
    }
    let many: serde_json::Map<String, Value> = (0..11).map(|n| (n.to_string(), json!(n))).collect();
    let reply = forebay
        .client
        .post("/v1/rerank", &Value::Object(many))
        .await;
    reply.is_error(400, "request_too_complex");
    let reply = forebay.client.get("/v1/rerank").await;
    reply.is_error(405, "method_not_allowed");
    let large = "x".repeat(2000);
    let reply = post_form(&forebay, "/v1/audio/transcriptions", &[("prompt", &large)]).await;
    let message = reply.is_error(413, "request_too_large");
    assert!(message.contains("limits.upload"), "{message}");
    assert_eq!(upstream.calls(), 0);
}
