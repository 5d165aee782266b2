//! The places that were measured on the running gateway, as a table: what each of them is.

use super::*;

/// What a guard can do with a place: mask what matches, or refuse the request.
fn check(wire: Wire, name: &str, body: Value, kind: PlaceKind) {
    let request = request(wire, &body).unwrap_or_else(|error| panic!("{name}: {error}"));
    let places = request.places();
    let found = places.iter().find(|place| match kind {
        PlaceKind::Unreadable => place.kind == kind,
        _ => place.text.contains(MARK),
    });
    let found = found.unwrap_or_else(|| panic!("{wire:?} {name}: nobody sees it"));
    assert_eq!(found.kind, kind, "{wire:?} {name} at {}", found.path);
    let fixed = matches!(kind, PlaceKind::Vocabulary | PlaceKind::Unreadable);
    if fixed {
        return;
    }
    let mut request = request.clone();
    let edits = masks(&request.places(), MARK);
    request
        .edit(&edits)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(
        request
            .places()
            .iter()
            .all(|place| !place.text.contains(MARK)),
        "{name}"
    );
}

fn merged(mut base: Value, with: Value) -> Value {
    if let (Some(base), Value::Object(with)) = (base.as_object_mut(), with) {
        base.extend(with);
    }
    base
}

#[test]
fn of_chat() {
    use PlaceKind::{Identifier, Json, Text, Vocabulary};
    let user = json!({"role": "user", "content": "Hi"});
    let encoded = STANDARD.encode(format!("a {MARK}"));
    let escaped: String = MARK
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    let inner = json!({"a": MARK}).to_string();
    let call = |function: Value| {
        json!({"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": function}
        ]})
    };
    let arguments = |text: &str| call(json!({"name": "f", "arguments": text}));
    let part = |part: Value| json!({"role": "user", "content": [part]});
    let messages: Vec<(&str, Value, PlaceKind)> = vec![
        ("content", json!({"role": "user", "content": MARK}), Text),
        (
            "text part",
            part(json!({"type": "text", "text": MARK})),
            Text,
        ),
        (
            "unknown member of a part",
            part(json!({"type": "text", "text": "a", "new": MARK})),
            Text,
        ),
        ("system", json!({"role": "system", "content": MARK}), Text),
        (
            "tool",
            json!({"role": "tool", "tool_call_id": "c", "content": MARK}),
            Text,
        ),
        (
            "refusal part",
            part(json!({"type": "refusal", "refusal": MARK})),
            Text,
        ),
        (
            "refusal",
            json!({"role": "assistant", "content": null, "refusal": MARK}),
            Text,
        ),
        (
            "reasoning",
            json!({"role": "assistant", "content": "", "reasoning_content": MARK}),
            Text,
        ),
        (
            "image",
            part(json!({"type": "image_url", "image_url": {"url": format!("https://h/{MARK}")}})),
            Text,
        ),
        (
            "filename",
            part(json!({"type": "file", "file": {"filename": MARK, "file_data": ""}})),
            Text,
        ),
        (
            "file",
            part(
                json!({"type": "file", "file": {"file_data": format!("data:text/plain;base64,{encoded}")}}),
            ),
            Text,
        ),
        ("role", json!({"role": MARK, "content": "a"}), Vocabulary),
        (
            "name",
            json!({"role": "user", "name": MARK, "content": "a"}),
            Identifier,
        ),
        (
            "call id",
            json!({"role": "assistant", "tool_calls": [{"id": MARK, "function": {"name": "f", "arguments": "{}"}}]}),
            Identifier,
        ),
        (
            "tool_call_id",
            json!({"role": "tool", "tool_call_id": MARK, "content": "a"}),
            Identifier,
        ),
        (
            "call name",
            call(json!({"name": MARK, "arguments": "{}"})),
            Identifier,
        ),
        ("arguments", arguments(&inner), Json),
        (
            "name in arguments",
            arguments(&json!({MARK: 1}).to_string()),
            Json,
        ),
        ("not JSON, {", arguments(&format!("{{{MARK}")), Text),
        ("not JSON, [", arguments(&format!("[{MARK}")), Text),
        (
            "custom input",
            json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": format!("[{MARK}")}}]}),
            Text,
        ),
        (
            "unknown member's name",
            json!({"role": "user", "content": "a", MARK: 1}),
            Vocabulary,
        ),
    ];
    for (name, message, kind) in messages {
        check(
            Wire::Chat,
            name,
            json!({"model": "m", "messages": [message]}),
            kind,
        );
    }
    // Escapes in JSON in a string are the guest's to read: the place has the JSON as it is.
    let body = json!({"model": "m", "messages": [arguments(&format!("{{\"a\":\"{escaped}\"}}"))]});
    let body = request(Wire::Chat, &body).unwrap();
    assert!(
        body.places()
            .iter()
            .any(|p| p.kind == Json && p.text.contains(&escaped))
    );
    let base = json!({"model": "m", "messages": [user]});
    let tool = |function: Value| json!({"tools": [{"type": "function", "function": function}]});
    let members: Vec<(&str, Value, PlaceKind)> = vec![
        (
            "description",
            tool(json!({"name": "f", "description": MARK})),
            Text,
        ),
        (
            "parameter",
            tool(json!({"name": "f", "parameters": {"properties": {"a": {"description": MARK}}}})),
            Json,
        ),
        (
            "response_format",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"description": MARK}}}}),
            Json,
        ),
        (
            "prediction",
            json!({"prediction": {"type": "content", "content": MARK}}),
            Text,
        ),
        ("stop", json!({"stop": MARK}), Text),
        ("stop list", json!({"stop": ["a", MARK]}), Text),
        ("user", json!({"user": MARK}), Text),
        ("metadata", json!({"metadata": {"a": MARK}}), Json),
        ("documents", json!({"documents": [{"text": MARK}]}), Json),
        ("chat_template", json!({"chat_template": MARK}), Text),
        (
            "chat_template_kwargs",
            json!({"chat_template_kwargs": {"a": MARK}}),
            Json,
        ),
        ("extra_body", json!({"extra_body": {"a": MARK}}), Json),
        ("unknown name", json!({MARK: 1}), Vocabulary),
        ("model", json!({"model": MARK}), Vocabulary),
        (
            "tool_choice",
            json!({"tool_choice": {"type": "function", "function": {"name": MARK}}}),
            Identifier,
        ),
        (
            "prompt_embeds",
            json!({"prompt_embeds": "AAAA"}),
            PlaceKind::Unreadable,
        ),
    ];
    for (name, with, kind) in members {
        check(Wire::Chat, name, merged(base.clone(), with), kind);
    }
}

#[test]
fn of_completions_and_embeddings() {
    use PlaceKind::{Text, Unreadable};
    let base = json!({"model": "m", "prompt": "a", "input": "a"});
    for (name, with, kind) in [
        ("prompt", json!({"prompt": MARK}), Text),
        ("prompt list", json!({"prompt": ["a", MARK]}), Text),
        ("suffix", json!({"suffix": MARK}), Text),
        (
            "prompt_embeds",
            json!({"prompt_embeds": "AAAA"}),
            Unreadable,
        ),
        ("token ids", json!({"prompt": [1, 2]}), Unreadable),
        (
            "lists of token ids",
            json!({"prompt": [[1], [2]]}),
            Unreadable,
        ),
    ] {
        check(Wire::Completions, name, merged(base.clone(), with), kind);
    }
    for (name, with, kind) in [
        ("input", json!({"input": MARK}), Text),
        ("input list", json!({"input": ["a", MARK]}), Text),
        ("token ids", json!({"input": [1, 2]}), Unreadable),
        ("user", json!({"user": MARK}), Text),
    ] {
        check(Wire::Embeddings, name, merged(base.clone(), with), kind);
    }
}

#[test]
fn of_responses() {
    use PlaceKind::{Identifier, Json, Signed, Text, Vocabulary};
    let encoded = STANDARD.encode(format!("a {MARK}"));
    let message = |part: Value| json!([{"role": "user", "content": [part]}]);
    let inner = json!({"a": MARK}).to_string();
    let base = json!({"model": "m", "input": "a"});
    for (name, with, kind) in [
        ("instructions", json!({"instructions": MARK}), Text),
        ("input", json!({"input": MARK}), Text),
        (
            "input_text",
            json!({"input": message(json!({"type": "input_text", "text": MARK}))}),
            Text,
        ),
        (
            "arguments",
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": inner}]}),
            Json,
        ),
        (
            "call_id",
            json!({"input": [{"type": "function_call", "call_id": MARK, "name": "f", "arguments": "{}"}]}),
            Identifier,
        ),
        (
            "name",
            json!({"input": [{"type": "function_call", "call_id": "c", "name": MARK, "arguments": "{}"}]}),
            Identifier,
        ),
        (
            "output",
            json!({"input": [{"type": "function_call_output", "call_id": "c", "output": MARK}]}),
            Text,
        ),
        (
            "custom input",
            json!({"input": [{"type": "custom_tool_call", "call_id": "c", "name": "f", "input": MARK}]}),
            Text,
        ),
        (
            "custom input, [",
            json!({"input": [{"type": "custom_tool_call", "call_id": "c", "name": "f", "input": format!("[{MARK}")}]}),
            Text,
        ),
        (
            "summary",
            json!({"input": [{"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": MARK}]}]}),
            Text,
        ),
        (
            "encrypted",
            json!({"input": [{"type": "reasoning", "id": "r", "summary": [], "encrypted_content": MARK}]}),
            Signed,
        ),
        (
            "unknown item",
            json!({"input": [{"type": "new_item", "a": MARK}]}),
            Json,
        ),
        (
            "mcp headers",
            json!({"tools": [{"type": "mcp", "server_label": "s", "headers": {"a": MARK}}]}),
            Json,
        ),
        (
            "text.format",
            json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"description": MARK}}}}),
            Json,
        ),
        (
            "prompt.variables",
            json!({"prompt": {"id": "p", "variables": {"a": MARK}}}),
            Json,
        ),
        (
            "input_file",
            json!({"input": message(json!({"type": "input_file", "filename": "a.txt", "file_data": format!("data:text/plain;base64,{encoded}")}))}),
            Text,
        ),
        (
            "role",
            json!({"input": [{"role": MARK, "content": "a"}]}),
            Vocabulary,
        ),
        (
            "previous response",
            json!({"previous_response_id": MARK}),
            Vocabulary,
        ),
    ] {
        check(Wire::Responses, name, merged(base.clone(), with), kind);
    }
}

#[test]
fn of_messages() {
    use PlaceKind::{Identifier, Json, Signed, Text, Vocabulary};
    let encoded = STANDARD.encode(format!("a {MARK}"));
    let says = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let base =
        json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]});
    for (name, with, kind) in [
        ("system", json!({"system": MARK}), Text),
        (
            "system block",
            json!({"system": [{"type": "text", "text": MARK}]}),
            Text,
        ),
        ("text", says(json!({"type": "text", "text": MARK})), Text),
        (
            "input",
            says(json!({"type": "tool_use", "id": "t", "name": "f", "input": {"a": MARK}})),
            Json,
        ),
        (
            "name",
            says(json!({"type": "tool_use", "id": "t", "name": MARK, "input": {}})),
            Identifier,
        ),
        (
            "id",
            says(json!({"type": "tool_use", "id": MARK, "name": "f", "input": {}})),
            Identifier,
        ),
        (
            "result",
            says(json!({"type": "tool_result", "tool_use_id": "t", "content": MARK})),
            Text,
        ),
        (
            "text source",
            says(
                json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": MARK}}),
            ),
            Text,
        ),
        (
            "title",
            says(
                json!({"type": "document", "title": MARK, "source": {"type": "text", "media_type": "text/plain", "data": "a"}}),
            ),
            Text,
        ),
        (
            "base64",
            says(
                json!({"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": encoded}}),
            ),
            Text,
        ),
        (
            "thinking",
            says(json!({"type": "thinking", "thinking": MARK})),
            Text,
        ),
        (
            "signed thinking",
            says(json!({"type": "thinking", "thinking": MARK, "signature": "s"})),
            Signed,
        ),
        (
            "redacted",
            says(json!({"type": "redacted_thinking", "data": MARK})),
            Signed,
        ),
        (
            "search_result",
            says(
                json!({"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": MARK}]}),
            ),
            Text,
        ),
        (
            "mcp token",
            json!({"mcp_servers": [{"type": "url", "name": "n", "url": "u", "authorization_token": MARK}]}),
            Text,
        ),
        (
            "description",
            json!({"tools": [{"name": "f", "description": MARK, "input_schema": {}}]}),
            Text,
        ),
        ("user_id", json!({"metadata": {"user_id": MARK}}), Json),
        (
            "role",
            json!({"messages": [{"role": MARK, "content": "a"}]}),
            Vocabulary,
        ),
    ] {
        check(Wire::Messages, name, merged(base.clone(), with), kind);
    }
}

#[test]
fn of_gemini() {
    use PlaceKind::{Identifier, Json, Text, Vocabulary};
    let encoded = STANDARD.encode(format!("a {MARK}"));
    let says = |part: Value| json!({"contents": [{"role": "user", "parts": [part]}]});
    let base = json!({"contents": [{"parts": [{"text": "a"}]}]});
    for (name, with, kind) in [
        ("text", says(json!({"text": MARK})), Text),
        (
            "systemInstruction",
            json!({"systemInstruction": {"parts": [{"text": MARK}]}}),
            Text,
        ),
        (
            "system_instruction",
            json!({"system_instruction": {"parts": {"text": MARK}}}),
            Text,
        ),
        (
            "args",
            says(json!({"functionCall": {"name": "f", "args": {"a": MARK}}})),
            Json,
        ),
        (
            "name",
            says(json!({"functionCall": {"name": MARK}})),
            Identifier,
        ),
        (
            "id",
            says(json!({"functionCall": {"name": "f", "id": MARK}})),
            Identifier,
        ),
        (
            "response",
            says(json!({"functionResponse": {"name": "f", "response": {"a": MARK}}})),
            Json,
        ),
        (
            "text and call",
            says(json!({"text": "a", "functionCall": {"name": "f", "args": {"a": MARK}}})),
            Json,
        ),
        (
            "executableCode",
            says(json!({"executableCode": {"language": "PYTHON", "code": MARK}})),
            Text,
        ),
        (
            "inlineData",
            says(json!({"inlineData": {"mimeType": "text/plain", "data": encoded}})),
            Text,
        ),
        (
            "fileUri",
            says(json!({"fileData": {"fileUri": format!("https://h/{MARK}")}})),
            Text,
        ),
        ("cachedContent", json!({"cachedContent": MARK}), Vocabulary),
        (
            "description",
            json!({"tools": [{"functionDeclarations": [{"name": "f", "description": MARK}]}]}),
            Text,
        ),
        (
            "responseSchema",
            json!({"generationConfig": {"responseSchema": {"description": MARK}}}),
            Json,
        ),
        (
            "role",
            json!({"contents": [{"role": MARK, "parts": [{"text": "a"}]}]}),
            Vocabulary,
        ),
    ] {
        check(Wire::Gemini, name, merged(base.clone(), with), kind);
    }
}

#[test]
fn of_converse() {
    use PlaceKind::{Identifier, Json, Text, Vocabulary};
    let encoded = STANDARD.encode(format!("a {MARK}"));
    let says = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let base = json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]});
    for (name, with, kind) in [
        ("text", says(json!({"text": MARK})), Text),
        ("system", json!({"system": [{"text": MARK}]}), Text),
        (
            "input",
            says(json!({"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": MARK}}})),
            Json,
        ),
        (
            "name",
            says(json!({"toolUse": {"toolUseId": "t", "name": MARK, "input": {}}})),
            Identifier,
        ),
        (
            "id",
            says(json!({"toolUse": {"toolUseId": MARK, "name": "f", "input": {}}})),
            Identifier,
        ),
        (
            "json",
            says(json!({"toolResult": {"toolUseId": "t", "content": [{"json": {"a": MARK}}]}})),
            Json,
        ),
        (
            "guardContent",
            says(json!({"guardContent": {"text": {"text": MARK}}})),
            Text,
        ),
        (
            "document",
            says(json!({"document": {"format": "txt", "name": "n", "source": {"bytes": encoded}}})),
            Text,
        ),
        (
            "document name",
            says(json!({"document": {"format": "txt", "name": MARK, "source": {"bytes": ""}}})),
            Text,
        ),
        (
            "text and call",
            says(
                json!({"text": "a", "toolUse": {"toolUseId": "t", "name": "f", "input": {"a": MARK}}}),
            ),
            Json,
        ),
        (
            "description",
            json!({"toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": MARK, "inputSchema": {"json": {}}}}]}}),
            Text,
        ),
        (
            "model fields",
            json!({"additionalModelRequestFields": {"a": MARK}}),
            Json,
        ),
        (
            "variables",
            json!({"promptVariables": {"a": {"text": MARK}}}),
            Json,
        ),
        ("metadata", json!({"requestMetadata": {"a": MARK}}), Json),
        (
            "role",
            json!({"messages": [{"role": MARK, "content": [{"text": "a"}]}]}),
            Vocabulary,
        ),
    ] {
        check(Wire::Converse, name, merged(base.clone(), with), kind);
    }
}
