//! What clients send.

use forebay_dialect::Wire;
use serde_json::{Value as Json, json};

pub(crate) const PNG: &str = "iVBORw0KGgo=";

/// A request, the format it is written in, and what the model has to see.
pub(crate) type Situation = (&'static str, Wire, Json, Vec<&'static str>);

fn chat(name: &'static str, more: Json, see: &[&'static str]) -> Situation {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    (name, Wire::Chat, body, see.to_vec())
}

fn tool(name: &str) -> Json {
    json!({"type": "function", "function": {"name": name, "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}})
}

fn call(id: &str, name: &str, arguments: &str) -> Json {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// A conversation with a call, its result, and what comes after it.
fn called(result: Json, after: Json) -> Json {
    let mut messages = vec![
        json!({"role": "user", "content": "hello there"}),
        json!({"role": "assistant", "content": null, "tool_calls": [call("c1", "f", "{\"a\":\"x\"}")]}),
        json!({"role": "tool", "tool_call_id": "c1", "content": result}),
    ];
    messages.extend(after.as_array().unwrap().iter().cloned());
    json!({"tools": [tool("f")], "messages": messages})
}

fn of_settings() -> Vec<Situation> {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let mut all = vec![chat("nothing", json!({}), &["hello there"])];
    for (name, value) in [
        ("a_field_of_next_year", json!({"x": [1]})),
        ("client_metadata", json!({"a": "b"})),
        ("context_management", json!({"edits": []})),
        ("prompt_cache_key", json!("k")),
        ("safety_identifier", json!("s")),
        ("logit_bias", json!({})),
        ("logit_bias", json!({"7": 1})),
        ("metadata", json!({})),
        ("stop", json!([])),
        ("stop", json!(["1", "2", "3", "4", "5", "6", "7", "8"])),
        ("tools", json!([])),
        ("seed", json!(7)),
        ("top_k", json!(7)),
        ("n", json!(1)),
        ("logprobs", json!(false)),
        ("max_tokens", json!(128_000)),
        ("max_completion_tokens", json!(128_000)),
        ("max_completion_tokens", json!(1)),
        ("user", json!("u".repeat(120))),
        ("safety_identifier", json!("u".repeat(120))),
        ("max_completion_tokens", json!(null)),
        ("reasoning_effort", json!("low")),
        ("reasoning_effort", json!("minimal")),
        ("reasoning_effort", json!("none")),
        ("temperature", json!(1.7)),
        ("stream_options", json!(null)),
        ("response_format", json!({"type": "text"})),
        ("service_tier", json!("auto")),
        ("store", json!(false)),
    ] {
        all.push(chat(name, json!({name: value}), &["hello there"]));
    }
    all.push(chat(
        "both samplings",
        json!({"temperature": 0.3, "top_p": 0.8}),
        &[],
    ));
    all.push(chat("json", json!({"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "hello there, JSON"}]}), &["hello there"]));
    for strict in [json!(true), json!(false), json!(null)] {
        let format = json!({"type": "json_schema", "json_schema": {"name": "s", "description": "about it", "strict": strict, "schema": schema}});
        all.push(chat(
            "schema",
            json!({"response_format": format}),
            &["hello there"],
        ));
        let format = json!({"type": "json_schema", "json_schema": {"name": "s", "strict": strict, "schema": schema}});
        all.push(chat(
            "schema and tools",
            json!({"response_format": format, "tools": [tool("f")]}),
            &["hello there"],
        ));
    }
    all
}

fn of_tools() -> Vec<Situation> {
    let many = || json!([tool("f"), tool("g")]);
    let long = "n".repeat(90);
    let mut all = vec![
        chat(
            "auto",
            json!({"tools": many(), "tool_choice": "auto", "parallel_tool_calls": true}),
            &[],
        ),
        chat("none", json!({"tools": many(), "tool_choice": "none"}), &[]),
        chat(
            "one at a time",
            json!({"tools": many(), "parallel_tool_calls": false}),
            &["\"g\""],
        ),
        chat(
            "odd names",
            json!({"tools": [tool("a.b/c"), tool("9lives"), tool(&long), tool("ünïcode")]}),
            &[],
        ),
        chat(
            "no parameters",
            json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
            &["\"f\""],
        ),
        chat(
            "strict",
            json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object", "properties": {}, "additionalProperties": false}}}]}),
            &["\"f\""],
        ),
    ];
    for result in [
        json!("the result"),
        json!([{"type": "text", "text": "the result"}]),
        json!([{"type": "text", "text": "the"}, {"type": "text", "text": "result"}]),
    ] {
        all.push(chat("a result", called(result, json!([])), &["result"]));
    }
    all.push(chat("an empty result", called(json!(""), json!([])), &[]));
    all.push(chat("an empty list", called(json!([]), json!([])), &[]));
    let system =
        json!([{"role": "system", "content": "be careful"}, {"role": "user", "content": "and on"}]);
    all.push(chat(
        "a late system message",
        called(json!("r"), system),
        &["be careful", "and on"],
    ));
    let developer = json!([{"role": "developer", "content": "be careful"}]);
    all.push(chat(
        "a late developer message",
        called(json!("r"), developer),
        &["be careful"],
    ));
    let blank =
        json!([{"role": "assistant", "content": " \n"}, {"role": "user", "content": "and on"}]);
    all.push(chat(
        "a blank answer",
        called(json!("r"), blank),
        &["and on"],
    ));
    let begun = json!([{"role": "assistant", "content": "so then"}]);
    all.push(chat(
        "a begun answer",
        called(json!("r"), begun),
        &["so then"],
    ));
    for arguments in ["", "{}", "{\"a\": \"cut", "[1]", "null", "\"text\""] {
        let messages = json!([{"role": "user", "content": "hello there"},
            {"role": "assistant", "content": "", "tool_calls": [call("c1", "f", arguments), call("c2", "g", "{}")]},
            {"role": "tool", "tool_call_id": "c2", "content": "two"}, {"role": "tool", "tool_call_id": "c1", "content": "one"}]);
        all.push(chat(
            "odd arguments",
            json!({"messages": messages.clone(), "tools": many()}),
            &["one", "two"],
        ));
        all.push(chat(
            "calls without tools",
            json!({"messages": messages}),
            &["one", "two"],
        ));
    }
    let id = format!("call_{}", "x".repeat(120));
    let long = json!([{"role": "user", "content": "hello there"}, {"role": "assistant", "content": null, "tool_calls": [call(&id, "f", "{}")]},
        {"role": "tool", "tool_call_id": id, "content": "one"}]);
    all.push(chat(
        "a long id",
        json!({"messages": long, "tools": many()}),
        &["one"],
    ));
    let object = json!([{"role": "user", "content": "hello there"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": "an argument"}}}]},
        {"role": "tool", "tool_call_id": "c1", "content": {"deep": "the result"}}]);
    all.push(chat(
        "arguments as an object",
        json!({"messages": object, "tools": many()}),
        &["an argument", "the result"],
    ));
    let signed = json!([{"role": "user", "content": "hello there"}, {"role": "assistant", "content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "c2ln"}}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"}]);
    all.push(chat(
        "Google's signature of a call",
        json!({"messages": signed, "tools": many()}),
        &["one"],
    ));
    let twice = json!([{"role": "user", "content": "hello there"},
        {"role": "assistant", "tool_calls": [call("functions.f:0", "f", "{}")]}, {"role": "tool", "tool_call_id": "functions.f:0", "content": "one"},
        {"role": "assistant", "tool_calls": [call("functions.f:0", "f", "{}")]}, {"role": "tool", "tool_call_id": "functions.f:0", "content": "two"}]);
    all.push(chat(
        "an id twice",
        json!({"messages": twice, "tools": many()}),
        &["one", "two"],
    ));
    all
}

fn of_messages() -> Vec<Situation> {
    let said = |messages: Json| json!({ "messages": messages });
    let image = json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}"), "detail": "auto"}});
    vec![
        chat(
            "names",
            said(
                json!([{"role": "system", "name": "ops", "content": "be brief"}, {"role": "user", "name": "boss", "content": "hello there"}]),
            ),
            &["be brief", "hello there"],
        ),
        chat(
            "only a system message",
            said(json!([{"role": "system", "content": "be brief"}])),
            &["be brief"],
        ),
        chat(
            "two system messages",
            said(
                json!([{"role": "system", "content": "one rule"}, {"role": "developer", "content": "two rules"}, {"role": "user", "content": "go"}]),
            ),
            &["one rule", "two rules"],
        ),
        chat(
            "white space",
            said(
                json!([{"role": "user", "content": [{"type": "text", "text": "\n"}, {"type": "text", "text": "hello there"}]}]),
            ),
            &["hello there"],
        ),
        chat(
            "text parts",
            said(
                json!([{"role": "user", "content": [{"type": "text", "text": "hello"}, {"type": "text", "text": "there"}]}]),
            ),
            &["hello", "there"],
        ),
        chat(
            "two users",
            said(
                json!([{"role": "user", "content": "hello"}, {"role": "user", "content": "there"}]),
            ),
            &["hello", "there"],
        ),
        chat(
            "an assistant first",
            said(
                json!([{"role": "assistant", "content": "welcome"}, {"role": "user", "content": "there"}]),
            ),
            &["welcome", "there"],
        ),
        chat(
            "reasoning",
            said(
                json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes", "reasoning_content": "hm"}, {"role": "user", "content": "there"}]),
            ),
            &["yes", "there"],
        ),
        chat(
            "reasoning under its other name",
            said(
                json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes", "reasoning": "hm"}, {"role": "user", "content": "there"}]),
            ),
            &["yes", "there"],
        ),
        chat(
            "what gateways add",
            said(
                json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes", "refusal": null, "annotations": [], "audio": null, "function_call": null, "tool_calls": null, "provider_specific_fields": {"x": 1}, "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, {"role": "user", "content": "there"}]),
            ),
            &["yes", "there"],
        ),
        chat(
            "a refusal",
            said(
                json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": null, "refusal": "I will not"}, {"role": "user", "content": "there"}]),
            ),
            &["I will not", "there"],
        ),
        chat(
            "an image",
            said(
                json!([{"role": "user", "content": [{"type": "text", "text": "hello there"}, image]}]),
            ),
            &["hello there", PNG],
        ),
    ]
}

fn of_claude() -> Vec<Situation> {
    let with = |name: &'static str, more: Json, see: &[&'static str]| {
        let mut body = json!({"model": "m", "max_tokens": 4096, "messages": [{"role": "user", "content": "hello there"}]});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        (name, Wire::Messages, body, see.to_vec())
    };
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let after = |result: Json| {
        json!([{"role": "user", "content": "hello there"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "Zm9v"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
        {"role": "user", "content": [result]}])
    };
    let result = |more: Json| {
        let mut result = json!({"type": "tool_result", "tool_use_id": "t1"});
        for (key, value) in more.as_object().unwrap() {
            result[key] = value.clone();
        }
        result
    };
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}});
    let document = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "of the document"}});
    let mut all = Vec::new();
    for more in [
        json!({}),
        json!({"content": ""}),
        json!({"content": []}),
        json!({"content": "boom", "is_error": true}),
        json!({"content": [{"type": "text", "text": "boom"}, image], "is_error": true}),
        json!({"content": [image]}),
        json!({"content": [document]}),
    ] {
        let text = more.to_string();
        let mut see = Vec::new();
        see.extend(text.contains("boom").then_some("boom"));
        see.extend(text.contains(PNG).then_some(PNG));
        let messages = after(result(more));
        all.push(with(
            "a result",
            json!({"tools": tools, "messages": messages}),
            &see,
        ));
        let thinking = json!({"type": "enabled", "budget_tokens": 2048});
        all.push(with(
            "a result and thinking",
            json!({"tools": tools, "messages": messages, "thinking": thinking}),
            &see,
        ));
    }
    for thinking in [
        json!({"type": "adaptive"}),
        json!({"type": "disabled"}),
        json!({"type": "enabled", "budget_tokens": 1024}),
        json!({"type": "enabled", "budget_tokens": 4095}),
        json!({"type": "enabled", "budget_tokens": 32_000}),
    ] {
        all.push(with(
            "thinking",
            json!({"thinking": thinking, "temperature": 1}),
            &["hello there"],
        ));
        all.push(with(
            "thinking and top_k",
            json!({"thinking": thinking, "top_k": 5, "top_p": 0.5}),
            &[],
        ));
    }
    for own in [
        "web_search_20250305",
        "code_execution_20250825",
        "computer_20250124",
        "text_editor_20250728",
        "bash_20250124",
        "memory_20250818",
    ] {
        all.push(with("its own tool", json!({"tools": [{"type": own, "name": "own"}, {"name": "f", "input_schema": {"type": "object"}}]}), &["\"f\""]));
    }
    all.push(with("empty things", json!({"mcp_servers": [], "system": [], "stop_sequences": [], "tools": [], "metadata": {}, "context_management": {"edits": []}, "container": null}), &["hello there"]));
    all
}

pub(crate) fn situations() -> Vec<Situation> {
    [of_settings(), of_tools(), of_messages(), of_claude()].concat()
}
