//! Markers stand where a provider takes them, and a client's own stay as they are.

use serde_json::{Value as Json, json};

use super::*;
use crate::exchange::WriteOptions;
use crate::{Request, Target, translate_request};

const MARK: &str = ",\"cache_control\":{\"type\":\"ephemeral\"}";

fn mark(place: CachePlace) -> CacheMark {
    CacheMark { place, hour: false }
}

fn messages(body: &str) -> Request {
    Request::parse(Wire::Messages, Bytes::from(body.to_owned())).unwrap()
}

fn marked(body: &str, places: &[CachePlace]) -> Marked {
    let request = messages(body);
    let marks: Vec<_> = places.iter().copied().map(mark).collect();
    mark_prefixes(
        request.body.clone(),
        Wire::Messages,
        &request.prompt,
        &marks,
    )
}

fn text(marked: &Marked) -> String {
    String::from_utf8(marked.body.to_vec()).unwrap()
}

const TALK: &str = r#"{"model":"m","max_tokens":5,"system":"be brief","tools":[{"name":"a","input_schema":{}},{"name":"b","input_schema":{}}],"messages":[{"role":"user","content":"one"},{"role":"assistant","content":[{"type":"text","text":"two"}]},{"role":"user","content":[{"type":"text","text":"three"}]}]}"#;

#[test]
fn markers_are_set_behind_tools_system_and_turns_and_no_other_byte_changes() {
    let all = [
        CachePlace::Tools,
        CachePlace::System,
        CachePlace::Turn(0),
        CachePlace::Turn(2),
    ];
    let out = marked(TALK, &all);
    assert_eq!(out.placed, all);
    let expected = TALK
        .replace(
            r#"{"name":"b","input_schema":{}}"#,
            &format!(r#"{{"name":"b","input_schema":{{}}{MARK}}}"#),
        )
        .replace(
            r#""be brief""#,
            &format!(r#"[{{"type":"text","text":"be brief"{MARK}}}]"#),
        )
        .replace(
            r#""one""#,
            &format!(r#"[{{"type":"text","text":"one"{MARK}}}]"#),
        )
        .replace(r#""three"}"#, &format!(r#""three"{MARK}}}"#));
    assert_eq!(text(&out), expected);
}

#[test]
fn a_clients_own_markers_stay_and_count_and_nothing_is_set_before_them() {
    let body = TALK.replace(
        r#""two"}"#,
        r#""two","cache_control":{"type":"ephemeral","ttl":"1h"}}"#,
    );
    let all = [CachePlace::System, CachePlace::Turn(1), CachePlace::Turn(2)];
    let out = marked(&body, &all);
    assert_eq!(out.placed, [CachePlace::Turn(2)]);
    assert_eq!(
        text(&out),
        body.replace(r#""three"}"#, &format!(r#""three"{MARK}}}"#))
    );
    let full = r#"{"model":"m","max_tokens":5,"system":[1,2,3,4],"messages":[{"role":"user","content":"hi"}]}"#;
    let block = r#"{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}"#;
    let full = full.replace("[1,2,3,4]", &format!("[{block},{block},{block},{block}]"));
    let out = marked(&full, &[CachePlace::Turn(0)]);
    assert_eq!((text(&out), out.placed.len()), (full, 0));
    let automatic = TALK.replacen('{', r#"{"cache_control":{"type":"ephemeral"},"#, 1);
    assert_eq!(text(&marked(&automatic, &all)), automatic);
}

#[test]
fn markers_within_a_tools_result_count() {
    let result = r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r","cache_control":{"type":"ephemeral"}}]}"#;
    let body = format!(
        r#"{{"model":"m","max_tokens":5,"messages":[{{"role":"user","content":"q"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"n","input":{{}}}}]}},{{"role":"user","content":[{result}]}}]}}"#
    );
    let out = marked(&body, &[CachePlace::Turn(0), CachePlace::Turn(2)]);
    assert_eq!(out.placed, [CachePlace::Turn(2)]);
}

#[test]
fn blocks_that_take_no_marker_get_none() {
    for block in [
        r#"{"type":"thinking","thinking":"t","signature":"s"}"#,
        r#"{"type":"redacted_thinking","data":"x"}"#,
        r#"{"type":"text","text":"  "}"#,
    ] {
        let body = TALK.replace(r#"{"type":"text","text":"three"}"#, block);
        let out = marked(&body, &[CachePlace::Turn(2)]);
        assert_eq!(text(&out), body);
    }
    let deferred = TALK.replace(r#""b","#, r#""b","defer_loading":true,"#);
    assert_eq!(text(&marked(&deferred, &[CachePlace::Tools])), deferred);
}

#[test]
fn converse_gets_points_behind_its_blocks() {
    let target = Target {
        wire: Wire::Converse,
        model: Some("m".to_owned()),
        stream: Some(false),
    };
    let body = r#"{"system":[{"text":"s"}],"messages":[{"role":"user","content":[{"text":"q"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{}}}}]}}"#;
    let request = Request::parse(target, body.into()).unwrap();
    let marks = [
        mark(CachePlace::Tools),
        mark(CachePlace::System),
        CacheMark {
            place: CachePlace::Turn(0),
            hour: true,
        },
    ];
    let out = mark_prefixes(
        request.body.clone(),
        Wire::Converse,
        &request.prompt,
        &marks,
    );
    let json: Json = serde_json::from_slice(&out.body).unwrap();
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(json["system"][1], point);
    assert_eq!(json["toolConfig"]["tools"][1], point);
    assert_eq!(json["messages"][0]["content"][1]["cachePoint"]["ttl"], "1h");
}

#[test]
fn a_place_of_an_openai_prompt_is_found_in_the_translated_body() {
    let body = json!({"model": "m", "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "look it up"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "first"},
        {"role": "tool", "tool_call_id": "c2", "content": "second"},
    ]});
    let request = Request::parse(Wire::Chat, body.to_string().into()).unwrap();
    let prompt = &request.prompt;
    assert_eq!(cache_place(prompt, 0, 0), Some(CachePlace::System));
    assert_eq!(cache_place(prompt, 1, 0), Some(CachePlace::Turn(0)));
    assert_eq!(cache_place(prompt, 3, 0), None, "the turn goes on");
    assert_eq!(cache_place(prompt, 4, 0), Some(CachePlace::Turn(2)));
    assert_eq!(cache_place(prompt, 9, 0), None);
    let options = WriteOptions {
        model: "m".to_owned(),
        default_max_tokens: 10,
        ..WriteOptions::default()
    };
    let marks = [mark(CachePlace::System), mark(CachePlace::Turn(2))];
    for wire in [Wire::Messages, Wire::Converse] {
        let written = translate_request(&request, wire, &options).unwrap();
        let out = mark_prefixes(written.body, wire, prompt, &marks);
        assert_eq!(out.placed, [CachePlace::System, CachePlace::Turn(2)]);
        let json: Json = serde_json::from_slice(&out.body).unwrap();
        let last = json["messages"][2]["content"].as_array().unwrap();
        let last = last.last().unwrap();
        let marker = if wire == Wire::Messages {
            "cache_control"
        } else {
            "cachePoint"
        };
        assert!(last.get(marker).is_some(), "{json}");
    }
}

#[test]
fn other_turns_than_the_prompts_are_not_marked() {
    let request = messages(TALK);
    let body = r#"{"system":"be brief","messages":[{"role":"user","content":"one"}]}"#;
    let marks = [mark(CachePlace::System), mark(CachePlace::Turn(0))];
    let out = mark_prefixes(body.into(), Wire::Messages, &request.prompt, &marks);
    assert_eq!(out.placed, [CachePlace::System]);
}

#[test]
fn other_formats_are_left_alone() {
    let request = messages(TALK);
    for wire in [Wire::Chat, Wire::Gemini, Wire::Responses] {
        let out = mark_prefixes(
            request.body.clone(),
            wire,
            &request.prompt,
            &[mark(CachePlace::System)],
        );
        assert_eq!(out.body, request.body);
    }
}
