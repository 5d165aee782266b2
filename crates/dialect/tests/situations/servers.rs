//! What servers that follow a format write otherwise than its maker: calls that are named at their
//! end, inputs and contents as texts, counts of tokens elsewhere; and what no target can express.

use forebay_dialect::door::{Door, Told};
use forebay_dialect::exchange::{Grade, Profile};
use forebay_dialect::{Payload, Request, Wire, mend_answer, translate_answer};
use serde_json::{Value as Json, json};

use crate::agents::{arguments, chunk, context, end, sent, told, whole};
use crate::{TARGETS, options, wires};

fn translated(from: Wire, client: Wire, answer: &Json) -> Json {
    let body = translate_answer(from, client, &answer.to_string().into(), &context());
    let body = body.unwrap_or_else(|error| panic!("{answer} to {}: {error}", client.as_str()));
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn a_call_that_is_named_at_its_end_has_its_name() {
    let item = |event: &str, name: &str, arguments: Json| json!({"type": format!("response.output_item.{event}"), "output_index": 0, "item": {"type": "function_call", "id": "fc", "call_id": "a", "name": name, "arguments": arguments}});
    let piece = json!({"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc", "delta": "{\"x\":1}"});
    let done =
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed"}});
    let mut at_last = done.clone();
    let added = item("added", "", json!(""));
    at_last["response"]["output"] = json!([{"type": "message", "content": []}, item("done", "named", json!("{\"x\":1}"))["item"]]);
    let text = json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "hello"});
    let named = |arguments: Json| item("done", "named", arguments);
    for events in [
        vec![
            added.clone(),
            piece.clone(),
            named(json!("{\"x\":1}")),
            done.clone(),
        ],
        vec![added.clone(), piece.clone(), named(json!({"x": 1})), done],
        vec![text.clone(), added, piece, at_last.clone()],
        vec![text, at_last],
    ] {
        for client in wires::clients().filter(|client| *client != Wire::Responses) {
            let answer = whole(Wire::Responses, client, &events);
            assert_eq!(
                arguments(client, &answer),
                [json!({"x": 1})],
                "{}: {answer}",
                client.as_str()
            );
            assert_eq!(answer.to_string().matches("\"named\"").count(), 1);
        }
    }
}

#[test]
fn anthropics_answers_are_read_where_texts_stand_for_lists_and_objects() {
    let answer = |content: Json| json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "u", "content": content, "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}});
    let call =
        |input: Json| answer(json!([{"type": "tool_use", "id": "a", "name": "f", "input": input}]));
    let rows = [
        (json!("{\"x\": 1}"), json!({"x": 1})),
        (json!({"x": 1}), json!({"x": 1})),
        (Json::Null, json!({})),
        (json!(""), json!({})),
    ];
    let mut missing = call(Json::Null);
    let block = missing["content"][0].as_object_mut();
    block.unwrap().remove("input");
    let own = mend_answer(Wire::Messages, missing.to_string().into(), &context());
    let own: Json = serde_json::from_slice(&own).unwrap();
    assert_eq!(own, call(json!({})));
    for (input, expected) in rows {
        for client in wires::clients().filter(|client| *client != Wire::Messages) {
            let told = translated(Wire::Messages, client, &call(input.clone()));
            let given = arguments(client, &told);
            assert_eq!(
                given,
                std::slice::from_ref(&expected),
                "{}: {told}",
                client.as_str()
            );
        }
        let own = mend_answer(Wire::Messages, call(input).to_string().into(), &context());
        let own: Json = serde_json::from_slice(&own).unwrap();
        assert_eq!(own, call(expected));
    }
    let said = answer(json!("he said \"hi\""));
    for client in wires::clients().filter(|client| *client != Wire::Messages) {
        let told = translated(Wire::Messages, client, &said).to_string();
        assert!(told.contains("he said \\\"hi\\\""), "{told}");
    }
    let own = mend_answer(Wire::Messages, said.to_string().into(), &context());
    Payload::parse(Wire::Messages, own.clone()).unwrap();
    let own: Json = serde_json::from_slice(&own).unwrap();
    assert_eq!(
        own,
        answer(json!([{"type": "text", "text": "he said \"hi\""}]))
    );
    // What is as Anthropic sends it stays byte for byte, and so does what means nothing.
    for body in [
        call(json!({"x": 1.50})).to_string(),
        call(json!("{\"x\":")).to_string(),
        answer(json!([{"type": "text", "text": "tool_use"}])).to_string(),
    ] {
        let body = body.replace(':', ": ");
        assert_eq!(
            mend_answer(Wire::Messages, body.clone().into(), &context()),
            body
        );
    }
}

#[test]
fn a_call_without_an_input_is_one_of_nothing() {
    let anthropics = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": null}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "seen"}]}]});
    let mut missing = anthropics.clone();
    let block = missing["messages"][1]["content"][0].as_object_mut();
    block.unwrap().remove("input");
    let responses = json!({"model": "m", "input": [{"role": "user", "content": "hi"}, {"type": "function_call", "call_id": "a", "name": "f", "arguments": null},
        {"type": "function_call_output", "call_id": "a", "output": "seen"}, {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "b", "output": null}]});
    let converses = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": null}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"text": "seen"}]}}]}]});
    for (wire, body) in [
        (Wire::Messages, anthropics),
        (Wire::Messages, missing),
        (Wire::Responses, responses),
        (Wire::Converse, converses),
    ] {
        let request = Request::parse(wires::target(wire, false), body.to_string().into());
        let request = request.unwrap_or_else(|error| panic!("{body}: {error}"));
        for to in TARGETS.into_iter().filter(|to| to.0 != wire) {
            let written = forebay_dialect::translate_request(&request, to.0, &options(to));
            let written = written.unwrap_or_else(|error| panic!("{body} to {}: {error}", to.2));
            assert!(String::from_utf8_lossy(&written.body).contains("seen"));
        }
    }
    let call = |call: Json| json!({"output": {"message": {"role": "assistant", "content": [{"toolUse": call}]}}, "stopReason": "tool_use"});
    for given in [json!({}), json!({"input": null}), json!({"input": "{}"})] {
        let mut of = json!({"toolUseId": "a", "name": "f"});
        of.as_object_mut()
            .unwrap()
            .extend(given.as_object().unwrap().clone());
        for client in wires::clients().filter(|client| *client != Wire::Converse) {
            let told = translated(Wire::Converse, client, &call(of.clone()));
            assert_eq!(arguments(client, &told), [json!({})], "{told}");
        }
    }
}

#[test]
fn tokens_are_counted_wherever_a_server_tells_them() {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7});
    let none = json!({});
    let rows = [
        (json!({"usage": usage}), none.clone(), (5, 2)),
        (none.clone(), json!({"usage": usage}), (5, 2)),
        (json!({"usage": null}), json!({"usage": usage}), (5, 2)),
        (
            json!({"x_groq": {"id": "r", "usage": usage}}),
            none.clone(),
            (5, 2),
        ),
        (json!({"usage": []}), none.clone(), (0, 0)),
        (json!({"usage": [usage]}), none.clone(), (0, 0)),
        (json!({"usage": ""}), none, (0, 0)),
    ];
    let with = |mut of: Json, more: &Json| {
        let more = more.as_object().unwrap().clone();
        of.as_object_mut().unwrap().extend(more);
        of
    };
    for (beside, of_choice, expected) in rows {
        let mut last = with(end("stop"), &beside);
        last["choices"][0] = with(last["choices"][0].clone(), &of_choice);
        let payload = Payload::parse(Wire::Chat, last.to_string().into()).unwrap();
        let counted = payload.usage().map(|usage| (usage.input, usage.output));
        assert_eq!(counted.unwrap_or_default(), expected, "{last}");
        let mut answer = last.clone();
        answer["choices"][0]["message"] = json!({"role": "assistant", "content": "hello"});
        let events = [chunk(json!({"content": "hello"}), Json::Null), last.clone()];
        for told in [
            whole(Wire::Chat, Wire::Messages, &events),
            translated(Wire::Chat, Wire::Messages, &answer),
        ] {
            let told = &told["usage"];
            let told = (&told["input_tokens"], &told["output_tokens"]);
            assert_eq!(told, (&json!(expected.0), &json!(expected.1)), "{last}");
        }
        let mut stream = Door::OllamaChat.stream(Told::default()).unwrap();
        let mut out = Vec::new();
        events
            .iter()
            .for_each(|event| stream.event(&event.to_string().into(), &mut out));
        stream.end(&mut out);
        let line: Json = serde_json::from_slice(out.last().unwrap()).unwrap();
        let told = line["prompt_eval_count"].as_u64().unwrap_or_default();
        assert_eq!(told, expected.0, "{line}");
    }
    // Nor is an answer of another format lost for what stands there.
    let anthropics = json!({"content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn", "usage": []});
    let responses = json!({"status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}], "usage": []});
    let converses = json!({"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn", "usage": []});
    for (wire, answer) in [
        (Wire::Messages, anthropics),
        (Wire::Responses, responses),
        (Wire::Converse, converses),
    ] {
        Payload::parse(wire, answer.to_string().into()).unwrap();
        let told = translated(wire, Wire::Chat, &answer).to_string();
        assert!(told.contains("hello"), "{told}");
    }
}

fn with_tool(parameters: &Json) -> Json {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}]})
}

#[test]
fn schemas_in_googles_form_are_json_schema_for_all_others() {
    let googles = json!({"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": true, "enum": ["A"]}}});
    let plain = json!({"type": "object", "properties": {"type": {"type": ["string", "null"], "enum": ["A"]}}});
    let mut body = with_tool(&googles);
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "o", "schema": googles}});
    for to in TARGETS.into_iter().filter(|to| to.0 != Wire::Chat) {
        let (sent, _) = sent(&body, to);
        let text = sent.to_string();
        assert!(
            !text.contains("STRING") && !text.contains("OBJECT"),
            "{}: {text}",
            to.2
        );
        if matches!(to.0, Wire::Messages) {
            assert_eq!(sent["tools"][0]["input_schema"], plain, "{}", to.2);
        }
    }
}

#[test]
fn a_schema_whose_root_is_no_object_is_refused_where_the_target_refuses_it() {
    let odd = [
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"type": ["string", "null"]}),
    ];
    let fine = [
        json!({"type": ["object", "null"], "properties": {}}),
        json!({"type": "OBJECT", "properties": {}}),
        json!({}),
        json!(true),
    ];
    let engine = (Wire::Messages, Profile::Engine, "m");
    let targets = TARGETS.into_iter().filter(|to| to.0 != Wire::Chat);
    for to in targets.chain([engine]) {
        let takes = matches!(to.0, Wire::Cohere | Wire::Oci) || to == engine;
        let rows = odd.iter().map(|schema| (schema, !takes));
        for (schema, refused) in rows.chain(fine.iter().map(|schema| (schema, false))) {
            let (_, lost) = sent(&with_tool(schema), to);
            let named = lost.contains(&("tools[0].parameters".to_owned(), Grade::Refused));
            assert_eq!(named, refused, "{schema} to {}: {lost:?}", to.2);
        }
    }
}

#[test]
fn speech_that_openai_keeps_is_named_where_it_is_lost_and_its_words_are_read() {
    let body = |audio: Json| {
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "audio": audio}, {"role": "user", "content": "there"}]})
    };
    let rows = [
        (json!({"id": "audio_1"}), None),
        (
            json!({"id": "audio_1", "transcript": "I said"}),
            Some("I said"),
        ),
    ];
    for (audio, words) in rows {
        for to in TARGETS {
            let (sent, lost) = sent(&body(audio.clone()), to);
            let text = sent.to_string();
            let keeps = to.0 == Wire::Chat && matches!(to.1, Profile::OpenAi | Profile::Standard);
            let named = lost.contains(&("messages[1].audio".to_owned(), Grade::Tolerable));
            assert_eq!(named, !keeps, "{}: {lost:?}", to.2);
            assert_eq!(text.contains("audio_1"), keeps, "{}: {text}", to.2);
            assert!(
                lost.iter().all(|(_, grade)| *grade != Grade::Refused),
                "{lost:?}"
            );
            assert!(
                words.is_none_or(|words| text.contains(words)),
                "{}: {text}",
                to.2
            );
        }
    }
}

#[test]
fn log_probabilities_reach_ollamas_clients_in_streams() {
    let item = json!({"token": "hello", "logprob": -0.5, "bytes": null, "top_logprobs": []});
    let of = |kind: &str, member: &str, more: Json| {
        let mut event = json!({"type": format!("response.output_text.{kind}"), "output_index": 0, "content_index": 0, member: "hello"});
        event["logprobs"] = more;
        event
    };
    let responses = [
        of("delta", "delta", json!([item])),
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed"}}),
    ];
    let mut chat = chunk(json!({"content": "hello"}), Json::Null);
    chat["choices"][0]["logprobs"] = json!({"content": [item], "refusal": null});
    let streams = [
        told(Wire::Responses, Wire::Chat, &responses),
        told(Wire::Chat, Wire::Chat, &[chat, end("stop")]),
    ];
    for door in [Door::OllamaChat, Door::OllamaGenerate] {
        for events in &streams {
            let mut stream = door.stream(Told::default()).unwrap();
            let mut out = Vec::new();
            events
                .iter()
                .for_each(|event| stream.event(event, &mut out));
            stream.end(&mut out);
            let lines = out
                .iter()
                .map(|line| serde_json::from_slice::<Json>(line).unwrap());
            let items: Vec<Json> = lines
                .filter_map(|line| line["logprobs"].as_array().cloned())
                .flatten()
                .collect();
            assert_eq!(items.len(), 1, "{door:?}: {out:?}");
            assert_eq!(items[0]["token"], "hello");
        }
    }
}

#[test]
fn an_option_of_googles_is_none_of_bedrocks_that_has_its_name() {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "streamFunctionCallArguments": true}}});
    let request = Request::parse(wires::target(Wire::Gemini, true), body.to_string().into());
    for to in TARGETS.into_iter().filter(|to| to.0 != Wire::Gemini) {
        let written =
            forebay_dialect::translate_request(request.as_ref().unwrap(), to.0, &options(to));
        let written = written.unwrap();
        let text = String::from_utf8_lossy(&written.body);
        assert!(!text.contains("streamFunction"), "{}: {text}", to.2);
        let named = written
            .lost
            .iter()
            .any(|lost| lost.param.contains("streamFunction"));
        assert!(named, "{}: {:?}", to.2, written.lost);
    }
}
