//! Class: a word that goes up beside the body. It stands in a header, in a model's name, or in a form
//! between its fields.

use forebay_tests::upstream::response;
use forebay_tests::{Forebay, Key, Scripted};
use serde_json::json;

use crate::evasions::stage;
use crate::outputs::{ADDRESS, WORD};

fn rules(more: &str) -> String {
    format!(
        "{more}[[policies.guardrails.config.rules]]\nname = \"w\"\nkind = \"dictionary\"\nterms = [\"{WORD}\"]\naction = \"deny\"\napply = [\"input\"]\n[[policies.guardrails.config.rules]]\nname = \"m\"\nkind = \"pii\"\nentities = [\"EMAIL\"]\naction = \"mask\"\napply = [\"input\"]\n[retries]\nattempts = 1\n"
    )
}

/// Nothing that an upstream got has one of the secrets.
fn is_clean(upstream: &Scripted) {
    for sent in upstream.received() {
        let sent = format!("{} {}", sent.head, String::from_utf8_lossy(&sent.body));
        assert!(!sent.contains(WORD) && !sent.contains(ADDRESS), "{sent}");
    }
}

#[tokio::test]
async fn headers_that_go_up_are_judged() {
    let (forebay, upstream) = stage(&rules("")).await;
    let prompt = json!({"model": "messages", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]});
    let mut invoke = prompt.clone();
    invoke.as_object_mut().unwrap().remove("model");
    invoke["anthropic_version"] = json!("bedrock-2023-05-31");
    let good = forebay
        .client
        .with_header(
            "anthropic-beta",
            "files-api-2025-04-14, context-1m-2025-08-07",
        )
        .with_header("openai-beta", "assistants=v2")
        .with_header("anthropic-version", "2023-06-01");
    good.post("/v1/messages", &prompt).await;
    let chat = json!({"model": "chat", "messages": [{"role": "user", "content": "hello"}]});
    good.post("/v1/chat/completions", &chat).await;
    assert_eq!(upstream.calls(), 2, "ordinary headers go up");
    for secret in [WORD, ADDRESS] {
        for (name, path, body) in [
            ("anthropic-beta", "/v1/messages", &prompt),
            ("anthropic-version", "/v1/messages", &prompt),
            ("openai-beta", "/v1/chat/completions", &chat),
        ] {
            let client = forebay.client.with_header(name, secret);
            let reply = client.post(path, body).await;
            assert_eq!(reply.status, 400, "{name}: {secret}: {}", reply.text());
            assert!(reply.text().contains(name), "{}", reply.text());
        }
        for member in ["anthropic_beta", "anthropic_version"] {
            let mut body = invoke.clone();
            body[member] = match member {
                "anthropic_beta" => json!(["files-api-2025-04-14", secret]),
                _ => json!(secret),
            };
            forebay.client.post("/model/messages/invoke", &body).await;
        }
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let client = forebay.client.with_header("traceparent", trace);
        let client = client.with_header("tracestate", &format!("a={secret}=b"));
        client.post("/v1/messages", &prompt).await;
    }
    is_clean(&upstream);
    forebay.has_not_logged(&[WORD, ADDRESS]);
}

/// Any model's name goes up here, in paths too.
#[tokio::test]
async fn names_of_models_are_judged() {
    let answer = response("200 OK", "application/json", "{}");
    let upstream = Scripted::saying(answer).await;
    let forebay = Forebay::start(upstream.behind(&rules(""))).await;
    for secret in [WORD, ADDRESS] {
        for (path, body) in [
            (
                "/v1/chat/completions",
                json!({"model": secret, "messages": [{"role": "user", "content": "hello"}]}),
            ),
            (
                "/v1/rerank",
                json!({"model": secret, "query": "q", "documents": ["a"]}),
            ),
        ] {
            let reply = forebay.client.post(path, &body).await;
            assert_eq!(reply.status, 400, "{path}: {}", reply.text());
        }
        for path in [
            format!("/openai/deployments/{secret}/chat/completions"),
            format!("/openai/deployments/{secret}/audio/speech"),
            format!("/v1beta/models/{secret}:generateContent"),
            format!("/model/{secret}/converse"),
        ] {
            let body = json!({"messages": [{"role": "user", "content": [{"text": "hello"}]}],
                "contents": [{"parts": [{"text": "hello"}]}], "input": "a", "voice": "v"});
            forebay.client.post(&path, &body).await;
        }
    }
    is_clean(&upstream);
}

/// Fields, their names, names of files, heads of parts, and what stands around the parts.
#[tokio::test]
async fn all_of_a_form_but_its_files_is_judged() {
    let answer = response("200 OK", "application/json", "{\"text\":\"hi\"}");
    let upstream = Scripted::saying(answer).await;
    let pass = "[policies.guardrails.config]\nunreadable = \"pass\"\n";
    let forebay = Forebay::start(upstream.behind(&rules(pass))).await;
    let file = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n";
    let model = "--edge\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n";
    let form = |head: &str, text: &str| {
        format!("{file}{model}--edge\r\n{head}\r\n\r\n{text}\r\n--edge--\r\n")
    };
    let named = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let media = "multipart/form-data; boundary=edge";
    let send = async |media: &str, body: String| {
        let client = forebay.client.with_header("content-type", media);
        client.post_bytes("/v1/audio/transcriptions", body).await
    };
    let good = form(&named("language"), "en");
    let reply = send(media, good.clone()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.received();
    assert!(String::from_utf8_lossy(&sent[0].body).contains("RIFF"));
    for secret in [WORD, ADDRESS] {
        let bodies = [
            form(&named("language"), secret),
            form(&named(secret), "x"),
            form(&named("more"), secret),
            form(&format!("{}; filename=\"{secret}\"", named("more")), "x"),
            form(
                &format!("{}; filename*=UTF-8''{secret}", named("more")),
                "x",
            ),
            form(&format!("{}; note=\"{secret}\"", named("language")), "en"),
            form(&format!("{}\r\nX-Note: {secret}", named("language")), "en"),
            form(
                &format!(
                    "{}\r\nContent-Type: text/plain; a={secret}",
                    named("language")
                ),
                "en",
            ),
            format!("{secret}\r\n{good}"),
            format!("{good}{secret}"),
            format!("{good}{secret}\r\n--edge--\r\n"),
        ];
        for body in bodies {
            let reply = send(media, body.clone()).await;
            assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        }
        let reply = send(&format!("{media}; note=\"{secret}\""), good.clone()).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let edge = secret.replace('@', "_at_");
        let other = good.replace("edge", &edge);
        send(&format!("multipart/form-data; boundary={edge}"), other).await;
    }
    is_clean(&upstream);
    forebay.has_not_logged(&[WORD, ADDRESS]);
}

/// Readers of forms differ in what a part is called whose head names it twice: the key's list of models
/// holds for all of them.
#[tokio::test]
async fn a_part_of_a_form_has_one_name() {
    let answer = response("200 OK", "application/json", "{\"text\":\"hi\"}");
    let upstream = Scripted::saying(answer).await;
    let key = Key::of("acme").with("models = [\"m\"]");
    let forebay = Forebay::start(upstream.behind("").keys(&[&key])).await;
    let client = forebay.client_of(&key);
    let client = client.with_header("content-type", "multipart/form-data; boundary=edge");
    let part = |named: &str, text: &str| {
        format!("--edge\r\nContent-Disposition: form-data; {named}\r\n\r\n{text}\r\n")
    };
    let form = |named: &str| {
        let file = part("name=\"file\"; filename=\"a.wav\"", "RIFF");
        file + &part("name=\"model\"", "m") + &part(named, "other") + "--edge--\r\n"
    };
    let path = "/v1/audio/transcriptions";
    for named in [
        "name=\"x\"; name=\"model\"",
        "name=\"x\"; NAME=model",
        "name=\"x\"; name*=UTF-8''model",
        "name*0=\"mo\"; name*1=\"del\"; name=\"x\"",
        "name=\"mod\\el\"",
        "name=\"x\"\r\nContent-Disposition: form-data; name=\"model\"",
    ] {
        let reply = client.post_bytes(path, form(named)).await;
        assert_eq!(reply.status, 400, "{named}: {}", reply.text());
    }
    assert_eq!(upstream.calls(), 0);
    let reply = client.post_bytes(path, form("name=\"language\"")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
