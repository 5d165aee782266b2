//! What `transformers` and `tokenizers` gave for the same files and texts.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use forebay_tokens::{
    ChatTemplate, Conversation, Model, ModelFiles, Rendering, Tokenizer, TokensError,
};
use serde::Deserialize;
use serde_json::value::RawValue;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn lines(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(fixtures().join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[derive(Deserialize)]
struct Encoded {
    tokenizer: String,
    text: String,
    ids: Vec<u32>,
    with_special: Vec<u32>,
}

#[test]
fn texts_have_the_tokens_that_hugging_face_gives_them() {
    let rows = lines("encodings.jsonl");
    assert!(rows.len() >= 45);
    for row in rows {
        let row: Encoded = serde_json::from_str(&row).unwrap();
        let file = fixtures().join(format!("{}.json", row.tokenizer));
        let tokenizer = Tokenizer::from_file(&file, &[]).unwrap();
        let told = || format!("{}: {:?}", row.tokenizer, row.text);
        assert_eq!(
            tokenizer.encode(&row.text, false).unwrap(),
            row.ids,
            "{}",
            told()
        );
        assert_eq!(
            tokenizer.encode(&row.text, true).unwrap(),
            row.with_special,
            "{}",
            told()
        );
    }
}

#[derive(Deserialize)]
struct Rendered<'a> {
    template: String,
    #[serde(borrow)]
    body: &'a RawValue,
    special: std::collections::BTreeMap<String, String>,
    now: i64,
    text: Option<String>,
    error: Option<String>,
}

#[test]
fn conversations_become_the_text_that_transformers_renders() {
    let rows = lines("renderings.jsonl");
    assert!(rows.len() >= 11);
    for row in &rows {
        let row: Rendered<'_> = serde_json::from_str(row).unwrap();
        let file = fixtures().join(format!("templates/{}.jinja", row.template));
        let template = ChatTemplate::new(&std::fs::read_to_string(file).unwrap()).unwrap();
        let template = template.with_content(forebay_tokens::Content::String);
        let conversation = Conversation::of_chat(row.body.get().as_bytes()).unwrap();
        let special: Vec<_> = row.special.into_iter().collect();
        let rendering = Rendering {
            special: &special,
            now: row.now,
        };
        match (template.render(&conversation, rendering), row.error) {
            (Ok(text), None) => assert_eq!(Some(text), row.text, "{}", row.template),
            (Err(TokensError::Raised(said)), Some(error)) => assert_eq!(said, error),
            (result, error) => panic!("{}: {result:?}, {error:?}", row.template),
        }
    }
}

#[derive(Deserialize)]
struct Engine<'a> {
    template: String,
    #[serde(borrow)]
    body: &'a RawValue,
    special: std::collections::BTreeMap<String, String>,
    now: i64,
    text: Option<String>,
    content: Option<String>,
}

#[test]
fn conversations_become_the_text_that_vllm_0_32_renders() {
    let rows = lines("vllm-renderings.jsonl");
    let (mut rendered, mut refused) = (0, 0);
    for row in &rows {
        let row: Engine<'_> = serde_json::from_str(row).unwrap();
        let file = fixtures().join(format!("templates/{}.jinja", row.template));
        let template = ChatTemplate::new(&std::fs::read_to_string(file).unwrap()).unwrap();
        let special: Vec<_> = row.special.into_iter().collect();
        let rendering = Rendering {
            special: &special,
            now: row.now,
        };
        let conversation = Conversation::of_chat(row.body.get().as_bytes());
        let text = conversation.and_then(|said| template.render(&said, rendering));
        let Some(expected) = row.text else {
            refused += 1;
            assert!(text.is_err(), "{}: {}", row.template, row.body);
            continue;
        };
        rendered += 1;
        let content = match template.content() {
            forebay_tokens::Content::Parts => "openai",
            forebay_tokens::Content::String => "string",
        };
        assert_eq!(Some(content), row.content.as_deref(), "{}", row.template);
        assert_eq!(text.unwrap(), expected, "{}: {}", row.template, row.body);
    }
    assert!(rendered >= 100 && refused >= 1, "{rendered}, {refused}");
}

#[test]
fn a_conversation_has_the_tokens_that_vllm_0_32_counted() {
    let files = ModelFiles {
        path: fixtures().join("vllm"),
        template: None,
    };
    let model = Model::load(&files).unwrap();
    let body = std::fs::read(fixtures().join("vllm/tokenize-chat.request.json")).unwrap();
    #[derive(Deserialize)]
    struct Answer {
        count: usize,
        tokens: Vec<u32>,
    }
    let answer = std::fs::read(fixtures().join("vllm/tokenize-chat.response.json")).unwrap();
    let answer: Answer = serde_json::from_slice(&answer).unwrap();
    let tokens = model.chat_tokens(&body, 0).unwrap();
    assert_eq!(tokens.len(), answer.count);
    assert_eq!(tokens, answer.tokens);
}

#[derive(Deserialize)]
struct Ranked {
    tokenizer: String,
    text: String,
    ids: Vec<u32>,
}

#[test]
fn tiktoken_and_tekken_files_give_the_tokens_that_their_own_libraries_give() {
    let rows = lines("ranks.jsonl");
    assert!(rows.len() >= 33);
    let end = [("<|end|>".to_owned(), 900)];
    for row in rows {
        let row: Ranked = serde_json::from_str(&row).unwrap();
        let tokenizer = Tokenizer::from_file(&fixtures().join(&row.tokenizer), &end).unwrap();
        let tokens = tokenizer.encode(&row.text, false).unwrap();
        assert_eq!(tokens, row.ids, "{}: {:?}", row.tokenizer, row.text);
    }
}
