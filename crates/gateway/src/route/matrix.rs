//! The table of what crosses: for each client's format, each provider and each feature, whether
//! it is passed on as it is, translated, or refused. `docs/providers.md` holds it, and the test
//! below keeps it so; `FOREBAY_WRITE_DOCS=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use forebay_dialect::exchange::WriteOptions;
use forebay_dialect::{Request, Target, Wire, translate_request};

use crate::config::Provider;

/// Something that a request may ask for: in the format in which it is written down here.
struct Feature {
    name: &'static str,
    wire: Wire,
    body: &'static str,
}

const fn chat(name: &'static str, body: &'static str) -> Feature {
    Feature {
        name,
        wire: Wire::Chat,
        body,
    }
}

const fn messages(name: &'static str, body: &'static str) -> Feature {
    Feature {
        name,
        wire: Wire::Messages,
        body,
    }
}

/// What the table asks for, one row each. `M` stands for a member list that begins a request.
const FEATURES: [Feature; 32] = [
    chat(
        "text",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
    ),
    chat(
        "system message",
        r#"{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]}"#,
    ),
    chat(
        "developer message",
        r#"{"model":"m","messages":[{"role":"developer","content":"be brief"},{"role":"user","content":"hi"}]}"#,
    ),
    chat(
        "several text parts",
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}"#,
    ),
    chat(
        "image by data",
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"what?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}"#,
    ),
    chat(
        "image by URL",
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"what?"},{"type":"image_url","image_url":{"url":"https://example.org/a.png"}}]}]}"#,
    ),
    chat(
        "audio",
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]}"#,
    ),
    chat(
        "file by data",
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"what?"},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]}]}"#,
    ),
    chat(
        "tools",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}]}"#,
    ),
    chat(
        "parallel calls and results",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":\"1\"}"}},{"id":"c2","type":"function","function":{"name":"f","arguments":"{\"a\":\"2\"}"}}]},{"role":"tool","tool_call_id":"c1","content":"x"},{"role":"tool","tool_call_id":"c2","content":"y"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}"#,
    ),
    chat(
        "tool choice: required",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"required"}"#,
    ),
    chat(
        "tool choice: one tool",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}}}"#,
    ),
    chat(
        "tool choice: none",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"none"}"#,
    ),
    chat(
        "no parallel calls",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"parallel_tool_calls":false}"#,
    ),
    chat(
        "JSON object",
        r#"{"model":"m","messages":[{"role":"user","content":"JSON please"}],"response_format":{"type":"json_object"}}"#,
    ),
    chat(
        "JSON schema",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}}"#,
    ),
    chat(
        "reasoning effort",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"reasoning_effort":"high"}"#,
    ),
    chat(
        "temperature, top_p",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"top_p":0.9}"#,
    ),
    chat(
        "stop sequences",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stop":["END"]}"#,
    ),
    chat(
        "output limit",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":64}"#,
    ),
    chat(
        "seed",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":7}"#,
    ),
    chat(
        "penalties",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"frequency_penalty":0.5,"presence_penalty":0.5}"#,
    ),
    chat(
        "log probabilities",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"logprobs":true,"top_logprobs":2}"#,
    ),
    chat(
        "several choices",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"n":2}"#,
    ),
    chat(
        "metadata",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"metadata":{"team":"a"}}"#,
    ),
    chat(
        "end user",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"user":"u1"}"#,
    ),
    chat(
        "prompt_cache_key",
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"prompt_cache_key":"k"}"#,
    ),
    messages(
        "cache markers",
        r#"{"model":"m","max_tokens":64,"system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"}]}"#,
    ),
    messages(
        "thinking budget",
        r#"{"model":"m","max_tokens":4096,"thinking":{"type":"enabled","budget_tokens":2048},"messages":[{"role":"user","content":"hi"}]}"#,
    ),
    messages(
        "signed reasoning",
        r#"{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"yes"}]},{"role":"user","content":"and?"}]}"#,
    ),
    messages(
        "failed tool result",
        r#"{"model":"m","max_tokens":64,"tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"boom","is_error":true}]}]}"#,
    ),
    messages(
        "top_k",
        r#"{"model":"m","max_tokens":64,"top_k":5,"messages":[{"role":"user","content":"hi"}]}"#,
    ),
];

/// The columns: a name, who it is, and its options.
const COLUMNS: [(&str, Provider, &str); 17] = [
    ("OpenAI", Provider::Openai, "{}"),
    ("Azure", Provider::Azure, "{}"),
    ("Bedrock (Converse)", Provider::Bedrock, "{}"),
    ("Bedrock (invoke)", Provider::Bedrock, r#"{"api":"invoke"}"#),
    ("Bedrock (OpenAI)", Provider::Bedrock, r#"{"api":"openai"}"#),
    ("SageMaker", Provider::Sagemaker, "{}"),
    (
        "Vertex (Gemini)",
        Provider::Vertex,
        r#"{"project":"p","publisher":"google"}"#,
    ),
    (
        "Vertex (Claude)",
        Provider::Vertex,
        r#"{"project":"p","publisher":"anthropic"}"#,
    ),
    (
        "Vertex (Mistral)",
        Provider::Vertex,
        r#"{"project":"p","publisher":"mistralai"}"#,
    ),
    ("Gemini", Provider::Gemini, "{}"),
    (
        "OCI (generic)",
        Provider::Oci,
        r#"{"compartment":"c","format":"generic"}"#,
    ),
    (
        "OCI (Cohere)",
        Provider::Oci,
        r#"{"compartment":"c","format":"cohere"}"#,
    ),
    ("Anthropic", Provider::Anthropic, "{}"),
    ("Cohere", Provider::Cohere, "{}"),
    ("Mistral", Provider::Mistral, "{}"),
    ("vLLM, SGLang", Provider::Vllm, "{}"),
    ("other engines", Provider::Tgi, "{}"),
];

/// The formats of clients that hold conversations.
const CLIENTS: [(Wire, &str); 5] = [
    (Wire::Chat, "OpenAI Chat Completions"),
    (Wire::Responses, "OpenAI Responses"),
    (Wire::Messages, "Anthropic Messages"),
    (Wire::Gemini, "Gemini generateContent"),
    (Wire::Converse, "Bedrock Converse"),
];

fn target(wire: Wire) -> Target {
    Target {
        wire,
        model: matches!(wire, Wire::Gemini | Wire::Converse).then(|| "m".to_owned()),
        stream: Some(false).filter(|_| matches!(wire, Wire::Gemini | Wire::Converse)),
    }
}

/// The feature as a client of this format asks for it. None where the format has no way to.
fn ask(feature: &Feature, wire: Wire) -> Option<Request> {
    let request = Request::parse(target(feature.wire), feature.body.into())
        .unwrap_or_else(|error| panic!("{}: {error}", feature.name));
    if feature.wire == wire {
        return Some(request);
    }
    let options = WriteOptions {
        model: "m".into(),
        default_max_tokens: 64,
        ..WriteOptions::default()
    };
    let written = translate_request(&request, wire, &options).ok()?;
    // What is said in another way than asked is no feature of that format.
    let rewritten = written.back.undoes() || feature.name == "failed tool result";
    if !written.lost.is_empty() || rewritten {
        return None;
    }
    Some(
        Request::parse(target(wire), written.body)
            .unwrap_or_else(|error| panic!("{} in {}: {error}", feature.name, wire.as_str())),
    )
}

/// One cell: how a request fares at a provider.
fn cell(request: &Request, provider: Provider, options: &str) -> &'static str {
    let seller = provider.with(serde_json::from_str(options).unwrap());
    let Some(route) = seller.route_of(&[], request.wire(), "anthropic.m", false) else {
        return "–";
    };
    if route.wire == request.wire() {
        return "as is";
    }
    let write = WriteOptions {
        model: "anthropic.m".into(),
        default_max_tokens: 64,
        profile: route.profile,
        ..WriteOptions::default()
    };
    match translate_request(request, route.wire, &write) {
        Err(_) => "refused",
        Ok(written) => match written.lost.iter().map(|lost| lost.grade).max() {
            Some(grade) => grade.as_str(),
            None => "yes",
        },
    }
}

fn table() -> String {
    let mut out = String::new();
    for (wire, title) in CLIENTS {
        let _ = write!(out, "\n### {title}\n\n| feature |");
        for (name, ..) in COLUMNS {
            let _ = write!(out, " {name} |");
        }
        let _ = write!(out, "\n|---|{}\n", "---|".repeat(COLUMNS.len()));
        for feature in &FEATURES {
            let Some(request) = ask(feature, wire) else {
                continue;
            };
            let _ = write!(out, "| {} |", feature.name);
            for (_, provider, options) in COLUMNS {
                let _ = write!(out, " {} |", cell(&request, provider, options));
            }
            out.push('\n');
        }
    }
    out
}

const BEGIN: &str = "<!-- generated: begin -->\n";
const END: &str = "\n<!-- generated: end -->";

#[test]
fn the_page_on_providers_holds_what_crosses() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/providers.md");
    let page = std::fs::read_to_string(file).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (held, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("FOREBAY_WRITE_DOCS").is_some() {
        std::fs::write(file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(
        held == table,
        "docs/providers.md is not what the code does: FOREBAY_WRITE_DOCS=1 cargo test -p forebay-gateway matrix"
    );
}

#[test]
fn a_plain_conversation_reaches_every_provider_from_every_client() {
    let mut failed = BTreeMap::new();
    for (wire, client) in CLIENTS {
        for feature in FEATURES.iter().take(2) {
            let request = ask(feature, wire).unwrap();
            for (name, provider, options) in COLUMNS {
                let cell = cell(&request, provider, options);
                if !matches!(cell, "as is" | "yes" | "hint") {
                    failed.insert((client, name, feature.name), cell);
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
