//! Embeddings: the policies' view, and upstreams of other forms.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::canonical::{Operation, Part};
use forebay_dialect::exchange::{Profile, WriteOptions, Written};
use forebay_dialect::{
    AnswerContext, EmbeddingForm, Payload, Request, TextEdit, TranslateError, Wire,
    translate_answer, translate_embeddings, translate_embeddings_answer, translate_request,
};
use serde_json::{Value, json};

fn request(body: &Value) -> Request {
    Request::parse(Wire::Embeddings, body.to_string().into()).unwrap()
}

fn options() -> WriteOptions {
    WriteOptions {
        model: "embed-1".into(),
        ..WriteOptions::default()
    }
}

fn write(form: EmbeddingForm, body: &Value) -> Result<Written, TranslateError> {
    translate_embeddings(&request(body), form, &options())
}

fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn context() -> AnswerContext {
    AnswerContext {
        model: "fast".into(),
        ..AnswerContext::default()
    }
}

#[test]
fn each_text_is_a_message_and_token_ids_are_opaque() {
    let texts = request(&json!({"model": "m", "input": ["a", "b"], "dimensions": 3}));
    assert_eq!(texts.prompt.operation, Operation::Embedding);
    assert_eq!(texts.prompt.messages.len(), 2);
    assert_eq!(texts.prompt.messages[1].parts, [Part::Text("b".into())]);
    let names: Vec<_> = texts.prompt.extra.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["dimensions", "input"]);
    let ids = request(&json!({"model": "m", "input": [[1, 2], [3]]}));
    assert!(ids.needs().token_ids);
    assert!(matches!(&ids.prompt.messages[0].parts[0], Part::Opaque(part) if part.json == "[1,2]"));
    let one = request(&json!({"model": "m", "input": "a"}));
    let list = request(&json!({"model": "m", "input": ["a"]}));
    assert_ne!(one.prompt, list.prompt);
}

#[test]
fn an_edit_changes_its_bytes_alone() {
    let body = r#"{ "model":"m", "input" : ["one", "tw\u006f"] }"#;
    let mut request = Request::parse(Wire::Embeddings, body.into()).unwrap();
    let edit = TextEdit {
        message: 1,
        part: 0,
        range: 0..3,
        text: "2".into(),
    };
    request.edit(&[edit]).unwrap();
    assert_eq!(request.body, r#"{ "model":"m", "input" : ["one", "2"] }"#);
}

#[test]
fn bad_inputs_are_named() {
    for (body, param) in [
        (json!({"model": "m"}), "input"),
        (json!({"input": "a"}), "model"),
        (json!({"model": "m", "input": []}), "input"),
        (json!({"model": "m", "input": ["a", 1]}), "input[1]"),
        (json!({"model": "m", "input": [1, "a"]}), "input[1]"),
        (json!({"model": "m", "input": [1, -1]}), "input[1]"),
        (json!({"model": "m", "input": {}}), "input"),
    ] {
        let error = Request::parse(Wire::Embeddings, body.to_string().into()).unwrap_err();
        assert_eq!(error.param(), Some(param), "{body}");
    }
}

#[test]
fn cohere_gets_texts_and_a_purpose() {
    let body = json!({"model": "m", "input": "a", "dimensions": 256, "user": "u", "seed": 1});
    let written = write(EmbeddingForm::Cohere, &body).unwrap();
    assert_eq!(
        read(&written.body),
        json!({"model": "embed-1", "texts": ["a"], "input_type": "search_document",
               "embedding_types": ["float"], "output_dimension": 256})
    );
    let lost: Vec<_> = written
        .lost
        .iter()
        .map(|l| (l.param.as_str(), l.is_hint()))
        .collect();
    assert_eq!(lost, [("seed", false), ("user", true)]);
    let body = json!({"model": "m", "input": "a", "input_type": "search_query"});
    let written = write(EmbeddingForm::BedrockCohere, &body).unwrap();
    assert_eq!(
        read(&written.body),
        json!({"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]})
    );
}

#[test]
fn google_gets_one_request_a_text() {
    let body =
        json!({"model": "m", "input": ["a", "b"], "dimensions": 8, "task_type": "CLUSTERING"});
    let written = write(EmbeddingForm::Gemini, &body).unwrap();
    let one = |text: &str| {
        json!({"model": "models/embed-1", "content": {"parts": [{"text": text}]},
               "outputDimensionality": 8, "taskType": "CLUSTERING"})
    };
    assert_eq!(
        read(&written.body),
        json!({"requests": [one("a"), one("b")]})
    );
}

#[test]
fn titan_takes_one_text() {
    let body = json!({"model": "m", "input": ["a"], "dimensions": 512});
    let written = write(EmbeddingForm::Titan, &body).unwrap();
    assert_eq!(
        read(&written.body),
        json!({"inputText": "a", "dimensions": 512})
    );
    let error = write(
        EmbeddingForm::Titan,
        &json!({"model": "m", "input": ["a", "b"]}),
    );
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("'input'") && message.contains("one text"),
        "{message}"
    );
}

#[test]
fn what_no_other_form_takes_is_refused_by_name() {
    let many: Vec<_> = (0..97).map(|n| n.to_string()).collect();
    let form = EmbeddingForm::Cohere;
    let over = write(form, &json!({"model": "m", "input": many})).unwrap_err();
    assert!(
        over.to_string()
            .contains("97 texts are over the limit of 96"),
        "{over}"
    );
    let ids = write(form, &json!({"model": "m", "input": [1, 2]})).unwrap_err();
    assert!(ids.to_string().contains("token ids"), "{ids}");
    let odd = json!({"model": "m", "input": "a", "encoding_format": "bytes"});
    let odd = write(form, &odd).unwrap_err();
    assert!(odd.to_string().contains("encoding_format"), "{odd}");
}

#[test]
fn mistral_has_its_own_name_for_dimensions() {
    let body = json!({"model": "m", "input": "a", "dimensions": 8, "user": "u"});
    let options = WriteOptions {
        profile: Profile::Mistral,
        ..options()
    };
    let written = translate_embeddings(&request(&body), EmbeddingForm::OpenAi, &options).unwrap();
    assert_eq!(
        read(&written.body),
        json!({"model": "embed-1", "input": "a", "output_dimension": 8})
    );
}

#[test]
fn every_form_answers_as_openai_does() {
    let expected = |tokens: u64| {
        json!({"object": "list", "model": "fast",
               "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}],
               "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
    };
    for (form, body, tokens) in [
        (
            EmbeddingForm::Cohere,
            json!({"id": "x", "embeddings": {"float": [[0.5, -1.0]]}, "texts": ["a"],
                   "meta": {"billed_units": {"input_tokens": 3.0}}}),
            3,
        ),
        (
            EmbeddingForm::Gemini,
            json!({"embeddings": [{"values": [0.5, -1.0]}], "usageMetadata": {"promptTokenCount": 4}}),
            4,
        ),
        (
            EmbeddingForm::Titan,
            json!({"embedding": [0.5, -1.0], "inputTextTokenCount": 5}),
            5,
        ),
        (
            EmbeddingForm::BedrockCohere,
            json!({"id": "x", "response_type": "embeddings_floats", "embeddings": [[0.5, -1.0]]}),
            0,
        ),
    ] {
        let body = body.to_string().into();
        let answer = translate_embeddings_answer(form, &body, &context(), false).unwrap();
        assert_eq!(read(&answer), expected(tokens), "{form:?}");
        let payload = Payload::parse(Wire::Embeddings, answer).unwrap();
        assert_eq!(payload.usage().unwrap().input, tokens);
    }
}

#[test]
fn base64_is_of_little_endian_floats() {
    // 0.5 and -1.0 as IEEE 754 says: 3f000000, bf800000.
    let encoded = "AAAAPwAAgL8=";
    let titan = json!({"embedding": [0.5, -1.0], "inputTextTokenCount": 5}).to_string();
    let form = EmbeddingForm::Titan;
    let answer = translate_embeddings_answer(form, &titan.into(), &context(), true).unwrap();
    assert_eq!(read(&answer)["data"][0]["embedding"], encoded);
    let ours = r#"{"data": [{"embedding": [0.5,-1.0]}, {"embedding": "AAAA"}], "x": 1}"#;
    let form = EmbeddingForm::OpenAi;
    let answer = translate_embeddings_answer(form, &ours.into(), &context(), true).unwrap();
    let expected = ours.replace("[0.5,-1.0]", &format!("\"{encoded}\""));
    assert_eq!(answer, expected);
}

#[test]
fn a_crossing_keeps_the_format_that_was_asked_for() {
    let request = request(&json!({"model": "m", "input": "a", "encoding_format": "base64"}));
    let written = translate_request(&request, Wire::Cohere, &options()).unwrap();
    assert!(read(&written.body)["texts"].is_array());
    let context = AnswerContext {
        echo: request.answer_echo(),
        ..context()
    };
    let body = json!({"id": "x", "embeddings": {"float": [[0.5, -1.0]]}}).to_string();
    let answer = translate_answer(Wire::Cohere, Wire::Embeddings, &body.into(), &context).unwrap();
    assert_eq!(read(&answer)["data"][0]["embedding"], "AAAAPwAAgL8=");
    let refused = translate_request(&request, Wire::Messages, &options()).unwrap_err();
    assert!(
        refused.to_string().contains("has no embeddings"),
        "{refused}"
    );
}
