//! What holds for every dialect: a conversation that crosses into it from chat and back says
//! the same, and so do its answer and its stream.
//!
//! Only what every dialect can say is generated here; what one has beyond that is tested in
//! its own file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod wires;

use bytes::Bytes;
use forebay_dialect::exchange::{Profile, WriteOptions};
use forebay_dialect::{
    AnswerContext, PayloadError, Request, StreamTranslation, Target, Wire, fold, translate_answer,
    translate_request,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

fn options() -> WriteOptions {
    WriteOptions {
        model: "m".to_owned(),
        default_max_tokens: 4096,
        profile: Profile::Standard,
        ..WriteOptions::default()
    }
}

fn context() -> AnswerContext {
    AnswerContext {
        id: "7f".to_owned(),
        model: "m".to_owned(),
        created: 5,
        ..AnswerContext::default()
    }
}

fn said() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,9}", "[a-z](\\PC|[\n\"\\\\]){0,12}[a-z]"]
}

fn arguments() -> impl Strategy<Value = Value> {
    ("[a-z]{1,5}", said(), 0..99_i32)
        .prop_map(|(name, text, number)| json!({name: text, "n": [number, null]}))
}

fn user() -> impl Strategy<Value = Value> {
    let image = prop_oneof![Just(None), Just(Some("data:image/png;base64,iVBORw0KGgo=")),];
    (said(), image).prop_map(|(text, image)| {
        let content = match image {
            None => json!(text),
            Some(url) => json!([
                {"type": "text", "text": text},
                {"type": "image_url", "image_url": {"url": url}},
            ]),
        };
        json!({"role": "user", "content": content})
    })
}

/// The assistant says something or calls tools, gets their results, and the person goes on.
fn turn() -> impl Strategy<Value = Vec<Value>> {
    let calls = vec((arguments(), said()), 0..3);
    (said(), calls, user()).prop_map(|(text, calls, user)| {
        let mut assistant = json!({"role": "assistant", "content": text});
        let mut results = Vec::new();
        let mut called = Vec::new();
        for (position, (arguments, result)) in calls.into_iter().enumerate() {
            let id = format!("call_{position}_{}", text.len());
            called.push(json!({"id": id, "type": "function",
                "function": {"name": "look", "arguments": arguments.to_string()}}));
            results.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
        }
        if !called.is_empty() {
            assistant["tool_calls"] = json!(called);
        }
        let mut out = vec![assistant];
        out.extend(results);
        out.push(user);
        out
    })
}

/// A chat request of what every dialect can say, but for what [`lacks`] names.
fn conversation() -> impl Strategy<Value = Value> {
    let choice = prop_oneof![
        Just(json!("auto")),
        Just(json!("required")),
        Just(json!({"type": "function", "function": {"name": "look"}})),
    ];
    let sampling = (
        1..9999_u32,
        of(0..=4_u8),
        of(0..=4_u8),
        vec("[a-z]{2,5}", 0..3),
    );
    (of(said()), user(), vec(turn(), 0..3), choice, sampling).prop_map(
        |(system, first, turns, choice, (cap, temperature, top_p, stop))| {
            let mut messages = Vec::new();
            messages.extend(system.map(|text| json!({"role": "system", "content": text})));
            messages.push(first);
            messages.extend(turns.into_iter().flatten());
            let mut body = json!({
                "model": "m",
                "messages": messages,
                "max_tokens": cap,
                "tool_choice": choice,
                "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.",
                    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}}}],
            });
            let mut set = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    body[name] = value;
                }
            };
            set("temperature", temperature.map(|quarters| json!(f64::from(quarters) / 4.0)));
            set("top_p", top_p.map(|quarters| json!(f64::from(quarters) / 4.0)));
            set("stop", Some(json!(stop)).filter(|_| !stop.is_empty()));
            body
        },
    )
}

/// A request as all dialects would have it: ids by order, arguments as values, one text as a
/// string, what is the default left out.
fn normal(body: &[u8]) -> Value {
    let mut body: Value = serde_json::from_slice(body).unwrap();
    let mut ids: Vec<Value> = Vec::new();
    for message in body["messages"].as_array_mut().unwrap() {
        for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
            ids.push(call["id"].take());
            call["id"] = json!(ids.len() - 1);
            let arguments = call["function"]["arguments"].as_str().unwrap();
            call["function"]["arguments"] = serde_json::from_str(arguments).unwrap();
        }
        if let Some(id) = message.get_mut("tool_call_id") {
            *id = json!(ids.iter().rposition(|known| known == id));
        }
        let only = message["content"]
            .as_array()
            .filter(|parts| parts.len() == 1);
        if let Some(text) = only.and_then(|parts| parts[0].get("text")).cloned() {
            message["content"] = text;
        }
        message
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
    }
    for tool in body["tools"].as_array_mut().into_iter().flatten() {
        // OpenAI's responses have to say that a tool is not strict, where chat says nothing.
        let function = tool["function"].as_object_mut().unwrap();
        function.retain(|name, value| name != "strict" || *value != false);
    }
    for name in ["temperature", "top_p"] {
        if let Some(number) = body.get_mut(name) {
            *number = json!(number.as_f64());
        }
    }
    let defaults = [
        ("tool_choice", json!("auto")),
        ("parallel_tool_calls", json!(true)),
        ("n", json!(1)),
    ];
    body.as_object_mut().unwrap().retain(|name, value| {
        !defaults
            .iter()
            .any(|(default, said)| name == default && value == said)
    });
    body
}

/// The fields that a dialect alone has no place for.
fn lacks(wire: Wire) -> &'static [&'static str] {
    match wire {
        Wire::Responses => &["stop"],
        _ => &[],
    }
}

/// A chat request brought into a dialect and back, beside what it was.
fn round_trip(wire: Wire, body: &Value) -> (Value, Value) {
    let mut body = body.clone();
    body.as_object_mut()
        .unwrap()
        .retain(|name, _| !lacks(wire).contains(&name.as_str()));
    let body = Bytes::from(body.to_string());
    let there = Request::parse(Wire::Chat, body.clone()).unwrap();
    let there = translate_request(&there, wire, &options()).unwrap();
    let lost: Vec<_> = there.lost.iter().filter(|lost| !lost.is_hint()).collect();
    assert!(lost.is_empty(), "{}: {lost:?}", wire.as_str());
    let back = Request::parse(wires::target(wire, false), there.body).unwrap();
    let back = translate_request(&back, Wire::Chat, &options()).unwrap();
    (normal(&back.body), normal(&body))
}

/// A whole chat completion of what every dialect can say.
fn answer() -> impl Strategy<Value = Value> {
    let calls = vec(arguments(), 0..3);
    (said(), calls, any::<bool>(), 1..99_u32, 1..99_u32).prop_map(
        |(text, calls, cut, input, output)| {
            let finish = match (calls.is_empty(), cut) {
                (false, _) => "tool_calls",
                (true, true) => "length",
                (true, false) => "stop",
            };
            let calls: Vec<_> = calls.iter().enumerate().map(|(position, arguments)| {
                json!({"id": format!("call_{position}"), "type": "function",
                    "function": {"name": "look", "arguments": arguments.to_string()}})
            }).collect();
            let mut message = json!({"role": "assistant", "content": text});
            if !calls.is_empty() {
                message["tool_calls"] = json!(calls);
            }
            json!({"id": "a1", "object": "chat.completion", "created": 5, "model": "m",
                "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}})
        },
    )
}

/// What counts of an answer.
fn told(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let choice = &body["choices"][0];
    let calls = choice["message"]["tool_calls"]
        .as_array()
        .into_iter()
        .flatten();
    let calls: Vec<_> = calls
        .map(|call| {
            let arguments = call["function"]["arguments"].as_str().unwrap();
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            json!([call["function"]["name"], arguments])
        })
        .collect();
    json!([
        choice["message"]["content"],
        calls,
        choice["finish_reason"],
        body["usage"]["prompt_tokens"],
        body["usage"]["completion_tokens"]
    ])
}

fn stream(from: Wire, to: Wire, events: &[Bytes]) -> Vec<Bytes> {
    let mut translation = StreamTranslation::new(from, to, &context());
    let mut out = Vec::new();
    for event in events {
        translation.push(None, event, &mut out).unwrap();
    }
    if from.terminal() == forebay_dialect::Terminal::Done {
        translation
            .push(None, &Bytes::from_static(b"[DONE]"), &mut out)
            .unwrap();
    }
    translation.end_of_body(&mut out);
    assert!(translation.has_ended(), "{}", from.as_str());
    out
}

/// A message of what some dialects lose or refuse, alone or beside what they keep.
fn lossy_message() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        said().prop_map(|text| json!({"type": "text", "text": text})),
        Just(json!({"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}})),
        Just(json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})),
        Just(json!({"type": "file", "file": {"file_id": "file-1"}})),
        Just(
            json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGVsbG8="}})
        ),
    ];
    let user = vec(part, 1..3).prop_map(|parts| json!({"role": "user", "content": parts}));
    let assistant = prop_oneof![
        said().prop_map(|text| json!({"role": "assistant", "content": text})),
        said().prop_map(|text| json!({"role": "assistant", "content": null, "refusal": text})),
        said().prop_map(
            |text| json!({"role": "assistant", "content": "", "reasoning_content": text})
        ),
        said().prop_map(|text| json!({"role": "assistant", "content": null, "reasoning": text})),
    ];
    let system = (any::<bool>(), said()).prop_map(|(system, text)| {
        let role = if system { "system" } else { "developer" };
        json!({"role": role, "content": text})
    });
    prop_oneof![2 => user, 2 => assistant, 1 => system]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_conversation_comes_back_from_every_dialect(body in conversation()) {
        for wire in wires::clients() {
            let (back, sent) = round_trip(wire, &body);
            prop_assert_eq!(back, sent, "{}", wire.as_str());
        }
    }

    #[test]
    fn what_is_written_for_a_dialect_is_read_by_it(messages in vec(lossy_message(), 1..4)) {
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
        let Ok(request) = Request::parse(Wire::Chat, Bytes::from(body.to_string())) else {
            return Ok(());
        };
        for wire in wires::clients() {
            // What nothing can be made of is refused; what is written has to be readable.
            let Ok(there) = translate_request(&request, wire, &options()) else {
                continue;
            };
            let read = Request::parse(wires::target(wire, false), there.body.clone());
            let back = read.map_err(|e| format!("{e:?}")).and_then(|back| {
                translate_request(&back, Wire::Chat, &options()).map_err(|e| format!("{e:?}"))
            });
            prop_assert!(back.is_ok(), "{}: {:?} of {:?}", wire.as_str(), back.err(), there.body);
        }
    }

    #[test]
    fn an_answer_comes_back_from_every_dialect(answer in answer()) {
        let body = Bytes::from(answer.to_string());
        for wire in wires::clients() {
            let there = translate_answer(Wire::Chat, wire, &body, &context()).unwrap();
            let back = translate_answer(wire, Wire::Chat, &there, &context()).unwrap();
            prop_assert_eq!(told(&back), told(&body), "{}", wire.as_str());
        }
    }

    #[test]
    fn a_stream_comes_back_from_every_dialect(answer in answer()) {
        let body = Bytes::from(answer.to_string());
        let events = forebay_dialect::unfold(Wire::Chat, &body, &context()).unwrap();
        for wire in wires::clients() {
            let there = stream(Wire::Chat, wire, &events);
            let whole = fold(wire, &there, &context()).unwrap();
            let whole = translate_answer(wire, Wire::Chat, &whole, &context()).unwrap();
            prop_assert_eq!(told(&whole), told(&body), "{} folded", wire.as_str());
            let back = fold(Wire::Chat, &stream(wire, Wire::Chat, &there), &context()).unwrap();
            prop_assert_eq!(told(&back), told(&body), "{}", wire.as_str());
        }
    }

    #[test]
    fn what_is_no_stream_of_a_dialect_makes_none_panic(events in vec("\\PC{0,40}|\\{\"(type|choices|error|usage|delta)\":(\"\\PC{0,9}\"|[0-9]|\\[\\{\\}\\]|\\{\\})\\}", 0..6)) {
        for from in wires::targets() {
            for to in wires::clients() {
                let mut translation = StreamTranslation::new(from, to, &context());
                let mut out = Vec::new();
                for event in &events {
                    let _ = translation.push(None, &Bytes::from(event.clone()), &mut out);
                }
                translation.end_of_body(&mut out);
            }
        }
    }
}

#[test]
fn what_has_no_member_of_an_answer_is_none() {
    for from in wires::targets() {
        for to in [Wire::Chat, Wire::Messages]
            .into_iter()
            .filter(|to| *to != from)
        {
            for body in [
                "{}",
                r#"{"hello":"world"}"#,
                r#"{"id":"x","model":"m","type":"message","object":"response"}"#,
                "[1]",
                "7",
            ] {
                let answer = translate_answer(from, to, &Bytes::from(body), &context());
                assert_eq!(answer, Err(PayloadError::NoAnswer), "{from:?}: {body}");
            }
        }
    }
}

#[test]
fn texts_and_vectors_stay_in_their_own_forms() {
    let request =
        Request::parse(Wire::Completions, r#"{"model":"m","prompt":"a"}"#.into()).unwrap();
    assert!(translate_request(&request, Wire::Chat, &options()).is_err());
    let request = Request::parse(
        Target::new(Wire::Chat),
        r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#.into(),
    )
    .unwrap();
    assert!(translate_request(&request, Wire::Completions, &options()).is_err());
}
