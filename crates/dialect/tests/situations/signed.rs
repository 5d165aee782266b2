//! Signatures and encrypted reasoning: down to a client, and up again to their maker or to another.

use std::sync::Arc;

use forebay_dialect::exchange::{Grade, Profile, WriteOptions, Written};
use forebay_dialect::{
    AnswerContext, Request, StreamTranslation, Wire, fold, resign, translate_answer,
    translate_request,
};
use serde_json::{Value as Json, json};

use crate::wires;

/// A maker of models: the format and the model that is asked for, an answer with `SIGNED` in it,
/// whole and streamed, and what it signs with.
struct Maker {
    wire: Wire,
    profile: Profile,
    model: &'static str,
    signed: &'static str,
    whole: Json,
    events: Vec<Json>,
}

fn makers() -> Vec<Maker> {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "SIGNED"}, {"type": "text", "text": "yes"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}});
    let (first, second) = ("SIG", "NED");
    let signs = |piece: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": piece}});
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 1, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        signs(first),
        signs(second),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "yes"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ];
    // The signature in two pieces.
    let (begin, end) = ANTHROPIC.split_at(4);
    events[3]["delta"]["signature"] = begin.into();
    events[4]["delta"]["signature"] = end.into();
    let candidate = json!({"responseId": "r", "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
        {"text": "hm", "thought": true}, {"text": "yes", "thoughtSignature": "SIGNED"}]}}]});
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "SIGNED"});
    let said = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "yes", "annotations": []}]});
    let response = json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [thought, said]});
    let converse = json!({"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "SIGNED"}}}, {"text": "yes"}]}}, "stopReason": "end_turn"});
    vec![
        Maker {
            wire: Wire::Messages,
            profile: Profile::Standard,
            model: "claude-opus-4-5",
            signed: ANTHROPIC,
            whole: message,
            events,
        },
        Maker {
            wire: Wire::Gemini,
            profile: Profile::Standard,
            model: "gemini-3-pro-preview",
            signed: "CpcBAVSoXO+/",
            events: vec![candidate.clone()],
            whole: candidate,
        },
        Maker {
            wire: Wire::Responses,
            profile: Profile::OpenAi,
            model: "gpt-5.1",
            signed: "gAAAAABo-_x=",
            events: vec![
                json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}}),
                json!({"type": "response.output_item.done", "output_index": 0, "item": thought}),
                json!({"type": "response.output_item.done", "output_index": 1, "item": said}),
                json!({"type": "response.completed", "response": response}),
            ],
            whole: response,
        },
        Maker {
            wire: Wire::Converse,
            profile: Profile::Standard,
            model: "us.anthropic.claude-opus-4-5-20251101-v1:0",
            signed: ANTHROPIC,
            whole: converse,
            events: Vec::new(),
        },
    ]
}

const ANTHROPIC: &str = "EqQBCgIYAhIM/w==";

fn options(maker: &Maker) -> WriteOptions {
    WriteOptions {
        model: maker.model.to_owned(),
        profile: maker.profile,
        default_max_tokens: 4096,
        ..WriteOptions::default()
    }
}

/// A client's first question.
fn asks(client: Wire) -> Request {
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let request = Request::parse(Wire::Chat, chat.to_string().into()).unwrap();
    if client == Wire::Chat {
        return request;
    }
    let options = WriteOptions {
        model: "m".to_owned(),
        default_max_tokens: 64,
        ..WriteOptions::default()
    };
    let body = translate_request(&request, client, &options).unwrap().body;
    Request::parse(wires::target(client, false), body).unwrap()
}

/// What the client sends next: its question, the answer as it got it, and another question.
fn goes_on(client: Wire, first: &Request, answer: &Json) -> Request {
    let mut body: Json = serde_json::from_slice(&first.body).unwrap();
    let more = match client {
        Wire::Chat => vec![
            answer["choices"][0]["message"].clone(),
            json!({"role": "user", "content": "and?"}),
        ],
        Wire::Messages => vec![
            json!({"role": "assistant", "content": answer["content"]}),
            json!({"role": "user", "content": "and?"}),
        ],
        Wire::Gemini => vec![
            answer["candidates"][0]["content"].clone(),
            json!({"role": "user", "parts": [{"text": "and?"}]}),
        ],
        Wire::Converse => vec![
            answer["output"]["message"].clone(),
            json!({"role": "user", "content": [{"text": "and?"}]}),
        ],
        _ => {
            if let Some(text) = body["input"].as_str() {
                body["input"] = json!([{"role": "user", "content": text}]);
            }
            let mut items = answer["output"].as_array().unwrap().clone();
            items.push(json!({"role": "user", "content": "and?"}));
            items
        }
    };
    let list = match client {
        Wire::Gemini => "contents",
        Wire::Responses => "input",
        _ => "messages",
    };
    body[list].as_array_mut().unwrap().extend(more);
    Request::parse(wires::target(client, false), body.to_string().into()).unwrap()
}

fn clients() -> impl Iterator<Item = Wire> {
    wires::clients().filter(|wire| {
        matches!(
            wire,
            Wire::Chat | Wire::Responses | Wire::Messages | Wire::Gemini | Wire::Converse
        )
    })
}

fn told(maker: &Maker, client: Wire, written: &Written, streams: bool) -> Json {
    let context = AnswerContext {
        id: "a1".to_owned(),
        model: "m".to_owned(),
        back: Arc::new(written.back.clone()),
        ..AnswerContext::default()
    };
    let signed = |json: &Json| json.to_string().replace("SIGNED", maker.signed);
    let body = if streams {
        let mut stream = StreamTranslation::new(maker.wire, client, &context);
        let mut events = Vec::new();
        for event in &maker.events {
            stream
                .push(None, &signed(event).into(), &mut events)
                .unwrap();
        }
        stream.end_of_body(&mut events);
        fold(client, &events, &context).unwrap()
    } else {
        translate_answer(maker.wire, client, &signed(&maker.whole).into(), &context).unwrap()
    };
    serde_json::from_slice(&body).unwrap()
}

/// The names of makers, whoever sells their models.
fn is_one_maker(one: &Maker, other: &Maker) -> bool {
    one.signed == other.signed
}

#[test]
fn what_a_maker_signs_goes_back_to_it_byte_for_byte_and_never_to_another() {
    for maker in &makers() {
        for client in clients().filter(|client| *client != maker.wire) {
            let first = asks(client);
            let written = translate_request(&first, maker.wire, &options(maker)).unwrap();
            for streams in [false, true] {
                if streams && maker.events.is_empty() {
                    continue;
                }
                let answer = told(maker, client, &written, streams);
                let next = goes_on(client, &first, &answer);
                for target in &makers() {
                    let case = format!(
                        "{} by {} ({streams}) to {}",
                        maker.wire.as_str(),
                        client.as_str(),
                        target.wire.as_str()
                    );
                    let (body, lost) = if target.wire == client {
                        match resign(&next.body, client, target.profile, target.model) {
                            Some(resigned) => resigned,
                            None => (next.body.clone(), Vec::new()),
                        }
                    } else {
                        let written = translate_request(&next, target.wire, &options(target));
                        let written = written.unwrap_or_else(|error| panic!("{case}: {error}"));
                        (written.body, written.lost)
                    };
                    let body = String::from_utf8(body.to_vec()).unwrap();
                    let own = is_one_maker(maker, target);
                    let quoted = format!("\"{}\"", maker.signed);
                    assert_eq!(body.contains(&quoted), own, "{case}: {body}");
                    assert!(!body.contains("ForebayMark1"), "{case}: {body}");
                    let named = lost.iter().any(|lost| {
                        let of = ["signature", "encrypted_content", "thoughtSignature"];
                        lost.grade == Grade::Tolerable
                            && of.iter().any(|of| lost.param.ends_with(of))
                    });
                    assert_eq!(named, !own, "{case}: {lost:?}");
                }
            }
        }
    }
}

#[test]
fn what_a_client_has_from_its_own_formats_maker_never_goes_to_another() {
    let makers = makers();
    for (maker, client) in [(0, Wire::Messages), (1, Wire::Gemini), (2, Wire::Responses)] {
        let maker = &makers[maker];
        let answer = maker.whole.to_string().replace("SIGNED", maker.signed);
        let next = goes_on(
            client,
            &asks(client),
            &serde_json::from_str(&answer).unwrap(),
        );
        assert!(resign(&next.body, client, maker.profile, maker.model).is_none());
        for target in makers.iter().filter(|target| target.wire != client) {
            let written = translate_request(&next, target.wire, &options(target)).unwrap();
            let body = String::from_utf8(written.body.to_vec()).unwrap();
            let own = is_one_maker(maker, target);
            assert_eq!(body.contains(maker.signed), own, "{}", target.model);
            assert_eq!(written.lost.is_empty(), own, "{:?}", written.lost);
        }
    }
}

#[test]
fn a_string_of_openais_by_its_shape_goes_to_no_other_maker() {
    let block = |signed: &str| json!({"type": "thinking", "thinking": "t", "signature": signed});
    for (signed, target, stays) in [
        ("gAAAAABo", 0, false),
        ("gAAAAABo", 2, true),
        ("EqQBCgIYAhIM", 0, true),
        ("EqQBCgIYAhIM", 2, false),
    ] {
        let target = &makers()[target];
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": "a", "thinking_blocks": [block(signed)]}, {"role": "user", "content": "and?"}]});
        let request = Request::parse(Wire::Chat, body.to_string().into()).unwrap();
        let written = translate_request(&request, target.wire, &options(target)).unwrap();
        let text = String::from_utf8(written.body.to_vec()).unwrap();
        assert_eq!(text.contains(signed), stays, "{signed}: {text}");
    }
}
