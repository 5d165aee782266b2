//! Class: a word that rules don't see. It stands in every string, name and new member of a request of every
//! format, as it is and in forms that look like it, and a rule that denies or masks finds it.
//!
//! A run tries the same cases every time and some that are new; it prints the seed of those, which
//! `EVASIONS_SEED=…` tries again. `EVASIONS=all` tries all, which takes minutes.

use std::hash::{BuildHasher as _, RandomState};

use serde_json::{Value, json};

use crate::evasions::stage;
use crate::outputs::{ADDRESS, WORD};

/// How many cases a run tries of those that it always tries, and of others.
const ALWAYS: usize = 100;
const NEW: usize = 50;

/// How many forms of a word there are beside itself.
const FORMS: usize = 8;

fn rules(action: &str) -> String {
    let what = match action {
        "deny" => format!("kind = \"dictionary\"\nterms = [\"{WORD}\"]"),
        _ => "kind = \"pii\"\nentities = [\"EMAIL\"]".to_owned(),
    };
    format!(
        "[[policies.guardrails.config.rules]]\nname = \"r\"\n{what}\naction = \"{action}\"\napply = [\"input\"]\n[retries]\nattempts = 1\n"
    )
}

/// A request with a secret in one place.
struct Case {
    path: &'static str,
    body: Value,
    /// The form of the secret; none where it stands there as it is.
    form: Option<usize>,
}

/// A secret in every place of every request, in every form.
fn cases(secret: &str) -> Vec<Case> {
    let mut out = Vec::new();
    for (path, request) in requests() {
        for form in (0..FORMS).map(Some).chain([None]) {
            let secret = form.map_or(secret.to_owned(), |form| hidden(secret, form));
            let bodies = placed(&request, &secret).into_iter();
            out.extend(bodies.map(|body| Case { path, body, form }));
        }
    }
    out
}

/// The cases of a run.
fn sampled(secret: &str) -> Vec<Case> {
    let mut all = cases(secret);
    if std::env::var_os("EVASIONS").is_some_and(|which| which == "all") {
        return all;
    }
    let seed = std::env::var("EVASIONS_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    eprintln!("EVASIONS_SEED={seed} tries the same cases");
    let mut out = Vec::new();
    for (mut state, count) in [(0, ALWAYS), (seed, NEW)] {
        for _ in 0..count {
            let at = random(&mut state) % all.len() as u64;
            out.push(all.swap_remove(at as usize));
        }
    }
    out
}

/// The next number of a sequence (splitmix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Requests of every endpoint that is judged, with members of all kinds.
fn requests() -> Vec<(&'static str, Value)> {
    let picture = json!({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}});
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "description": "d", "enum": ["e"]}}});
    let chat = json!({
        "model": "chat", "user": "u", "stop": ["s"], "metadata": {"k": "v"},
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "name": "n", "content": [{"type": "text", "text": "hello"}, picture]},
            {"role": "assistant", "content": "ok", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"b\"}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "found"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}}],
        "prediction": {"type": "content", "content": "p"},
    });
    let messages = json!({
        "model": "messages", "max_tokens": 9, "system": [{"type": "text", "text": "be brief"}],
        "metadata": {"user_id": "u"}, "stop_sequences": ["s"],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello"},
                {"type": "document", "title": "t", "context": "c", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "i", "name": "f", "input": {"a": ["b", {"c": "d"}]}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "content": [
                {"type": "text", "text": "found"},
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}]}]},
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": schema}],
    });
    let mut invoke = messages.clone();
    invoke.as_object_mut().unwrap().remove("model");
    invoke["anthropic_version"] = json!("bedrock-2023-05-31");
    let responses = json!({
        "model": "responses", "instructions": "be brief", "metadata": {"k": "v"},
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":\"b\"}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "found"}]},
            {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
        ],
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": schema}],
    });
    let gemini = json!({
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hello"}, {"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/a.png"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": {"b": "c"}}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"a": ["b"]}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d"}]}],
        "generationConfig": {"stopSequences": ["s"]},
    });
    let converse = json!({
        "system": [{"text": "be brief"}],
        "messages": [
            {"role": "user", "content": [{"text": "hello"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "i", "name": "f", "input": {"a": {"b": "c"}}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "i", "content": [{"json": {"a": ["b"]}}, {"text": "x"}]}}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": schema}}}]},
        "requestMetadata": {"k": "v"},
    });
    let cohere = json!({
        "model": "cohere", "messages": [{"role": "user", "content": "hello"}],
        "documents": [{"id": "d", "data": {"title": "t", "text": "x"}}, "plain"],
    });
    let ollama = json!({"model": "chat", "stream": false, "messages": [{"role": "user", "content": "hello"}], "format": {"title": "t"}});
    let generate =
        json!({"model": "chat", "stream": false, "prompt": "hello", "system": "be brief"});
    vec![
        ("/v1/chat/completions", chat),
        (
            "/v1/completions",
            json!({"model": "chat", "prompt": ["a", "b"], "suffix": "c"}),
        ),
        ("/v1/messages", messages),
        ("/model/messages/invoke", invoke),
        ("/v1/responses", responses),
        ("/v1beta/models/gemini:generateContent", gemini),
        ("/model/converse/converse", converse),
        ("/v2/chat", cohere),
        ("/api/chat", ollama),
        ("/api/generate", generate),
        (
            "/v1/embeddings",
            json!({"model": "chat", "input": ["a", "b"]}),
        ),
        ("/api/embed", json!({"model": "chat", "input": ["a", "b"]})),
        (
            "/v1/rerank",
            json!({"model": "chat", "query": "q", "documents": ["a", {"text": "b", "title": "c"}]}),
        ),
        (
            "/v1/moderations",
            json!({"model": "chat", "input": [{"type": "text", "text": "a"}]}),
        ),
        (
            "/v1/images/generations",
            json!({"model": "chat", "prompt": "a", "user": "u"}),
        ),
        (
            "/v1/audio/speech",
            json!({"model": "chat", "input": "a", "instructions": "b", "voice": "v"}),
        ),
        (
            "/v2/rerank",
            json!({"model": "chat", "query": "q", "documents": ["a"]}),
        ),
        (
            "/score",
            json!({"model": "chat", "text_1": "a", "text_2": ["b"]}),
        ),
        (
            "/tokenize",
            json!({"model": "chat", "messages": [{"role": "user", "content": "a"}], "tools": [{"name": "f"}]}),
        ),
        ("/classify", json!({"model": "chat", "input": ["a"]})),
        (
            "/pooling",
            json!({"model": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}),
        ),
        (
            "/v1/vector_stores",
            json!({"name": "n", "description": "d", "metadata": {"k": "v"}}),
        ),
        ("/v1/containers", json!({"name": "n"})),
        (
            "/v1beta/cachedContents",
            json!({
                "model": "models/gemini", "displayName": "n", "ttl": "60s",
                "contents": [{"role": "user", "parts": [{"text": "a"}]}],
                "systemInstruction": {"parts": [{"text": "b"}]},
                "tools": [{"functionDeclarations": [{"name": "f", "description": "d"}]}],
            }),
        ),
        (
            "/v1/messages/count_tokens",
            json!({"model": "messages", "messages": [{"role": "user", "content": "a"}]}),
        ),
        (
            "/v1beta/models/gemini:countTokens",
            json!({"contents": [{"parts": [{"text": "a"}]}]}),
        ),
        (
            "/v1beta/models/chat:embedContent",
            json!({"content": {"parts": [{"text": "a"}]}, "title": "t"}),
        ),
        (
            "/v1beta/models/chat:batchEmbedContents",
            json!({"requests": [{"model": "models/chat", "content": {"parts": [{"text": "a"}]}}]}),
        ),
        (
            "/v2/embed",
            json!({"model": "chat", "texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]}),
        ),
    ]
}

/// The same with a secret in each of its places in turn.
fn placed(request: &Value, secret: &str) -> Vec<Value> {
    let mut places = Vec::new();
    pointers(request, String::new(), &mut places);
    let mut out = Vec::new();
    for (place, is_object) in &places {
        let mut with = |change: &dyn Fn(&mut Value)| {
            let mut copy = request.clone();
            change(copy.pointer_mut(place).unwrap());
            out.push(copy);
        };
        if *is_object {
            with(&|value| value["x_more"] = json!([{"y": secret}]));
            with(&|value| value[secret] = json!(1));
        } else {
            with(&|value| *value = json!(secret));
        }
    }
    out
}

fn pointers(value: &Value, at: String, out: &mut Vec<(String, bool)>) {
    match value {
        Value::String(_) => out.push((at, false)),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                pointers(item, format!("{at}/{i}"), out);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, format!("{at}/{name}"), out);
            }
            out.push((at, true));
        }
        _ => {}
    }
}

/// Forms in which a reader still sees the word.
fn hidden(word: &str, form: usize) -> String {
    let (first, rest) = word.split_at(3);
    let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
    match form % FORMS {
        0 => format!("{first}\u{200b}{rest}"),
        1 => format!("{first}\u{ad}{rest}"),
        2 => word
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    wide(c)
                } else {
                    c
                }
            })
            .collect(),
        3 => word.bytes().map(|b| format!("&#{b};")).collect(),
        4 => word.bytes().map(|b| format!("%{b:02x}")).collect(),
        5 => format!("\u{202d}{first}\u{2060}{rest}\u{202c}"),
        6 => word.bytes().map(|b| format!("\\u{b:04x}")).collect(),
        _ => word.chars().flat_map(|c| [c, '\u{fe0f}']).collect(),
    }
}

#[tokio::test]
async fn every_request_of_these_goes_up_without_a_secret() {
    for action in ["deny", "mask"] {
        let (forebay, upstream) = stage(&rules(action)).await;
        for (path, request) in requests() {
            let before = upstream.calls();
            let reply = forebay.client.post(path, &request).await;
            assert_eq!(upstream.calls(), before + 1, "{path}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn a_rule_that_denies_sees_every_place_in_every_form() {
    let (forebay, upstream) = stage(&rules("deny")).await;
    let words: Vec<String> = (0..FORMS).map(|form| hidden(WORD, form)).collect();
    for Case { path, body, .. } in sampled(WORD) {
        let before = upstream.calls();
        let reply = forebay.client.post(path, &body).await;
        let status = reply.status;
        assert!((400..500).contains(&status), "{path} {body}: {status}");
        // A word that the gateway puts in the place of the client's is none of the client's.
        for sent in upstream.received().get(before..).unwrap_or_default() {
            let sent = format!("{} {}", sent.head, String::from_utf8_lossy(&sent.body));
            let found = words.iter().any(|word| sent.contains(word));
            assert!(!found && !sent.contains(WORD), "{path} {body} sent {sent}");
        }
    }
    forebay.has_not_logged(&[WORD]);
}

#[tokio::test]
async fn a_rule_that_masks_takes_a_value_out_of_every_place_in_every_form() {
    const TAIL: &str = "example.org";
    let (forebay, upstream) = stage(&rules("mask")).await;
    for Case { path, body, form } in sampled(ADDRESS) {
        let before = upstream.calls();
        let reply = forebay.client.post(path, &body).await;
        assert!(reply.status < 500, "{path} {body}: {}", reply.text());
        for sent in upstream.received().get(before..).unwrap_or_default() {
            let sent = format!("{} {}", sent.head, String::from_utf8_lossy(&sent.body));
            let leaks = form.is_some_and(|form| sent.contains(&hidden(TAIL, form)));
            assert!(!leaks && !sent.contains(TAIL), "{path} {body} sent {sent}");
        }
    }
    forebay.has_not_logged(&["bob.smith"]);
}
