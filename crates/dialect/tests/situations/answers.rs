//! Odd answers of servers, for every client.

use forebay_dialect::{AnswerContext, Payload, StreamTranslation, Wire, translate_answer};
use serde_json::{Value as Json, json};

use crate::wires;

/// Odd answers of servers that speak as OpenAI does, streamed: chunks, the text, whether a tool is
/// called.
pub(crate) fn streams() -> Vec<(&'static str, Vec<Json>, &'static str, bool)> {
    let chunk = |delta: Json, finish: Json| json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "u", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let text = |text: &str| chunk(json!({ "content": text }), Json::Null);
    let end = |finish: &str| chunk(json!({}), json!(finish));
    let piece = |piece: Json| chunk(json!({"tool_calls": [piece]}), Json::Null);
    let usage = json!({"id": "x", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}}});
    vec![
        (
            "plain",
            vec![
                chunk(json!({"role": "assistant", "content": ""}), Json::Null),
                text("hello"),
                end("stop"),
                usage.clone(),
            ],
            "hello",
            false,
        ),
        (
            "several choices",
            vec![
                json!({"choices": [{"index": 0, "delta": {"content": "hel"}}, {"index": 1, "delta": {"content": "bye"}}]}),
                json!({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
                text("lo"),
                end("stop"),
            ],
            "hello",
            false,
        ),
        (
            "log probabilities",
            vec![
                json!({"choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": null, "logprobs": {"content":
                    [{"token": "hello", "logprob": -0.5, "bytes": [104], "top_logprobs": []}], "refusal": null}}]}),
                json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": {"content": [], "refusal": null}}]}),
            ],
            "hello",
            false,
        ),
        (
            "a sound with its text",
            vec![
                chunk(
                    json!({"role": "assistant", "audio": {"id": "a", "transcript": "hel"}}),
                    Json::Null,
                ),
                chunk(json!({"audio": {"transcript": "lo"}}), Json::Null),
                chunk(json!({"audio": {"data": "UklG"}}), Json::Null),
                chunk(json!({"audio": {"expires_at": 1}}), json!("stop")),
            ],
            "hello",
            false,
        ),
        (
            "null deltas",
            vec![
                chunk(
                    json!({"role": "assistant", "content": null, "tool_calls": null, "reasoning_content": null, "refusal": null}),
                    Json::Null,
                ),
                text("hello"),
                chunk(json!({"content": null}), json!("stop")),
            ],
            "hello",
            false,
        ),
        (
            "no delta",
            vec![
                text("hello"),
                json!({"choices": [{"index": 0, "finish_reason": "stop"}]}),
            ],
            "hello",
            false,
        ),
        (
            "a null delta",
            vec![
                text("hello"),
                json!({"choices": [{"index": 0, "delta": null, "finish_reason": "stop"}]}),
            ],
            "hello",
            false,
        ),
        (
            "usage first",
            vec![usage.clone(), text("hello"), end("stop")],
            "hello",
            false,
        ),
        (
            "null usage and choices",
            vec![
                json!({"choices": null, "usage": null}),
                text("hello"),
                end("stop"),
            ],
            "hello",
            false,
        ),
        (
            "an empty finish",
            vec![chunk(json!({"content": "hello"}), json!("")), end("stop")],
            "hello",
            false,
        ),
        (
            "a filter's first chunk",
            vec![
                json!({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}),
                text("hello"),
                end("stop"),
            ],
            "hello",
            false,
        ),
        (
            "reasoning in both names",
            vec![
                chunk(
                    json!({"reasoning": "hm", "reasoning_content": "hm"}),
                    Json::Null,
                ),
                text("hello"),
                end("stop"),
            ],
            "hello",
            false,
        ),
        (
            "an unknown finish",
            vec![text("hello"), end("tired_of_it")],
            "hello",
            false,
        ),
        (
            "one call",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "a call and stop",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
                ),
                end("stop"),
            ],
            "",
            true,
        ),
        (
            "no index",
            vec![
                piece(
                    json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "a null index",
            vec![
                piece(
                    json!({"index": null, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "no id",
            vec![
                piece(
                    json!({"index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "a null name later",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}),
                ),
                piece(
                    json!({"index": 0, "id": null, "type": null, "function": {"name": null, "arguments": "{}"}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "empty names later",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}),
                ),
                piece(json!({"index": 0, "id": "", "function": {"name": "", "arguments": "{}"}})),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "the head again",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}),
                ),
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "}"}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "an index from one",
            vec![
                piece(
                    json!({"index": 1, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "null arguments",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": null}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "an object for arguments",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "no arguments",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f"}}),
                ),
                end("tool_calls"),
            ],
            "",
            true,
        ),
        (
            "a message in a chunk",
            vec![
                json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}),
            ],
            "hello",
            false,
        ),
        (
            "text after a call",
            vec![
                piece(
                    json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
                ),
                text("hello"),
                end("tool_calls"),
            ],
            "hello",
            true,
        ),
    ]
}

#[test]
fn odd_streams_of_compatible_servers_are_whole_answers_for_every_client() {
    let mut faults = Vec::new();
    for (name, chunks, text, calls) in streams() {
        for client in wires::clients().filter(|client| *client != Wire::Chat) {
            let context = AnswerContext {
                id: "7".into(),
                model: "m".into(),
                ..AnswerContext::default()
            };
            let mut translation = StreamTranslation::new(Wire::Chat, client, &context);
            let mut out = Vec::new();
            for chunk in &chunks {
                if let Err(error) = translation.push(None, &chunk.to_string().into(), &mut out) {
                    faults.push(format!("{name} to {}: {error}", client.as_str()));
                }
            }
            translation.end_of_body(&mut out);
            if !translation.has_ended() {
                faults.push(format!("{name} to {}: it does not end", client.as_str()));
                continue;
            }
            let folded = forebay_dialect::fold(client, &out, &context).map_err(|e| e.to_string());
            let told: Json = match folded.map(|body| serde_json::from_slice(&body).unwrap()) {
                Ok(told) => told,
                Err(error) => {
                    faults.push(format!("{name} to {}: {error}", client.as_str()));
                    continue;
                }
            };
            let whole = told.to_string();
            let finished = match client {
                Wire::Messages => (told["stop_reason"] == "tool_use") == calls,
                Wire::Converse => (told["stopReason"] == "tool_use") == calls,
                _ => true,
            };
            let called = whole.matches("\"f\"").count() == usize::from(calls);
            if !(whole.contains(text) && finished && called) {
                faults.push(format!("{name} to {}: {whole}", client.as_str()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn odd_whole_answers_of_compatible_servers_are_read_by_every_client() {
    let answers = [
        json!({"choices": [{"message": {"content": "hello"}}]}),
        json!({"id": null, "created": null, "model": null, "usage": null, "choices": [{"index": 0, "logprobs": null, "message": {"role": "assistant", "content": "hello", "tool_calls": [], "function_call": null, "audio": null, "annotations": null}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello", "reasoning": "hm"}, "finish_reason": "eos"}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}),
        json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello", "tool_calls": null, "reasoning_content": "hm"}, "finish_reason": null}]}),
        json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": null, "refusal": "hello"}, "finish_reason": "content_filter"}]}),
    ];
    let mut faults = Vec::new();
    for answer in answers {
        for client in wires::clients().filter(|client| *client != Wire::Chat) {
            let context = AnswerContext {
                id: "7".into(),
                model: "m".into(),
                ..AnswerContext::default()
            };
            match translate_answer(Wire::Chat, client, &answer.to_string().into(), &context) {
                Ok(told) if String::from_utf8_lossy(&told).contains("hello") => {}
                Ok(told) => faults.push(format!(
                    "{answer} to {}: {}",
                    client.as_str(),
                    String::from_utf8_lossy(&told)
                )),
                Err(error) => faults.push(format!("{answer} to {}: {error}", client.as_str())),
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn an_error_within_a_stream_is_one_for_every_client() {
    let mut faults = Vec::new();
    let text = json!({"id": "x", "choices": [{"index": 0, "delta": {"content": "hel"}}]});
    let errors = [
        json!({"error": {"message": "it broke", "type": "server_error", "code": 500}}),
        json!({"error": {"message": "it broke", "code": "rate_limit_exceeded"}}),
        json!({"error": "it broke"}),
        json!({"object": "error", "message": "it broke", "type": "BadRequestError", "code": 400}),
        json!({"id": "x", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "it broke"}}]}),
    ];
    for error in &errors {
        for before in [vec![], vec![&text]] {
            for client in wires::clients().filter(|client| *client != Wire::Chat) {
                let context = AnswerContext::default();
                let mut translation = StreamTranslation::new(Wire::Chat, client, &context);
                let mut out = Vec::new();
                for chunk in before.iter().copied().chain([error]) {
                    translation
                        .push(None, &chunk.to_string().into(), &mut out)
                        .unwrap();
                }
                translation.end_of_body(&mut out);
                let told = out
                    .last()
                    .map(|last| Payload::parse(client, last.clone()).unwrap());
                let message = told
                    .as_ref()
                    .and_then(Payload::error)
                    .map(|error| error.message.as_str());
                if message != Some("it broke") || translation.has_ended() {
                    faults.push(format!("{error} to {}: {out:?}", client.as_str()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
