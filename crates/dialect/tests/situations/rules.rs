//! What the makers publish of their formats.

use std::collections::BTreeSet;

use forebay_dialect::exchange::Profile;
use serde_json::Value as Json;

fn list<'j>(of: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> {
    of[name].as_array().into_iter().flatten()
}

fn is_name(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn blank(text: &Json) -> bool {
    text.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Anthropic's API reference: texts are not blank, a budget is at least 1,024 and below the limit,
/// results follow their calls, calls need tools.
pub(crate) fn of_anthropics(body: &Json) -> Vec<String> {
    let mut faults = Vec::new();
    let mut calls = BTreeSet::new();
    for message in list(body, "messages") {
        if !matches!(
            message["role"].as_str(),
            Some("user" | "assistant" | "system")
        ) {
            faults.push(format!("role {}", message["role"]));
        }
        if blank(&message["content"]) {
            faults.push("a blank message".to_owned());
        }
        for block in list(message, "content") {
            match block["type"].as_str().unwrap() {
                "text" if blank(&block["text"]) => faults.push("a blank text".to_owned()),
                "tool_use" => {
                    let fresh = calls.insert(block["id"].as_str().unwrap().to_owned());
                    if !fresh
                        || !block["input"].is_object()
                        || !is_name(block["name"].as_str().unwrap(), 128)
                    {
                        faults.push(format!("call {block}"));
                    }
                }
                "tool_result" if !calls.contains(block["tool_use_id"].as_str().unwrap()) => {
                    faults.push(format!("result {block}"))
                }
                _ => {}
            }
        }
    }
    if !calls.is_empty() && list(body, "tools").next().is_none() {
        faults.push("calls without tools".to_owned());
    }
    let limit = body["max_tokens"].as_u64().unwrap_or(0);
    if let Some(budget) = body["thinking"]["budget_tokens"].as_u64()
        && !(1024..limit).contains(&budget)
    {
        faults.push(format!("a budget of {budget} within {limit}"));
    }
    let thinks = matches!(
        body["thinking"]["type"].as_str(),
        Some("enabled" | "adaptive")
    );
    if thinks
        && (body["top_k"].is_number()
            || body["temperature"]
                .as_f64()
                .is_some_and(|t| (t - 1.0).abs() > 1e-9))
    {
        faults.push("thinking and sampling".to_owned());
    }
    if limit == 0 || body["temperature"].as_f64().is_some_and(|t| t > 1.0) {
        faults.push("limit or temperature".to_owned());
    }
    faults
}

/// AWS's API reference of Converse: roles alternate and begin with the user's, nothing is empty,
/// calls need `toolConfig`, ids and names have an alphabet.
pub(crate) fn of_converses(body: &Json) -> Vec<String> {
    let mut faults = Vec::new();
    let mut calls = BTreeSet::new();
    let mut expected = "user";
    for message in list(body, "messages") {
        if message["role"] != expected {
            faults.push(format!("{} where {expected} is expected", message["role"]));
        }
        expected = if message["role"] == "user" {
            "assistant"
        } else {
            "user"
        };
        if list(message, "content").next().is_none() {
            faults.push("an empty message".to_owned());
        }
        for block in list(message, "content") {
            if blank(&block["text"]) {
                faults.push("a blank text".to_owned());
            }
            if let Some(call) = block.get("toolUse") {
                let id = call["toolUseId"].as_str().unwrap();
                let is_id = id.len() <= 64
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b));
                if !calls.insert(id.to_owned())
                    || !is_id
                    || !is_name(call["name"].as_str().unwrap(), 64)
                    || !call["input"].is_object()
                {
                    faults.push(format!("call {call}"));
                }
            }
            if let Some(result) = block.get("toolResult")
                && !calls.contains(result["toolUseId"].as_str().unwrap())
            {
                faults.push(format!("result {result}"));
            }
        }
    }
    if expected == "user" && list(body, "messages").next().is_none() {
        faults.push("no message".to_owned());
    }
    if !calls.is_empty() && list(&body["toolConfig"], "tools").next().is_none() {
        faults.push("calls without toolConfig".to_owned());
    }
    if body["inferenceConfig"]["temperature"]
        .as_f64()
        .is_some_and(|t| t > 1.0)
    {
        faults.push("temperature".to_owned());
    }
    faults
}

/// Google's API reference: two roles, no empty parts, arguments and results are objects.
pub(crate) fn of_geminis(body: &Json) -> Vec<String> {
    let mut faults = Vec::new();
    for content in list(body, "contents") {
        if !matches!(content["role"].as_str(), Some("user" | "model"))
            || list(content, "parts").next().is_none()
        {
            faults.push(format!("content {content}"));
        }
        for part in list(content, "parts") {
            for (of, member) in [("functionCall", "args"), ("functionResponse", "response")] {
                if let Some(call) = part.get(of)
                    && !(call[member].is_object()
                        && call["name"].as_str().is_some_and(|name| !name.is_empty()))
                {
                    faults.push(format!("{of} {call}"));
                }
            }
        }
    }
    if list(body, "contents").next().is_none() {
        faults.push("no contents".to_owned());
    }
    let stops = list(&body["generationConfig"], "stopSequences").count();
    if stops > 5 {
        faults.push(format!("{stops} stop sequences"));
    }
    faults
}

/// OpenAI's API reference: one limit, at most four stops, results of calls that were made.
pub(crate) fn of_chats(body: &Json, profile: Profile) -> Vec<String> {
    let mut faults = Vec::new();
    let mut calls = BTreeSet::new();
    for message in list(body, "messages") {
        for call in list(message, "tool_calls") {
            calls.insert(call["id"].as_str().unwrap().to_owned());
            if profile != Profile::Engine
                && !is_name(call["function"]["name"].as_str().unwrap(), 64)
            {
                faults.push(format!("call {call}"));
            }
        }
        if message["role"] == "tool" {
            if !calls.contains(message["tool_call_id"].as_str().unwrap()) {
                faults.push(format!("result {message}"));
            }
            if profile == Profile::Engine && !message["content"].is_string() {
                faults.push(format!("result that is no string {message}"));
            }
        }
        let says = !message["content"].is_null()
            || list(message, "tool_calls").next().is_some()
            || message["refusal"].is_string();
        if !says {
            faults.push(format!("message {message}"));
        }
    }
    if body["max_tokens"].is_number() && body["max_completion_tokens"].is_number() {
        faults.push("two limits".to_owned());
    }
    if profile == Profile::OpenAi {
        let ids = calls.iter().map(String::as_str);
        faults.extend(of_openais(body, &body["messages"], ids, 40));
        let reasons = body["model"] == "gpt-5.1";
        let stops = list(body, "stop").count();
        if stops > if reasons { 0 } else { 4 } {
            faults.push("stops".to_owned());
        }
    }
    faults
}

/// OpenAI's lengths, and the word that an answer of some object needs in the conversation.
fn of_openais<'j>(
    body: &Json,
    conversation: &Json,
    ids: impl Iterator<Item = &'j str>,
    longest: usize,
) -> Vec<String> {
    let mut faults: Vec<String> = ids
        .filter(|id| id.len() > longest)
        .map(|id| format!("id {id}"))
        .collect();
    for name in ["user", "safety_identifier"] {
        if body[name].as_str().is_some_and(|user| user.len() > 64) {
            faults.push(format!("{name} {}", body[name]));
        }
    }
    let formats = [
        &body["response_format"]["type"],
        &body["text"]["format"]["type"],
    ];
    let says = conversation.to_string().to_lowercase().contains("json");
    if formats.contains(&&Json::from("json_object")) && !says {
        faults.push("an object is asked for without the word".to_owned());
    }
    faults
}

/// OpenAI's API reference for responses.
pub(crate) fn of_responses(body: &Json) -> Vec<String> {
    let ids = list(body, "input").filter_map(|item| item["call_id"].as_str());
    let mut faults = of_openais(body, &body["input"], ids, 64);
    if body["max_output_tokens"]
        .as_u64()
        .is_some_and(|most| most < 16)
    {
        faults.push(format!("limit {}", body["max_output_tokens"]));
    }
    for tool in list(body, "tools").filter(|tool| tool["type"] == "function") {
        if !tool["strict"].is_boolean() {
            faults.push(format!("strict {tool}"));
        }
    }
    for item in list(body, "input").filter(|item| item["role"] == "assistant") {
        let mut kinds = list(item, "content").map(|part| part["type"].as_str().unwrap());
        if kinds.any(|kind| !matches!(kind, "output_text" | "refusal")) {
            faults.push(format!("item {item}"));
        }
    }
    faults
}
