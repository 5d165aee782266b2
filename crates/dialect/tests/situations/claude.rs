//! What clients send to Anthropic's models, whoever sells them, and what comes back.

use std::sync::Arc;

use forebay_dialect::exchange::{Profile, WriteOptions, Written};
use forebay_dialect::{
    AnswerContext, Request, StreamTranslation, Wire, fold, translate_answer, translate_request,
};
use serde_json::{Value as Json, json};

use crate::wires;

type To = (Wire, Profile, &'static str);

const ANTHROPIC: To = (Wire::Messages, Profile::Standard, "claude-sonnet-4-5");
const NEWEST: To = (Wire::Messages, Profile::Standard, "claude-opus-4-8");
const INVOKE: To = (
    Wire::Messages,
    Profile::BedrockInvoke,
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
);
const CONVERSE: To = (
    Wire::Converse,
    Profile::Standard,
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
);
const NOVA: To = (Wire::Converse, Profile::Standard, "us.amazon.nova-pro-v1:0");
const QWEN: To = (Wire::Converse, Profile::Standard, "qwen.qwen3-32b-v1:0");
const OLDER: To = (
    Wire::Converse,
    Profile::Standard,
    "us.anthropic.claude-sonnet-4-20250514-v1:0",
);
const OPENAI: To = (Wire::Chat, Profile::OpenAi, "gpt-5.1");

fn cross(from: Wire, body: &Json, to: To) -> Written {
    let request = Request::parse(wires::target(from, false), body.to_string().into()).unwrap();
    let options = WriteOptions {
        model: to.2.to_owned(),
        profile: to.1,
        default_max_tokens: 4096,
        ..WriteOptions::default()
    };
    translate_request(&request, to.0, &options).unwrap()
}

fn sent(from: Wire, body: &Json, to: To) -> Json {
    serde_json::from_slice(&cross(from, body, to).body).unwrap()
}

fn context(written: &Written) -> AnswerContext {
    AnswerContext {
        id: "7".into(),
        model: "m".into(),
        back: Arc::new(written.back.clone()),
        ..AnswerContext::default()
    }
}

/// All values of members of that name.
fn found<'j>(value: &'j Json, name: &str, out: &mut Vec<&'j Json>) {
    match value {
        Json::Object(members) => {
            for (key, member) in members {
                if key == name {
                    out.push(member);
                }
                found(member, name, out);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| found(item, name, out)),
        _ => {}
    }
}

fn markers(sent: &Json) -> Vec<&Json> {
    let mut out = Vec::new();
    found(sent, "cache_control", &mut out);
    found(sent, "cachePoint", &mut out);
    out
}

fn marked() -> Json {
    let marker = json!({"type": "ephemeral"});
    let text = |text: String, marker: &Json| json!({"type": "text", "text": text, "cache_control": marker});
    let users =
        (0..3).map(|at| json!({"role": "user", "content": [text(format!("u{at}"), &marker)]}));
    let hour = json!({"type": "ephemeral", "ttl": "1h"});
    json!({"model": "m", "max_tokens": 64, "system": [text("s0".to_owned(), &hour), text("s1".to_owned(), &hour)],
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": marker}],
        "messages": users.collect::<Vec<_>>()})
}

#[test]
fn markers_stand_where_the_model_can_cut_and_there_are_four_at_most() {
    let chat = json!({"model": "m", "tools": [{"type": "function", "function": {"name": "f", "cache_control": {"type": "ephemeral"}}}],
        "messages": [{"role": "system", "content": "s", "cache_control": {"type": "ephemeral"}},
            {"role": "user", "content": "a", "cache_control": {"type": "ephemeral"}}, {"role": "user", "content": "b", "cache_control": {"type": "ephemeral"}},
            {"role": "user", "content": "c", "cache_control": {"type": "ephemeral"}}]});
    for to in [ANTHROPIC, NEWEST, INVOKE, CONVERSE] {
        let sent = sent(Wire::Chat, &chat, to);
        assert_eq!(markers(&sent).len(), 4, "{}: {sent}", to.2);
    }
    let hours = |sent: &Json| markers(sent).iter().filter(|m| m["ttl"] == "1h").count();
    let of_sonnet = sent(Wire::Messages, &marked(), CONVERSE);
    assert_eq!((markers(&of_sonnet).len(), hours(&of_sonnet)), (4, 1));
    // Behind one for an hour stands none for less, and none for an hour where the model has none.
    assert!(markers(&of_sonnet["toolConfig"]).is_empty(), "{of_sonnet}");
    let of_older = sent(Wire::Messages, &marked(), OLDER);
    assert_eq!((markers(&of_older).len(), hours(&of_older)), (4, 0));
    let of_nova = sent(Wire::Messages, &marked(), NOVA);
    assert!(markers(&of_nova["toolConfig"]).is_empty(), "{of_nova}");
    assert!(!markers(&of_nova["system"]).is_empty() && hours(&of_nova) == 0);
    assert!(markers(&sent(Wire::Messages, &marked(), QWEN)).is_empty());
}

#[test]
fn a_marker_in_a_result_is_one_behind_it() {
    let marker = json!({"type": "ephemeral"});
    let chat = json!({"model": "m", "tools": [{"type": "function", "function": {"name": "f"}}], "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "sun", "cache_control": marker}]});
    let of_claude = sent(Wire::Chat, &chat, ANTHROPIC);
    assert_eq!(
        of_claude["messages"][2]["content"][0]["cache_control"],
        marker
    );
    let of_bedrock = sent(Wire::Chat, &chat, CONVERSE);
    let content = of_bedrock["messages"][2]["content"].as_array().unwrap();
    assert!(content[0].get("toolResult").is_some() && content[1].get("cachePoint").is_some());
}

#[test]
fn bedrock_gets_a_text_beside_a_file_and_names_that_differ() {
    let file = |title: Json| json!({"type": "document", "title": title, "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}});
    let titles = [
        json!("a.pdf"),
        json!("a"),
        json!("a b"),
        json!("a_b"),
        json!("a-b"),
        Json::Null,
        json!(" "),
    ];
    let turns: Vec<Json> = titles
        .chunks(4)
        .flat_map(|titles| {
            let files: Vec<Json> = titles.iter().cloned().map(file).collect();
            [
                json!({"role": "user", "content": files}),
                json!({"role": "assistant", "content": "yes"}),
            ]
        })
        .chain([json!({"role": "user", "content": [file(json!("document-6"))]})])
        .collect();
    let body = json!({"model": "m", "max_tokens": 64, "messages": turns});
    let sent = sent(Wire::Messages, &body, CONVERSE);
    let (mut names, mut all) = (Vec::new(), 0);
    found(&sent, "name", &mut names);
    let mut told = names.clone();
    told.sort_by_key(|name| name.to_string());
    told.dedup();
    assert_eq!((told.len(), names.len()), (8, 8), "{sent}");
    for turn in sent["messages"].as_array().unwrap() {
        let blocks = turn["content"].as_array().unwrap();
        assert!(
            blocks.iter().any(|block| block.get("text").is_some()),
            "{turn}"
        );
        all += blocks
            .iter()
            .filter(|block| block.get("document").is_some())
            .count();
    }
    assert_eq!(all, 8);
}

#[test]
fn what_claude_code_tells_of_itself_goes_to_anthropic_only() {
    let billing = "x-anthropic-billing-header: cc_version=2.1; cch=00000;";
    let alone = json!([{"type": "text", "text": billing}, {"type": "text", "text": "You are."}]);
    let joined = json!(format!("{billing}\nYou are."));
    for system in [alone, joined] {
        let body = json!({"model": "m", "max_tokens": 64, "system": system, "messages": [{"role": "user", "content": billing}]});
        for to in [
            CONVERSE,
            NOVA,
            OPENAI,
            (Wire::Chat, Profile::Engine, "m"),
            (Wire::Gemini, Profile::Standard, "gemini-2.5-pro"),
        ] {
            let sent = sent(Wire::Messages, &body, to).to_string();
            assert_eq!(
                sent.matches("billing-header").count(),
                1,
                "{}: {sent}",
                to.2
            );
            assert!(sent.contains("You are."), "{}: {sent}", to.2);
        }
    }
    let only = json!({"model": "m", "max_tokens": 64, "system": billing, "messages": [{"role": "user", "content": "hi"}]});
    let sent = sent(Wire::Messages, &only, OPENAI);
    assert_eq!(sent["messages"].as_array().unwrap().len(), 1, "{sent}");
}

#[test]
fn ids_of_users_are_no_longer_than_the_target_takes() {
    for (length, at_openai, at_anthropic) in
        [(64, true, true), (65, false, true), (257, false, false)]
    {
        let user = "u".repeat(length);
        let claude = json!({"model": "m", "max_tokens": 9, "metadata": {"user_id": user}, "messages": [{"role": "user", "content": "hi"}]});
        let sent_there = sent(Wire::Messages, &claude, OPENAI);
        let told = sent_there.to_string().contains(&user);
        assert_eq!(told, at_openai, "{length}");
        let chat =
            json!({"model": "m", "user": user, "messages": [{"role": "user", "content": "hi"}]});
        let told = sent(Wire::Chat, &chat, ANTHROPIC)["metadata"]["user_id"] == user;
        assert_eq!(told, at_anthropic, "{length}");
    }
}

#[test]
fn thinking_is_asked_for_in_chat_as_in_anthropics_messages() {
    let asks = |thinking: Json| json!({"model": "m", "max_tokens": 9000, "temperature": 0.2, "thinking": thinking, "messages": [{"role": "user", "content": "hi"}]});
    let budget = asks(json!({"type": "enabled", "budget_tokens": 2000}));
    let sent_there = sent(Wire::Chat, &budget, ANTHROPIC);
    assert_eq!(
        sent_there["thinking"],
        json!({"type": "enabled", "budget_tokens": 2000})
    );
    assert!(sent_there["temperature"].is_null(), "{sent_there}");
    let there = sent(Wire::Chat, &budget, CONVERSE);
    assert_eq!(
        there["additionalModelRequestFields"]["thinking"]["budget_tokens"],
        2000
    );
    assert_eq!(
        sent(Wire::Chat, &budget, NEWEST)["thinking"]["type"],
        "adaptive"
    );
    for more in ["adaptive", "enabled"] {
        let there = sent(Wire::Chat, &asks(json!({"type": more})), NEWEST);
        assert_eq!(there["thinking"]["type"], "adaptive", "{more}");
    }
    let off = sent(Wire::Chat, &asks(json!({"type": "disabled"})), ANTHROPIC);
    assert_eq!(off["thinking"]["type"], "disabled");
    assert_eq!(off["temperature"], 0.2);
}

/// An answer that thinks between its calls, whole.
fn interleaved() -> Json {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}, "content": [
        {"type": "thinking", "thinking": "one", "signature": "c2lnMQ=="}, {"type": "text", "text": "first"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "thinking", "thinking": "", "signature": "c2lnMg=="}, {"type": "redacted_thinking", "data": "Zm9v"},
        {"type": "tool_use", "id": "t2", "name": "f", "input": {"a": 2}}]})
}

/// The same in events.
fn events(answer: &Json) -> Vec<Json> {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 1, "output_tokens": 1}}}),
    ];
    for (index, block) in answer["content"].as_array().unwrap().iter().enumerate() {
        let mut begins = block.clone();
        let mut deltas = Vec::new();
        let delta =
            |delta: Json| json!({"type": "content_block_delta", "index": index, "delta": delta});
        match block["type"].as_str().unwrap() {
            "thinking" => {
                deltas.push(delta(
                    json!({"type": "thinking_delta", "thinking": block["thinking"]}),
                ));
                deltas.push(delta(
                    json!({"type": "signature_delta", "signature": block["signature"]}),
                ));
                begins["thinking"] = "".into();
                begins["signature"] = "".into();
            }
            "tool_use" => {
                let input = block["input"].to_string();
                for piece in [&input[..2], &input[2..]] {
                    deltas.push(delta(
                        json!({"type": "input_json_delta", "partial_json": piece}),
                    ));
                }
                begins["input"] = json!({});
            }
            "text" => {
                deltas.push(delta(json!({"type": "text_delta", "text": block["text"]})));
                begins["text"] = "".into();
            }
            _ => {}
        }
        events
            .push(json!({"type": "content_block_start", "index": index, "content_block": begins}));
        events.append(&mut deltas);
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let stop = &answer["stop_reason"];
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 1}}));
    events.push(json!({"type": "message_stop"}));
    events
}

/// The answer as the client gets it, whole and streamed.
fn answered(written: &Written, client: Wire, answer: &Json) -> [Json; 2] {
    let context = context(written);
    let whole = translate_answer(Wire::Messages, client, &answer.to_string().into(), &context);
    let mut translation = StreamTranslation::new(Wire::Messages, client, &context);
    let mut out = Vec::new();
    for event in events(answer) {
        translation
            .push(None, &event.to_string().into(), &mut out)
            .unwrap();
    }
    translation.end_of_body(&mut out);
    let streamed = fold(client, &out, &context).unwrap();
    [whole.unwrap(), streamed].map(|body| serde_json::from_slice(&body).unwrap())
}

#[test]
fn thinking_between_calls_goes_back_to_its_place_from_a_chat_client() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let user = json!({"role": "user", "content": "hi"});
    let asked =
        json!({"model": "m", "reasoning_effort": "low", "tools": tools, "messages": [user]});
    let written = cross(Wire::Chat, &asked, NEWEST);
    for told in answered(&written, Wire::Chat, &interleaved()) {
        let message = &told["choices"][0]["message"];
        let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "r"});
        let again = json!({"model": "m", "reasoning_effort": "low", "tools": tools, "messages": [user, message, result("t1"), result("t2")]});
        let sent = sent(Wire::Chat, &again, NEWEST);
        let expected = &interleaved()["content"];
        assert_eq!(&sent["messages"][1]["content"], expected, "{message}");
    }
}

#[test]
fn arguments_have_the_clients_own_names_again() {
    let schema = json!({"type": "object", "required": ["$top"], "properties": {"$top": {"type": "integer"}, "filter[id]": {"type": "string"}, "plain": {}}});
    let tools = json!([{"type": "function", "function": {"name": "a.b", "parameters": schema}}]);
    let arguments = json!({"$top": 1, "filter[id]": "x", "plain": null});
    let user = json!({"role": "user", "content": "hi"});
    let call = json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "a.b", "arguments": arguments.to_string()}}]});
    let result = json!({"role": "tool", "tool_call_id": "c", "content": "r"});
    let asked = json!({"model": "m", "tools": tools, "messages": [user, call, result]});
    let written = cross(Wire::Chat, &asked, ANTHROPIC);
    let sent: Json = serde_json::from_slice(&written.body).unwrap();
    let declared = sent["tools"][0]["input_schema"]["properties"]
        .as_object()
        .unwrap();
    let fits = |name: &String| {
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    assert!(declared.len() == 3 && declared.keys().all(fits), "{sent}");
    // The history and the answer have the names that were declared.
    let call = &sent["messages"][1]["content"][0];
    let input = call["input"].as_object().unwrap();
    assert!(
        input.keys().all(|name| declared.contains_key(name)),
        "{sent}"
    );
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 1}, "content": [{"type": "tool_use", "id": "t1", "name": call["name"], "input": call["input"]}]});
    for told in answered(&written, Wire::Chat, &answer) {
        let called = &told["choices"][0]["message"]["tool_calls"][0]["function"];
        assert_eq!(called["name"], "a.b");
        let told: Json = serde_json::from_str(called["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(told, arguments);
    }
    assert!(
        sent["tools"][0]["input_schema"]["required"][0]
            .as_str()
            .is_some_and(|name| declared.contains_key(name))
    );
}

#[test]
fn what_a_stream_counted_at_its_start_is_not_undone_by_zeros_at_its_end() {
    let written = cross(
        Wire::Chat,
        &json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
        ANTHROPIC,
    );
    let context = context(&written);
    let mut translation = StreamTranslation::new(Wire::Messages, Wire::Chat, &context);
    let mut out = Vec::new();
    for event in [
        json!({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 100, "cache_read_input_tokens": 50, "output_tokens": 1}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ] {
        translation
            .push(None, &event.to_string().into(), &mut out)
            .unwrap();
    }
    let told = out
        .iter()
        .map(|out| String::from_utf8_lossy(out).into_owned())
        .collect::<String>();
    assert!(
        told.contains("\"prompt_tokens\":150") && told.contains("\"completion_tokens\":9"),
        "{told}"
    );
}

#[test]
fn a_tool_that_is_declared_twice_goes_up_once() {
    let tool = |about: &str| {
        json!({"type": "function", "function": {"name": "w", "description": about,
            "parameters": {"type": "object", "properties": {}}}})
    };
    let tools = |list: &[&str]| {
        let list: Vec<_> = list.iter().map(|about| tool(about)).collect();
        let body =
            json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": list});
        [ANTHROPIC, CONVERSE, OPENAI].map(|to| {
            let body = sent(Wire::Chat, &body, to);
            let tools = body
                .pointer("/toolConfig/tools")
                .or_else(|| body.get("tools"));
            tools.unwrap().as_array().unwrap().len()
        })
    };
    // The last is the client's own format, but goes the same way here.
    assert_eq!(tools(&["a", "a", "a"]), [1, 1, 1]);
    // Which of two different ones is meant is for the provider to say.
    assert_eq!(tools(&["a", "b", "a"]), [2, 2, 2]);
}
