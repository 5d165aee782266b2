//! Prompts counted with the model's own tokenizer, once the engine has agreed.

use std::path::{Path, PathBuf};

use forebay_tests::{Config, Forebay, Scripted};
use forebay_tokens::{Model, ModelFiles};
use serde_json::{Value, json};

/// The files of a model, and a request with the count that vLLM 0.32 gave it.
fn recorded() -> (PathBuf, Value, u64) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = root.join("crates/tokens/tests/fixtures/vllm");
    let json = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let asked = json("tokenize-chat.request.json");
    let count = json("tokenize-chat.response.json")["count"]
        .as_u64()
        .unwrap();
    (folder, asked, count)
}

/// An engine that tokenises with these files, and says `more` tokens than there are.
async fn engine(folder: &Path, more: usize) -> Scripted {
    let files = ModelFiles {
        path: folder.to_owned(),
        template: None,
    };
    let model = std::sync::Arc::new(Model::load(&files).unwrap());
    Scripted::start(move |mut call| {
        let model = model.clone();
        async move {
            if !call.request.head.starts_with("post /tokenize ") {
                return call.answer("404 Not Found", "application/json", "{}").await;
            }
            let mut tokens = model.chat_tokens(&call.request.body, 0).unwrap();
            tokens.extend(vec![0; more]);
            let answer = json!({"count": tokens.len(), "max_model_len": 4096, "tokens": tokens});
            call.answer("200 OK", "application/json", &answer.to_string())
                .await;
        }
    })
    .await
}

async fn gateway(engine: &Scripted, path: &Path) -> Forebay {
    let more = format!(
        "provider = \"vllm\"\nspeaks = [\"chat\", \"completions\"]\nhealth_path = \"\"\ntokenizer = {{ dir = {:?} }}",
        path.display().to_string()
    );
    Forebay::start(Config::new("").upstream("engine", &engine.url(), &more)).await
}

/// The recorded conversation as Anthropic's clients ask for its count.
async fn count(forebay: &Forebay, asked: &Value) -> (u64, bool) {
    let said = asked["messages"].as_array().unwrap();
    let (system, turns) = said.split_first().unwrap();
    assert_eq!(system["role"], "system");
    let body = json!({"model": "m", "system": system["content"], "messages": turns});
    let reply = forebay
        .client
        .post("/v1/messages/count_tokens", &body)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let tokens = reply.json()["input_tokens"].as_u64().unwrap();
    (tokens, reply.headers.contains_key("x-forebay-estimate"))
}

async fn checked(forebay: &Forebay, outcome: &str) {
    let series = format!("forebay_tokenizer_checks_total{{outcome=\"{outcome}\"}}");
    forebay.metric_reaches(&series, 1.0).await;
}

#[tokio::test]
async fn a_prompt_has_as_many_tokens_as_the_engine_counts() {
    let (folder, asked, expected) = recorded();
    let engine = engine(&folder, 0).await;
    let forebay = gateway(&engine, &folder).await;
    checked(&forebay, "agrees").await;
    assert_eq!(count(&forebay, &asked).await, (expected, false));
}

#[tokio::test]
async fn a_tokenizer_that_is_not_the_engines_is_not_used() {
    let (folder, asked, _) = recorded();
    let engine = engine(&folder, 1).await;
    let forebay = gateway(&engine, &folder).await;
    checked(&forebay, "differs").await;
    assert!(count(&forebay, &asked).await.1);
}

#[tokio::test]
async fn files_that_are_no_tokenizer_leave_the_gateway_serving() {
    let (folder, asked, _) = recorded();
    let engine = engine(&folder, 0).await;
    let empty = tempfile::tempdir().unwrap();
    let forebay = gateway(&engine, empty.path()).await;
    assert!(count(&forebay, &asked).await.1);
}
