use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

const TOKEN_A: &str = "0123456789abcdef0123456789abcdef";

fn body(value: Value) -> Bytes {
    value.to_string().into()
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn stamp() -> Stamp {
    Stamp {
        token: Some(TOKEN_A.into()),
        previous: Some("resp_before".into()),
    }
}

#[test]
fn a_request_says_what_it_refers_to() {
    let asked = |value| read(&body(value)).unwrap().unwrap();
    let plain = asked(json!({"model": "m", "input": "hi"}));
    assert!(plain.store && plain.previous.is_none() && plain.references.is_empty());
    let refers = asked(json!({
        "model": "m", "store": false, "previous_response_id": "resp_1",
        "input": [{"type": "item_reference", "id": "fc_1"}, {"id": "rs_2"},
            {"role": "user", "content": "hi", "id": "msg_3"}],
    }));
    assert!(!refers.store);
    assert_eq!(refers.previous.as_deref(), Some("resp_1"));
    assert_eq!(refers.references, ["fc_1", "rs_2"]);
    let names = asked(json!({"conversation": {"id": "conv_1"}, "background": true}));
    assert_eq!(names.conversation.as_deref(), Some("conv_1"));
    assert!(names.background);
}

#[test]
fn what_is_no_id_is_told_so() {
    for (value, param) in [
        (json!({"previous_response_id": 7}), "previous_response_id"),
        (json!({"store": "yes"}), "store"),
        (
            json!({"input": [{"type": "item_reference"}]}),
            "input[0].id",
        ),
        (json!({"conversation": {"id": 7}}), "conversation"),
    ] {
        let error = read(&body(value)).unwrap_err();
        assert_eq!(error.param(), Some(param));
    }
    assert_eq!(read(&Bytes::from_static(b"[]")).unwrap(), None);
    assert_eq!(read(&Bytes::from_static(b"{")).unwrap(), None);
}

#[test]
fn a_request_without_references_keeps_its_bytes_but_for_store() {
    let raw = Bytes::from_static(br#"{"model":"m", "input" : "hi","x":1.50}"#);
    let composed = compose(&raw, Vec::new(), &[]).unwrap();
    assert_eq!(
        composed.body,
        r#"{"model":"m","input":"hi","x":1.50,"store":false}"#
    );
    assert_eq!(composed.items.len(), 1);
}

#[test]
fn the_conversation_comes_before_the_input_and_references_become_items() {
    let item = |id: &str, json: Value| Item {
        id: id.into(),
        json: json.to_string(),
    };
    let before = vec![
        item("msg_1", json!({"role": "user", "content": "hi"})),
        item(
            "rs_1",
            json!({"type": "reasoning", "id": "rs_1", "summary": []}),
        ),
    ];
    let found = [item(
        "fc_1",
        json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}),
    )];
    let request = body(
        json!({"model": "m", "previous_response_id": "resp_1", "input": [
            {"type": "item_reference", "id": "fc_1"},
            {"type": "function_call_output", "call_id": "c", "output": "7"},
        ]}),
    );
    let composed = compose(&request, before, &found).unwrap();
    let sent = parsed(&composed.body);
    assert!(sent.get("previous_response_id").is_none());
    let kinds: Vec<&str> = sent["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap_or("message"))
        .collect();
    assert_eq!(kinds, ["message", "function_call", "function_call_output"]);
    assert_eq!(composed.items.len(), 4, "reasoning is kept all the same");
    assert!(compose(&request, Vec::new(), &[]).is_none());
}

#[test]
fn reasoning_is_asked_for_in_its_sealed_form() {
    let include = |value: Value| {
        let composed = compose(&body(value), Vec::new(), &[]).unwrap();
        parsed(&composed.body)["include"].clone()
    };
    let sealed = json!(["reasoning.encrypted_content"]);
    assert_eq!(include(json!({"input": "", "reasoning": {}})), sealed);
    assert_eq!(
        include(json!({"input": "", "reasoning": {}, "include": ["a"]})),
        json!(["a", "reasoning.encrypted_content"])
    );
    assert_eq!(
        include(json!({"input": "", "reasoning": {"effort": "none"}})),
        Value::Null
    );
    assert_eq!(include(json!({"input": ""})), Value::Null);
}

#[test]
fn a_response_and_its_events_get_the_same_ids() {
    let response = json!({
        "id": "chatcmpl-1", "object": "response", "store": false, "output": [
            {"id": "rs_up", "type": "reasoning", "summary": []},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        ],
    });
    let whole = parsed(&stamp().whole(&body(response.clone())).unwrap());
    assert_eq!(whole["id"], format!("resp_{TOKEN_A}"));
    assert_eq!(whole["store"], true);
    assert_eq!(whole["previous_response_id"], "resp_before");
    assert_eq!(whole["output"][0]["id"], format!("rs_{TOKEN_A}0000"));
    assert_eq!(whole["output"][1]["id"], format!("fc_{TOKEN_A}0001"));

    let event = |value: Value| stamp().event(&body(value));
    let added = event(
        json!({"type": "response.output_item.added", "output_index": 1,
        "item": {"id": "fc_up", "type": "function_call"}}),
    );
    assert_eq!(
        parsed(&added.data)["item"]["id"],
        format!("fc_{TOKEN_A}0001")
    );
    let delta = event(json!({"type": "response.function_call_arguments.delta",
        "item_id": "fc_up", "output_index": 1, "delta": "{"}));
    assert_eq!(parsed(&delta.data)["item_id"], format!("fc_{TOKEN_A}0001"));
    assert_eq!(delta.response, None);
    let ended = event(json!({"type": "response.completed", "response": response}));
    assert_eq!(parsed(&ended.response.unwrap()), whole);
}

/// Upstreams, and masks, give ids without the prefixes of OpenAI's.
#[test]
fn every_event_about_an_item_has_the_items_id_whatever_an_upstream_called_it() {
    let about = [
        ("message", "response.output_text.delta"),
        ("message", "response.output_text.done"),
        ("message", "response.output_text.annotation.added"),
        ("message", "response.content_part.added"),
        ("message", "response.content_part.done"),
        ("message", "response.refusal.delta"),
        ("reasoning", "response.reasoning_text.delta"),
        ("reasoning", "response.reasoning_summary_part.added"),
        ("reasoning", "response.reasoning_summary_text.done"),
        ("function_call", "response.function_call_arguments.delta"),
        ("function_call", "response.function_call_arguments.done"),
        ("custom_tool_call", "response.custom_tool_call_input.delta"),
        ("web_search_call", "response.web_search_call.searching"),
        ("mcp_call", "response.mcp_call_arguments.delta"),
        (
            "code_interpreter_call",
            "response.code_interpreter_call_code.delta",
        ),
        (
            "image_generation_call",
            "response.image_generation_call.partial_image",
        ),
    ];
    for (kind, event) in about {
        for id in ["item-1", "X", "Fc_1", "fc_1", "msg_1"] {
            let added = json!({"type": "response.output_item.added", "output_index": 2, "item": {"type": kind, "id": id}});
            let told = json!({"type": event, "output_index": 2, "item_id": id});
            let added = parsed(&stamp().event(&body(added)).data);
            let told = parsed(&stamp().event(&body(told)).data);
            assert_eq!(told["item_id"], added["item"]["id"], "{event}, {id}");
        }
    }
}

#[test]
fn an_answer_that_is_not_kept_keeps_its_ids() {
    let stamp = Stamp {
        token: None,
        previous: Some("resp_1".into()),
    };
    let raw = body(json!({"id": "resp_up", "store": true, "output": []}));
    let told = parsed(&stamp.whole(&raw).unwrap());
    assert_eq!(told["id"], "resp_up");
    assert_eq!(told["store"], false);
    assert_eq!(told["previous_response_id"], "resp_1");
}

#[test]
fn a_state_reads_back_and_gives_every_item_an_id_of_its_response() {
    let response = body(json!({"id": format!("resp_{TOKEN_A}"), "output": [
        {"id": format!("msg_{TOKEN_A}0000"), "type": "message", "role": "assistant", "content": []},
    ]}));
    let state = State {
        response,
        items: vec![
            Item {
                id: "msg_old".into(),
                json: json!({"role": "user", "content": "a"}).to_string(),
            },
            Item {
                id: String::new(),
                json: json!({"type": "function_call_output", "call_id": "c", "output": "b"})
                    .to_string(),
            },
        ],
    };
    let read = State::read(&state.write(TOKEN_A)).unwrap();
    assert_eq!(read.items[0], state.items[0]);
    assert_eq!(read.items[1].id, format!("fco_{TOKEN_A}8001"));
    assert_eq!(token_of(&read.items[1].id), Some(TOKEN_A));
    assert_eq!(read.conversation().len(), 3);
    assert_eq!(State::read(b"{}"), None);
}

#[test]
fn only_ids_of_this_gateway_have_a_token() {
    for id in [
        "",
        "resp_",
        "resp_1",
        "resp_0123456789ABCDEF0123456789abcdef",
        "resp_0123456789abcdef0123456789abcdef0000",
        "msg_0123456789abcdef0123456789abcdef",
        "msg_0123456789abcdef0123456789abcdé0000",
    ] {
        assert_eq!(token_of(id), None, "{id}");
    }
    assert_eq!(token_of(&response_id(TOKEN_A)), Some(TOKEN_A));
}

#[test]
fn input_is_listed_page_by_page_in_either_order() {
    let items: Vec<Item> = ["a", "b", "c"]
        .iter()
        .map(|id| Item {
            id: format!("msg_{id}"),
            json: json!({"role": "user", "content": id}).to_string(),
        })
        .collect();
    let state = State {
        response: Bytes::new(),
        items,
    };
    let page = |limit, ascending, after: Option<&str>| {
        let page = Page {
            limit,
            ascending,
            after: after.map(str::to_owned),
        };
        parsed(&input_items(&state, &page))
    };
    let newest = page(2, false, None);
    assert_eq!(newest["first_id"], "msg_c");
    assert_eq!(newest["last_id"], "msg_b");
    assert_eq!(newest["has_more"], true);
    let rest = page(2, false, Some("msg_b"));
    assert_eq!(
        rest["data"][0]["content"][0],
        json!({"type": "input_text", "text": "a"})
    );
    assert_eq!(rest["has_more"], false);
    assert_eq!(page(20, true, None)["first_id"], "msg_a");
    assert_eq!(page(20, true, Some("msg_c"))["first_id"], Value::Null);
}
