//! Every place of a request that reaches a model, of every format: a rule that denies sees it, and a rule
//! that masks takes the value out of it or refuses the request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_dialect::{Request, Wire};

use super::*;
use crate::config::Placeholders;
use crate::decide::masks::{Maker, MaskTable};

const MAKER: Maker<'static> = Maker {
    secret: &[7; 32],
    by: Placeholders::Position,
};

const VALUE: &str = "bob@mail.org";

/// What becomes of a value in a place.
#[derive(Debug, PartialEq, Clone, Copy)]
enum Fate {
    Masked,
    Refused,
}
use Fate::{Masked as M, Refused as R};

/// `W` is the value, `D` a text document in base64 that holds it; `X` what no rule can read.
const CHAT: [(Fate, &str, &str); 36] = [
    (M, "content, string", r#""content":"W""#),
    (
        M,
        "content, text part",
        r#""content":[{"type":"text","text":"W"}]"#,
    ),
    (
        M,
        "text part, unknown member",
        r#""content":[{"type":"text","text":"t","more":"W"}]"#,
    ),
    (
        M,
        "refusal part",
        r#""content":[{"type":"refusal","refusal":"W"}]"#,
    ),
    (M, "message refusal", r#""content":"t","refusal":"W""#),
    (
        M,
        "reasoning_content",
        r#""content":"t","reasoning_content":"W""#,
    ),
    (
        M,
        "image_url.url",
        r#""content":[{"type":"image_url","image_url":{"url":"https://x/W"}}]"#,
    ),
    (
        M,
        "file.filename",
        r#""content":[{"type":"file","file":{"filename":"W","file_id":"f"}}]"#,
    ),
    (
        M,
        "file.file_data",
        r#""content":[{"type":"file","file":{"file_data":"data:text/plain;base64,D"}}]"#,
    ),
    (M, "message name", r#""content":"t","name":"W""#),
    (
        M,
        "tool_call.id",
        r#""tool_calls":[{"id":"W","type":"function","function":{"name":"f","arguments":"{}"}}]"#,
    ),
    (M, "tool_call_id", r#""content":"t","tool_call_id":"W""#),
    (
        M,
        "tool_call.function.name",
        r#""tool_calls":[{"id":"i","type":"function","function":{"name":"W","arguments":"{}"}}]"#,
    ),
    (
        M,
        "arguments, JSON value",
        r#""tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"a\":\"W\"}"}}]"#,
    ),
    (
        M,
        "arguments, JSON name",
        r#""tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"W\":1}"}}]"#,
    ),
    (
        M,
        "arguments, no JSON but begins with {",
        r#""tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{ W"}}]"#,
    ),
    (
        M,
        "arguments, begins with [",
        r#""tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"[ W"}}]"#,
    ),
    (
        M,
        "custom tool_call.input",
        r#""tool_calls":[{"id":"i","type":"custom","custom":{"name":"f","input":"[ W"}}]"#,
    ),
    (
        M,
        "name of an unknown message member",
        r#""content":"t","W":1"#,
    ),
    (
        M,
        "tools description",
        r#""content":"t"}],"tools":[{"type":"function","function":{"name":"f","description":"W"}}],"x":[{"#,
    ),
    (
        M,
        "tools parameter description",
        r#""content":"t"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"W":{"description":"W","enum":["W"]}}}}}],"x":[{"#,
    ),
    (
        M,
        "tools name",
        r#""content":"t"}],"tools":[{"type":"function","function":{"name":"W"}}],"x":[{"#,
    ),
    (
        M,
        "response_format",
        r#""content":"t"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"description":"W"}}},"x":[{"#,
    ),
    (
        M,
        "prediction",
        r#""content":"t"}],"prediction":{"type":"content","content":"W"},"x":[{"#,
    ),
    (M, "stop", r#""content":"t"}],"stop":["W"],"x":[{"#),
    (M, "user", r#""content":"t"}],"user":"W","x":[{"#),
    (
        M,
        "metadata",
        r#""content":"t"}],"metadata":{"a":"W","W":"b"},"x":[{"#,
    ),
    (
        M,
        "documents",
        r#""content":"t"}],"documents":[{"text":"W"}],"x":[{"#,
    ),
    (
        M,
        "chat_template",
        r#""content":"t"}],"chat_template":"W","x":[{"#,
    ),
    (
        M,
        "chat_template_kwargs",
        r#""content":"t"}],"chat_template_kwargs":{"a":"W"},"x":[{"#,
    ),
    (
        M,
        "extra_body",
        r#""content":"t"}],"extra_body":{"a":"W"},"x":[{"#,
    ),
    (
        M,
        "name of an unknown top member",
        r#""content":"t"}],"W":1,"x":[{"#,
    ),
    (
        M,
        "tool_choice",
        r#""content":"t"}],"tool_choice":{"type":"function","function":{"name":"W"}},"x":[{"#,
    ),
    (
        M,
        "type of a part",
        r#""content":[{"type":"W","text":"t"}]"#,
    ),
    (R, "role", r#""content":"t"},{"role":"W","content":"t""#),
    (
        R,
        "prompt_embeds",
        r#""content":"t"}],"prompt_embeds":"X","x":[{"#,
    ),
];

/// Whole bodies of all other formats.
const OTHERS: [(Fate, Wire, &str); 62] = [
    (
        R,
        Wire::Chat,
        r#"{"model":"W","messages":[{"role":"user","content":"t"}]}"#,
    ),
    (
        M,
        Wire::Chat,
        r#"{"model":"m","messages":[{"role":"system","content":"W"},{"role":"tool","tool_call_id":"i","content":"W"}]}"#,
    ),
    (M, Wire::Completions, r#"{"model":"m","prompt":"W"}"#),
    (M, Wire::Completions, r#"{"model":"m","prompt":["t","W"]}"#),
    (
        M,
        Wire::Completions,
        r#"{"model":"m","prompt":"t","suffix":"W"}"#,
    ),
    (
        R,
        Wire::Completions,
        r#"{"model":"m","prompt":"t","prompt_embeds":"X"}"#,
    ),
    (R, Wire::Completions, r#"{"model":"m","prompt":[1,2,3]}"#),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":"t","instructions":"W"}"#,
    ),
    (M, Wire::Responses, r#"{"model":"m","input":"W"}"#),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"W"}]}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":\"W\"}"}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"type":"function_call","call_id":"W","name":"f","arguments":"{}"}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"type":"function_call","call_id":"c","name":"W","arguments":"{}"}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"type":"function_call_output","call_id":"c","output":"W"}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"type":"custom_tool_call","call_id":"c","name":"f","input":"W"}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"type":"custom_tool_call","call_id":"c","name":"f","input":"[ W"}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"W"}]}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"type":"an_item","more":"W"}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":"t","tools":[{"type":"mcp","server_label":"s","headers":{"a":"W"}}]}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":"t","text":{"format":{"type":"json_schema","name":"s","schema":{"description":"W"}}}}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":"t","prompt":{"id":"p","variables":{"a":"W"}}}"#,
    ),
    (
        M,
        Wire::Responses,
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_file","filename":"f","file_data":"data:text/plain;base64,D"}]}]}"#,
    ),
    (
        R,
        Wire::Responses,
        r#"{"model":"m","input":[{"role":"W","content":"t"}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"system":"W","messages":[{"role":"user","content":"t"}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"system":[{"type":"text","text":"W"}],"messages":[{"role":"user","content":"t"}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"W"}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"i","name":"f","input":{"a":"W"}}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"i","name":"W","input":{}}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"i","name":"f","input":{"W":{"to W":"W"}}}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"u"},"W":1}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"W","name":"f","input":{}}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":"W"}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"W"}}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","title":"W","source":{"type":"text","media_type":"text/plain","data":"t"}}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"text/plain","data":"D"}}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"W","signature":""}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"W"}]}]}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"mcp_servers":[{"type":"url","url":"u","name":"n","authorization_token":"W"}],"messages":[{"role":"user","content":"t"}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"tools":[{"name":"f","description":"W","input_schema":{}}],"messages":[{"role":"user","content":"t"}]}"#,
    ),
    (
        M,
        Wire::Messages,
        r#"{"model":"m","max_tokens":1,"metadata":{"user_id":"W"},"messages":[{"role":"user","content":"t"}]}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"parts":[{"text":"W"}]}],"systemInstruction":{"parts":[{"text":"W"}]}}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"parts":[{"text":"t"}]}],"system_instruction":{"parts":[{"text":"W"}]}}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":"W"}}}]}]}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"role":"model","parts":[{"functionCall":{"id":"W","name":"W","args":{}}}]}]}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"a":"W"}}}]}]}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"role":"model","parts":[{"executableCode":{"language":"PYTHON","code":"W"}}]}]}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"text/plain","data":"D"}}]}]}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"parts":[{"fileData":{"fileUri":"W"}}]}]}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"parts":[{"text":"t"}]}],"cachedContent":"W"}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"parts":[{"text":"t"}]}],"tools":[{"functionDeclarations":[{"name":"f","description":"W"}]}]}"#,
    ),
    (
        M,
        Wire::Gemini,
        r#"{"contents":[{"parts":[{"text":"t"}]}],"generationConfig":{"responseSchema":{"description":"W"}}}"#,
    ),
    (
        R,
        Wire::Gemini,
        r#"{"contents":[{"role":"W","parts":[{"text":"t"}]}]}"#,
    ),
    (
        M,
        Wire::Converse,
        r#"{"system":[{"text":"W"}],"messages":[{"role":"user","content":[{"text":"W"}]}]}"#,
    ),
    (
        M,
        Wire::Converse,
        r#"{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"W","name":"W","input":{"a":"W"}}}]}]}"#,
    ),
    (
        M,
        Wire::Converse,
        r#"{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"i","content":[{"json":{"a":"W"}}]}}]}]}"#,
    ),
    (
        M,
        Wire::Converse,
        r#"{"messages":[{"role":"user","content":[{"guardContent":{"text":{"text":"W"}}}]}]}"#,
    ),
    (
        M,
        Wire::Converse,
        r#"{"messages":[{"role":"user","content":[{"document":{"format":"txt","name":"W","source":{"bytes":"D"}}}]}]}"#,
    ),
    (
        M,
        Wire::Converse,
        r#"{"messages":[{"role":"user","content":[{"text":"t"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"W","inputSchema":{"json":{}}}}]}}"#,
    ),
    (
        M,
        Wire::Converse,
        r#"{"messages":[{"role":"user","content":[{"text":"t"}]}],"additionalModelRequestFields":{"a":"W"}}"#,
    ),
    (
        M,
        Wire::Converse,
        r#"{"messages":[{"role":"user","content":[{"text":"t"}]}],"promptVariables":{"a":{"text":"W"}},"requestMetadata":{"a":"W"}}"#,
    ),
    (M, Wire::Embeddings, r#"{"model":"m","input":"W"}"#),
    (
        M,
        Wire::Embeddings,
        r#"{"model":"m","input":["t","W"],"user":"W"}"#,
    ),
];

/// Every match of the value in the places, as a guardrail would name them.
fn found(places: &Places<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (at, place) in (0_u32..).zip(&places.list) {
        edits.extend(place.text.match_indices(VALUE).map(|(start, _)| Edit {
            place: at,
            start: start as u32,
            end: (start + VALUE.len()) as u32,
            label: "EMAIL".into(),
        }));
    }
    edits
}

fn fate(wire: Wire, form: &str) -> (Fate, String) {
    let document = STANDARD.encode(format!("to {VALUE}."));
    let body = form
        .replace('W', VALUE)
        .replace("\"D\"", &format!("\"{document}\""))
        .replace(",D\"", &format!(",{document}\""));
    let target = forebay_dialect::Target {
        wire,
        model: Some("m".into()),
        stream: Some(false),
    };
    let mut request = Request::parse(target, body.clone().into()).unwrap();
    let prompt = request.prompt.clone();
    let places = Places::of(&prompt);
    let unreadable = places.list.iter().any(|p| p.kind == PlaceKind::Unreadable);
    let edits = found(&places);
    assert!(unreadable || !edits.is_empty(), "no rule sees {body}");
    let Ok(masking) = places.edits(&edits) else {
        return (R, body);
    };
    if unreadable {
        return (R, body);
    }
    let (table, edits, swaps) =
        MaskTable::build(MAKER, &prompt, &masking.parts, &masking.values).unwrap();
    request.edit(&edits).unwrap();
    if request.swap(&swaps).is_err() {
        return (R, body);
    }
    assert!(!table.is_empty());
    let sent = String::from_utf8(request.body.to_vec()).unwrap();
    assert!(!sent.contains(VALUE) && !sent.contains(&document), "{sent}");
    // And nothing is left for a rule to find.
    assert!(found(&Places::of(&request.prompt)).is_empty(), "{sent}");
    (M, sent)
}

#[test]
fn every_place_is_seen_and_masked_or_refused() {
    let chat = CHAT.iter().map(|(fate, name, form)| {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user",{form}}}]}}"#);
        (*fate, Wire::Chat, (*name).to_owned(), body)
    });
    let others = OTHERS
        .iter()
        .map(|(fate, wire, body)| (*fate, *wire, String::new(), (*body).to_owned()));
    let mut wrong = Vec::new();
    for (expected, wire, name, form) in chat.chain(others) {
        let (got, sent) = fate(wire, &form);
        if got != expected {
            wrong.push(format!("{wire:?} {name}: {got:?}\n  {sent}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
