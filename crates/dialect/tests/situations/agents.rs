//! What agents and the servers behind them write otherwise than the formats have it: calls without
//! arguments, counts of tokens, parts of other formats, tools of one name.

use bytes::Bytes;
use forebay_dialect::clouds::for_cloud;
use forebay_dialect::door::{Door, Told};
use forebay_dialect::exchange::{Grade, Profile};
use forebay_dialect::{
    AnswerContext, Mender, Payload, Request, StreamTranslation, Wire, fold, translate_request,
};
use serde_json::{Value as Json, json};

use crate::{options, wires};

pub(crate) fn context() -> AnswerContext {
    AnswerContext {
        id: "7".into(),
        model: "m".into(),
        ..AnswerContext::default()
    }
}

/// A stream as a client of that format gets it.
pub(crate) fn told(from: Wire, client: Wire, events: &[Json]) -> Vec<Bytes> {
    let mut out = Vec::new();
    if from == client {
        let mut mender = Mender::new(client, &context());
        return events
            .iter()
            .map(|event| mender.event(event.to_string().into()))
            .collect();
    }
    let mut translation = StreamTranslation::new(from, client, &context());
    for event in events {
        let name = event["type"].as_str();
        translation
            .push(name, &event.to_string().into(), &mut out)
            .unwrap_or_else(|error| panic!("{event} to {}: {error}", client.as_str()));
    }
    translation.end_of_body(&mut out);
    assert!(translation.has_ended(), "{events:?} to {}", client.as_str());
    out
}

/// The same as a whole answer.
pub(crate) fn whole(from: Wire, client: Wire, events: &[Json]) -> Json {
    let events = told(from, client, events);
    let body = fold(client, &events, &context()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

pub(crate) fn chunk(delta: Json, finish: Json) -> Json {
    json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "u",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

pub(crate) fn call(call: Json) -> Json {
    chunk(json!({"tool_calls": [call]}), Json::Null)
}

pub(crate) fn end(finish: &str) -> Json {
    chunk(json!({}), json!(finish))
}

/// Arguments of the calls in an answer, as its format has them.
pub(crate) fn arguments(client: Wire, answer: &Json) -> Vec<Json> {
    let parsed = |text: &Json| serde_json::from_str(text.as_str().unwrap()).unwrap_or(text.clone());
    let list = |of: &Json| of.as_array().cloned().unwrap_or_default();
    let pick = |of: &Json, at: &str| -> Vec<Json> {
        let items = list(of);
        items
            .iter()
            .filter_map(|i| i.pointer(at).cloned())
            .collect()
    };
    match client {
        Wire::Chat => pick(
            &answer["choices"][0]["message"]["tool_calls"],
            "/function/arguments",
        )
        .iter()
        .map(parsed)
        .collect(),
        Wire::Responses => pick(&answer["output"], "/arguments")
            .iter()
            .map(parsed)
            .collect(),
        Wire::Messages => pick(&answer["content"], "/input"),
        Wire::Gemini => list(&answer["candidates"][0]["content"]["parts"])
            .iter()
            .filter_map(|part| part.get("functionCall"))
            .map(|call| call.get("args").cloned().unwrap_or(json!({})))
            .collect(),
        _ => pick(&answer["output"]["message"]["content"], "/toolUse/input"),
    }
}

/// Streams in which the first of some calls has no arguments.
fn silent() -> Vec<(&'static str, Wire, Vec<Json>, usize)> {
    let f = |arguments: Json| json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}});
    let bare = json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f"}});
    let g = json!({"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}});
    let with = |delta: Json| vec![call(bare.clone()), chunk(delta, json!("tool_calls"))];
    let ends = |call_of: Json| vec![call(call_of), end("tool_calls")];
    vec![
        ("no member", Wire::Chat, ends(bare.clone()), 1),
        ("an empty text", Wire::Chat, ends(f(json!(""))), 1),
        ("white space", Wire::Chat, ends(f(json!(" \n"))), 1),
        ("null", Wire::Chat, ends(f(Json::Null)), 1),
        (
            "a list at the end",
            Wire::Chat,
            with(json!({"tool_calls": []})),
            1,
        ),
        (
            "no list at the end",
            Wire::Chat,
            with(json!({"tool_calls": null, "content": null})),
            1,
        ),
        (
            "no delta at the end",
            Wire::Chat,
            vec![
                call(bare.clone()),
                json!({"choices": [{"index": 0, "delta": null, "finish_reason": "stop"}]}),
            ],
            1,
        ),
        (
            "the end at once",
            Wire::Chat,
            vec![chunk(
                json!({"tool_calls": [f(json!(""))]}),
                json!("tool_calls"),
            )],
            1,
        ),
        (
            "another call",
            Wire::Chat,
            vec![call(f(json!(""))), call(g), end("tool_calls")],
            2,
        ),
        (
            "a number in quotes",
            Wire::Chat,
            ends(
                json!({"index": "0", "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
            ),
            1,
        ),
        (
            "null among the calls",
            Wire::Chat,
            vec![
                call(bare.clone()),
                chunk(json!({"tool_calls": [null]}), Json::Null),
                end("tool_calls"),
            ],
            1,
        ),
    ]
}

/// The same in other formats.
fn silent_elsewhere() -> Vec<(&'static str, Wire, Vec<Json>, usize)> {
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}}});
    let item = |of: &str| json!({"type": of, "output_index": 0, "item": {"type": "function_call", "id": "fc", "call_id": "a", "name": "f", "arguments": ""}});
    vec![
        (
            "a block",
            Wire::Messages,
            vec![
                json!({"type": "message_start", "message": {"id": "x", "type": "message", "role": "assistant", "model": "u", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
                block,
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": ""}}),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}),
                json!({"type": "message_stop"}),
            ],
            1,
        ),
        (
            "an item",
            Wire::Responses,
            vec![
                item("response.output_item.added"),
                item("response.output_item.done"),
                json!({"type": "response.done", "response": {"id": "r", "status": "completed", "output": []}}),
            ],
            1,
        ),
    ]
}

#[test]
fn calls_without_arguments_have_none_for_every_client() {
    for (name, from, events, calls) in silent().into_iter().chain(silent_elsewhere()) {
        for client in wires::clients() {
            // A mender changes OpenAI's chat only, which alone has arguments as text in pieces.
            if from == client && from != Wire::Chat {
                continue;
            }
            let answer = whole(from, client, &events);
            let given = arguments(client, &answer);
            assert_eq!(
                given,
                vec![json!({}); calls],
                "{name} to {}: {answer}",
                client.as_str()
            );
        }
        if from != Wire::Chat {
            continue;
        }
        let mut stream = Door::CohereChat.stream(Told::default()).unwrap();
        let mut out = Vec::new();
        for event in &events {
            stream.event(&event.to_string().into(), &mut out);
        }
        stream.end(&mut out);
        let given: String = out
            .iter()
            .map(|event| serde_json::from_slice::<Json>(event).unwrap())
            .filter_map(|event| {
                let text = event.pointer("/delta/message/tool_calls/function/arguments")?;
                text.as_str().map(str::to_owned)
            })
            .collect();
        assert_eq!(given.trim(), "{}".repeat(calls), "{name}");
    }
}

#[test]
fn a_call_that_was_cut_short_gets_no_arguments() {
    let cut = [
        call(
            json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}),
        ),
        end("length"),
    ];
    for client in [Wire::Chat, Wire::Messages, Wire::Converse] {
        let told = told(Wire::Chat, client, &cut);
        let pieces = told.iter().filter(|event| {
            let text = String::from_utf8_lossy(event);
            text.contains("\"{}\"")
        });
        assert_eq!(pieces.count(), 0, "{}", client.as_str());
    }
}

#[test]
fn tokens_are_counted_however_a_server_tells_them() {
    let rows = [
        (
            json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}),
            (5, 2, 0),
        ),
        (
            json!({"prompt_tokens": "5", "completion_tokens": "2"}),
            (5, 2, 0),
        ),
        (
            json!({"prompt_tokens": 5.0, "completion_tokens": null, "prompt_tokens_details": null}),
            (5, 0, 0),
        ),
        (json!({"input_tokens": 5, "output_tokens": 2}), (5, 2, 0)),
        // Reasoning that is told in the total alone, and beside the output.
        (
            json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 107}),
            (5, 102, 100),
        ),
        (
            json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 107, "completion_tokens_details": {"reasoning_tokens": 100}}),
            (5, 102, 100),
        ),
        (
            json!({"prompt_tokens": 5, "total_tokens": 105}),
            (5, 100, 100),
        ),
        // An input without what was cached.
        (
            json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 107, "prompt_tokens_details": {"cached_tokens": 100}}),
            (105, 2, 0),
        ),
        (json!({"total_tokens": 7}), (0, 0, 0)),
    ];
    for (usage, expected) in rows {
        let last = json!({"id": "x", "choices": [], "usage": usage});
        let payload = Payload::parse(Wire::Chat, last.to_string().into()).unwrap();
        let counted = payload.usage().unwrap();
        let counted = (counted.input, counted.output, counted.reasoning);
        assert_eq!(counted, expected, "{usage}");
        let zero = json!({"id": "x", "choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}});
        let text = chunk(json!({"content": "hello"}), Json::Null);
        let answer = whole(
            Wire::Chat,
            Wire::Responses,
            &[text, end("stop"), last, zero],
        );
        let told = &answer["usage"];
        assert_eq!(
            (&told["input_tokens"], &told["output_tokens"]),
            (&json!(expected.0), &json!(expected.1)),
            "{usage}"
        );
    }
}

#[test]
fn a_block_that_begins_with_its_text_is_told() {
    let events = [
        json!({"type": "message_start", "message": {"id": "x", "type": "message", "role": "assistant", "model": "u", "content": []}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "hello"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": " again"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    for client in wires::clients().filter(|client| *client != Wire::Messages) {
        let answer = whole(Wire::Messages, client, &events).to_string();
        assert!(answer.contains("\"hello\""), "{answer}");
    }
}

pub(crate) fn sent(body: &Json, to: (Wire, Profile, &str)) -> (Json, Vec<(String, Grade)>) {
    let request = Request::parse(Wire::Chat, body.to_string().into()).unwrap();
    let written = translate_request(&request, to.0, &options(to)).unwrap();
    let lost = written.lost.iter();
    let lost = lost.map(|lost| (lost.param.clone(), lost.grade)).collect();
    (serde_json::from_slice(&written.body).unwrap(), lost)
}

#[test]
fn two_tools_of_one_name_are_refused_where_the_target_refuses_them() {
    let tool = |member: &str| json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {member: {"type": "string"}}}}});
    let body = |other: &str| json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [tool("a"), tool(other)]});
    let rows = [
        (Wire::Messages, Profile::Standard, "claude-sonnet-4-5", true),
        (Wire::Gemini, Profile::Standard, "gemini-2.5-flash", true),
        (
            Wire::Converse,
            Profile::Standard,
            "us.amazon.nova-pro-v1:0",
            true,
        ),
        (Wire::Messages, Profile::Engine, "m", false),
        (Wire::Responses, Profile::OpenAi, "gpt-5.1", false),
    ];
    for (wire, profile, model, refuses) in rows {
        let (_, lost) = sent(&body("b"), (wire, profile, model));
        let refused = lost
            .iter()
            .any(|(param, grade)| param.starts_with("tools[1]") && *grade == Grade::Refused);
        assert_eq!(refused, refuses, "{model}: {lost:?}");
        let (_, lost) = sent(&body("a"), (wire, profile, model));
        assert!(
            lost.iter().all(|(_, grade)| *grade != Grade::Refused),
            "{model}: {lost:?}"
        );
    }
}

#[test]
fn schemas_are_in_the_form_that_a_model_of_googles_reads() {
    let schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": false});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "response", "schema": schema}}});
    let plain =
        json!({"type": "object", "properties": {"a": {"type": "string", "nullable": true}}});
    let (new, _) = sent(
        &body,
        (Wire::Gemini, Profile::Standard, "gemini-3-pro-preview"),
    );
    let (old, _) = sent(
        &body,
        (Wire::Gemini, Profile::Standard, "gemini-2.0-flash-001"),
    );
    let function = |of: &Json| of["tools"][0]["functionDeclarations"][0].clone();
    assert_eq!(function(&new)["parametersJsonSchema"], schema);
    assert_eq!(function(&old)["parameters"], plain);
    assert!(!old.to_string().contains("JsonSchema"), "{old}");
}

#[test]
fn models_that_reason_beside_tools_in_responses_only_get_no_effort() {
    let claude = |tools: bool| {
        let mut body = json!({"model": "m", "max_tokens": 9000, "messages": [{"role": "user", "content": "hi"}], "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}});
        if tools {
            body["tools"] =
                json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]);
        }
        Request::parse(Wire::Messages, body.to_string().into()).unwrap()
    };
    let rows = [
        ("gpt-5.6-terra", Wire::Chat, true, "none"),
        ("gpt-6", Wire::Chat, true, "none"),
        ("gpt-5.6-terra", Wire::Chat, false, "high"),
        ("gpt-5.1", Wire::Chat, true, "high"),
        ("gpt-5.6-terra", Wire::Responses, true, "high"),
    ];
    for (model, wire, with_tools, effort) in rows {
        let to = (wire, Profile::OpenAi, model);
        let written = translate_request(&claude(with_tools), wire, &options(to)).unwrap();
        let body: Json = serde_json::from_slice(&written.body).unwrap();
        let told = match wire {
            Wire::Chat => &body["reasoning_effort"],
            _ => &body["reasoning"]["effort"],
        };
        assert_eq!(told, effort, "{model} {with_tools}: {body}");
    }
}

#[test]
fn parts_of_other_formats_in_chat_are_read() {
    let png = "data:image/png;base64,iVBORw0KGgo=";
    let source = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
    let rows = [
        json!([{"type": "input_text", "text": "what"}, {"type": "input_image", "image_url": png, "detail": "high"}]),
        json!([{"type": "text", "text": "what"}, {"type": "image", "source": source}]),
    ];
    for content in rows {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        for to in crate::TARGETS {
            if matches!(to.0, Wire::Chat | Wire::Cohere | Wire::Oci) {
                continue;
            }
            let (body, _) = sent(&body, to);
            let text = body.to_string();
            assert!(
                text.contains("what") && text.contains("iVBORw0KGgo="),
                "{}: {text}",
                to.2
            );
        }
    }
}

#[test]
fn media_without_a_place_in_the_clients_format_are_named() {
    let rows = [
        (
            json!({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}]}),
            Some("answer.image"),
        ),
        (
            json!({"audio": {"id": "a", "data": "eA==", "transcript": "hello"}}),
            Some("answer.audio"),
        ),
        (
            json!({"videos": [{"url": "https://example.com/v"}]}),
            Some("answer.video"),
        ),
        (json!({"audio": {"transcript": "hello"}}), None),
        (json!({"audio": null, "images": []}), None),
    ];
    for (said, expected) in rows {
        let whole: Bytes =
            json!({"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})
                .to_string()
                .into();
        for door in [Door::OllamaChat, Door::OllamaGenerate, Door::CohereChat] {
            let lost = door.unshown(&whole).map(|lost| lost.param);
            assert_eq!(lost.as_deref(), expected, "{said}");
            let mut stream = door.stream(Told::default()).unwrap();
            let mut out = Vec::new();
            for event in [chunk(said.clone(), Json::Null), end("stop")] {
                stream.event(&event.to_string().into(), &mut out);
            }
            stream.end(&mut out);
            let last: Json = serde_json::from_slice(out.last().unwrap()).unwrap();
            assert_eq!(last["x_forebay_lost"].as_str(), expected, "{said}: {last}");
        }
    }
}

#[test]
fn an_engine_does_not_get_the_line_that_differs_with_each_request() {
    let line = "x-anthropic-billing-header: cc_version=2.1; cch=00000;";
    let marker = json!({"type": "ephemeral", "scope": "global"});
    let rule = json!({"type": "text", "text": "rule", "cache_control": marker});
    let rows = [
        (json!(format!("{line}\nrule")), json!("rule")),
        (json!([{"type": "text", "text": line}, rule]), json!([rule])),
    ];
    for (system, expected) in rows {
        let body = json!({"model": "m", "system": system, "messages": [{"role": "user", "content": line}]});
        let fitted = for_cloud(&body.to_string().into(), Profile::Engine, "m");
        let (fitted, lost) = fitted.unwrap();
        let fitted: Json = serde_json::from_slice(&fitted).unwrap();
        assert_eq!(fitted["system"], expected);
        assert_eq!(fitted["messages"], body["messages"]);
        assert!(lost.is_empty());
        // Anthropic itself reads it.
        assert!(for_cloud(&body.to_string().into(), Profile::Standard, "m").is_none());
    }
}
