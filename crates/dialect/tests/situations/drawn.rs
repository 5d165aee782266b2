//! Images that models draw, for every client, whole and streamed; and on their way back up.

use forebay_dialect::exchange::{Grade, Profile, WriteOptions};
use forebay_dialect::{
    AnswerContext, Request, StreamTranslation, Wire, fold, translate_answer, translate_request,
};
use serde_json::{Value as Json, json};

use crate::wires;

const DATA: &str = "iVBORw0KGgo=";

/// A text and an image, whole, by upstreams that draw.
fn drawn() -> Vec<(Wire, Json)> {
    let url = format!("data:image/png;base64,{DATA}");
    vec![
        (
            Wire::Gemini,
            json!({"responseId": "r", "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
                {"text": "here"}, {"inlineData": {"mimeType": "image/png", "data": DATA}}]}}]}),
        ),
        (
            Wire::Chat,
            json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "here",
                "images": [{"type": "image_url", "image_url": {"url": url}}]}}]}),
        ),
        (
            Wire::Responses,
            json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [
                {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                 "content": [{"type": "output_text", "text": "here", "annotations": []}]},
                {"type": "image_generation_call", "id": "ig_1", "status": "completed", "output_format": "png", "result": DATA}]}),
        ),
    ]
}

/// The same as a stream.
fn streamed(wire: Wire, whole: &Json) -> Vec<Json> {
    match wire {
        Wire::Gemini => vec![whole.clone()],
        Wire::Chat => {
            let message = &whole["choices"][0]["message"];
            let chunk = |delta: Json, finish: Json| json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
            vec![
                chunk(json!({"role": "assistant", "content": "here"}), Json::Null),
                chunk(json!({"images": message["images"]}), Json::Null),
                chunk(json!({}), json!("stop")),
            ]
        }
        _ => {
            let (said, image) = (&whole["output"][0], &whole["output"][1]);
            let begun = json!({"type": "image_generation_call", "id": "ig_1", "status": "in_progress", "result": null});
            vec![
                json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}}),
                json!({"type": "response.output_item.done", "output_index": 0, "item": said}),
                json!({"type": "response.output_item.added", "output_index": 1, "item": begun}),
                json!({"type": "response.image_generation_call.partial_image", "output_index": 1, "partial_image_b64": "QUJD"}),
                json!({"type": "response.output_item.done", "output_index": 1, "item": image}),
                json!({"type": "response.completed", "response": whole}),
            ]
        }
    }
}

fn context() -> AnswerContext {
    AnswerContext {
        id: "a1".to_owned(),
        model: "m".to_owned(),
        ..AnswerContext::default()
    }
}

/// The image where that client finds it in a whole answer.
fn found(client: Wire, answer: &Json) -> Option<Json> {
    let (place, expected) = match client {
        Wire::Chat => (
            "/choices/0/message/images/0/image_url/url",
            format!("data:image/png;base64,{DATA}"),
        ),
        Wire::Responses => ("/output/1/result", DATA.to_owned()),
        Wire::Messages => ("/content/1/source/data", DATA.to_owned()),
        Wire::Converse => (
            "/output/message/content/1/image/source/bytes",
            DATA.to_owned(),
        ),
        _ => (
            "/candidates/0/content/parts/1/inlineData/data",
            DATA.to_owned(),
        ),
    };
    let image = answer.pointer(place)?;
    (*image == expected).then(|| image.clone())
}

#[test]
fn an_image_that_a_model_draws_reaches_every_client_whole_and_streamed() {
    for (from, whole) in drawn() {
        for client in wires::clients() {
            if client == from || client.operation() != Wire::Chat.operation() {
                continue;
            }
            let told = translate_answer(from, client, &whole.to_string().into(), &context());
            let answer: Json = serde_json::from_slice(&told.unwrap()).unwrap();
            let pair = format!("{} to {}", from.as_str(), client.as_str());
            assert!(found(client, &answer).is_some(), "{pair}: {answer}");

            let mut stream = StreamTranslation::new(from, client, &context());
            let mut events = Vec::new();
            for event in streamed(from, &whole) {
                stream
                    .push(None, &event.to_string().into(), &mut events)
                    .unwrap();
            }
            stream.end_of_body(&mut events);
            assert!(stream.has_ended(), "{pair}");
            let all = events.iter().map(|event| String::from_utf8_lossy(event));
            let times = all.filter(|event| event.contains(DATA)).count();
            // A response is told once more at its end.
            let expected = if client == Wire::Responses { 2 } else { 1 };
            assert_eq!(times, expected, "{pair}");
            if client == Wire::Converse {
                continue;
            }
            let folded = fold(client, &events, &context()).unwrap();
            let folded: Json = serde_json::from_slice(&folded).unwrap();
            assert!(found(client, &folded).is_some(), "{pair}: {folded}");
        }
    }
}

#[test]
fn drafts_in_a_models_thoughts_are_no_images_of_its_answer() {
    let whole = json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"parts": [
        {"thought": true, "inlineData": {"mimeType": "image/png", "data": DATA}}, {"text": "here"}]}}]});
    let told = translate_answer(
        Wire::Gemini,
        Wire::Chat,
        &whole.to_string().into(),
        &context(),
    );
    assert!(!String::from_utf8_lossy(&told.unwrap()).contains(DATA));
}

/// A history in which the assistant has drawn, and called a tool.
fn histories() -> [(Wire, Json); 4] {
    let url = format!("data:image/png;base64,{DATA}");
    [
        (
            Wire::Chat,
            json!({"model": "m", "messages": [{"role": "user", "content": "draw"},
                {"role": "assistant", "content": "here", "images": [{"type": "image_url", "index": 0, "image_url": {"url": url}}],
                 "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "done"}, {"role": "user", "content": "more"}],
                "tools": [{"type": "function", "function": {"name": "f"}}]}),
        ),
        (
            Wire::Responses,
            json!({"model": "m", "input": [{"role": "user", "content": "draw"},
                {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": DATA},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "done"}, {"role": "user", "content": "more"}],
                "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]}),
        ),
        (
            Wire::Messages,
            json!({"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "draw"},
                {"role": "assistant", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "done"}, {"type": "text", "text": "more"}]}],
                "tools": [{"name": "f", "input_schema": {"type": "object"}}]}),
        ),
        (
            Wire::Gemini,
            json!({"contents": [{"role": "user", "parts": [{"text": "draw"}]},
                {"role": "model", "parts": [{"inlineData": {"mimeType": "image/png", "data": DATA}}, {"functionCall": {"id": "c1", "name": "f", "args": {}}}]},
                {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": "f", "response": {"output": "done"}}}]},
                {"role": "user", "parts": [{"text": "more"}]}],
                "tools": [{"functionDeclarations": [{"name": "f"}]}]}),
        ),
    ]
}

#[test]
fn what_the_assistant_has_drawn_goes_up_and_where_users_show_images_that_is_named() {
    let targets = [
        (Wire::Chat, Profile::OpenAi, "gpt-5.1"),
        (Wire::Responses, Profile::OpenAi, "gpt-5.1"),
        (Wire::Messages, Profile::Standard, "claude-sonnet-4-5"),
        (Wire::Gemini, Profile::Standard, "gemini-3-pro-image"),
        (
            Wire::Converse,
            Profile::Standard,
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
    ];
    for (client, body) in histories() {
        let request = Request::parse(wires::target(client, false), body.to_string().into());
        let request = request.unwrap();
        for (to, profile, model) in targets {
            if to == client {
                continue;
            }
            let options = WriteOptions {
                model: model.to_owned(),
                profile,
                default_max_tokens: 4096,
                ..WriteOptions::default()
            };
            let written = translate_request(&request, to, &options).unwrap();
            let pair = format!("{} to {}", client.as_str(), to.as_str());
            let text = String::from_utf8(written.body.to_vec()).unwrap();
            assert_eq!(text.matches(DATA).count(), 1, "{pair}: {text}");
            let grades: Vec<Grade> = written.lost.iter().map(|lost| lost.grade).collect();
            assert!(
                !grades.contains(&Grade::Refused),
                "{pair}: {:?}",
                written.lost
            );
            let named = written
                .lost
                .iter()
                .any(|lost| lost.param.ends_with("images"));
            assert_eq!(named, to != Wire::Gemini, "{pair}: {:?}", written.lost);
        }
    }
}
