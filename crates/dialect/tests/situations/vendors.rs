//! Requests as vendors' pages, clients and frameworks write them.

use forebay_dialect::Wire;
use serde_json::{Value as Json, json};

use crate::requests::{PNG, Situation};

fn with(name: &'static str, wire: Wire, base: Json, more: Json, see: &[&'static str]) -> Situation {
    let mut body = base;
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    (name, wire, body, see.to_vec())
}

fn of_chat() -> Vec<Situation> {
    let chat = |name, more, see: &[&'static str]| {
        let base = json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]});
        with(name, Wire::Chat, base, more, see)
    };
    let function = json!({"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}});
    let tool = json!({"type": "function", "function": function});
    let said = |assistant: Json| json!({"messages": [{"role": "user", "content": "hello there"}, assistant, {"role": "user", "content": "and on"}]});
    vec![
        chat(
            "the older functions",
            json!({"functions": [function], "function_call": "auto"}),
            &["\"f\""],
        ),
        chat(
            "the older choice",
            json!({"functions": [function], "function_call": {"name": "f"}}),
            &["\"f\""],
        ),
        chat(
            "text alone is asked for",
            json!({"modalities": ["text"], "audio": null, "prediction": null}),
            &["hello there"],
        ),
        chat(
            "a search without options",
            json!({"web_search_options": {}}),
            &["hello there"],
        ),
        chat(
            "allowed tools",
            json!({"tools": [tool], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}}}),
            &["\"f\""],
        ),
        chat(
            "Mistral's settings",
            json!({"safe_prompt": false, "random_seed": 1, "prompt_mode": null, "tools": [tool], "tool_choice": "any"}),
            &["\"f\""],
        ),
        chat(
            "Mistral's prefix",
            json!({"messages": [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "so then", "prefix": true}]}),
            &["hello there", "so then"],
        ),
        chat(
            "Mistral's image",
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hello there"}, {"type": "image_url", "image_url": format!("data:image/png;base64,{PNG}")}]}]}),
            &["hello there", PNG],
        ),
        chat(
            "Mistral's references",
            said(
                json!({"role": "assistant", "content": [{"type": "text", "text": "it is so"}, {"type": "reference", "reference_ids": [1]}]}),
            ),
            &["it is so"],
        ),
        chat(
            "Mistral's thoughts",
            said(
                json!({"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "it is so"}]}),
            ),
            &["it is so"],
        ),
        chat(
            "a refusal among parts",
            said(
                json!({"role": "assistant", "content": [{"type": "text", "text": "well"}, {"type": "refusal", "refusal": "I will not"}]}),
            ),
            &["well", "I will not"],
        ),
        chat(
            "LangChain's blocks beside calls",
            json!({"tools": [tool], "messages": [{"role": "user", "content": "hello there"},
            {"role": "assistant", "content": [{"type": "text", "text": "let me see"}, {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "x"}}],
             "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": \"x\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "the result"}]}),
            &["let me see", "the result"],
        ),
        chat(
            "OpenRouter's settings",
            json!({"transforms": [], "models": [], "route": "fallback", "plugins": [], "usage": {"include": true}, "reasoning": {"effort": "low", "exclude": true}, "provider": {"order": ["x"]}}),
            &["hello there"],
        ),
        chat(
            "system parts that are marked",
            json!({"messages": [{"role": "system", "content": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]}, {"role": "user", "content": "hello there"}]}),
            &["be brief"],
        ),
        chat(
            "a document's name and bytes",
            json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,dGhlIHRleHQ="}}, {"type": "text", "text": "hello there"}]}]}),
            &["hello there"],
        ),
        chat(
            "nulls",
            json!({"stop": null, "logit_bias": null, "user": null, "tools": null, "tool_choice": null, "functions": null, "n": null, "response_format": null, "metadata": null, "reasoning_effort": null, "top_logprobs": null, "logprobs": null, "parallel_tool_calls": null}),
            &["hello there"],
        ),
        chat(
            "a schema that refers",
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"p": {"$ref": "#/$defs/P", "description": "who"}}, "$defs": {"P": {"type": "object", "title": "Person", "properties": {"nick": {"type": "string"}}}}}}}]}),
            &["nick", "who"],
        ),
    ]
}

fn of_messages() -> Vec<Situation> {
    let claude = |name, more, see: &[&'static str]| {
        let base = json!({"model": "m", "max_tokens": 4096, "messages": [{"role": "user", "content": "hello there"}]});
        with(name, Wire::Messages, base, more, see)
    };
    let asks = |content: Json| json!({"messages": [{"role": "user", "content": content}]});
    let said = |content: Json| json!({"messages": [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": content}, {"role": "user", "content": "and on"}]});
    let result = |content: Json| {
        json!({"tools": [{"name": "f", "input_schema": {"type": "object"}}], "messages": [{"role": "user", "content": "hello there"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": content}]}]})
    };
    let found = json!({"type": "search_result", "source": "https://a/b", "title": "the title", "content": [{"type": "text", "text": "what was found"}], "citations": {"enabled": true}});
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    vec![
        claude(
            "search results",
            asks(json!([found, {"type": "text", "text": "hello there"}])),
            &["what was found", "hello there"],
        ),
        claude(
            "search results of a tool",
            result(json!([found])),
            &["what was found"],
        ),
        claude(
            "a document of blocks",
            asks(
                json!([{"type": "document", "title": "the title", "context": "of it", "citations": {"enabled": true},
            "source": {"type": "content", "content": [{"type": "text", "text": "first part"}, {"type": "text", "text": "second part"}]}}, {"type": "text", "text": "hello there"}]),
            ),
            &["first part", "second part"],
        ),
        claude(
            "a document of text",
            asks(
                json!([{"type": "document", "title": "the title", "citations": {"enabled": true},
            "source": {"type": "text", "media_type": "text/plain", "data": "of the document"}}, {"type": "text", "text": "hello there"}]),
            ),
            &["hello there"],
        ),
        claude(
            "cited answers",
            said(json!([{"type": "text", "text": "it is so", "citations": [
            {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": null, "start_char_index": 0, "end_char_index": 1}]},
            {"type": "text", "text": "and so", "citations": [{"type": "search_result_location", "cited_text": "y", "source": "s", "title": null, "search_result_index": 0, "start_block_index": 0, "end_block_index": 1}]}])),
            &["it is so", "and so"],
        ),
        claude(
            "a search of Anthropic's",
            said(
                json!([{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "url": "https://a", "title": "t", "encrypted_content": "Zm9v", "page_age": null}]},
            {"type": "text", "text": "it is so"}]),
            ),
            &["it is so", "and on"],
        ),
        claude(
            "an MCP server's answer",
            said(
                json!([{"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {}},
            {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": false, "content": [{"type": "text", "text": "x"}]}, {"type": "text", "text": "it is so"}]),
            ),
            &["it is so"],
        ),
        claude(
            "code that Anthropic ran",
            said(
                json!([{"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": {"command": "ls"}},
            {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "bash_code_execution_result", "stdout": "", "stderr": "", "return_code": 0, "content": []}},
            {"type": "text", "text": "it is so"}]),
            ),
            &["it is so"],
        ),
        claude(
            "a conversation that was made shorter",
            said(
                json!([{"type": "compaction", "content": "what was said before"}, {"type": "text", "text": "it is so"}]),
            ),
            &["what was said before", "it is so"],
        ),
        claude(
            "no tool",
            json!({"tools": [{"type": "custom", "name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}, "input_examples": [{"a": 1}], "strict": true}], "tool_choice": {"type": "none"}}),
            &["hello there"],
        ),
        claude(
            "one tool at a time",
            json!({"tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any", "disable_parallel_tool_use": true}}),
            &["\"f\""],
        ),
        claude(
            "a schema",
            json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
            &["hello there"],
        ),
        claude(
            "an effort",
            json!({"output_config": {"effort": "low"}, "service_tier": "auto", "inference_geo": "us"}),
            &["hello there"],
        ),
        claude(
            "an instruction in between",
            json!({"messages": [{"role": "user", "content": "hello there"}, {"role": "system", "content": "be careful"}, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and on"}]}),
            &["be careful", "and on"],
        ),
        claude(
            "an instruction for long",
            json!({"system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
            &["be brief"],
        ),
    ]
}

fn of_responses() -> Vec<Situation> {
    let responses = |name, more, see: &[&'static str]| {
        let base = json!({"model": "m", "input": "hello there"});
        with(name, Wire::Responses, base, more, see)
    };
    let after = |items: Json| {
        let mut all = vec![json!({"role": "user", "content": "hello there"})];
        all.extend(items.as_array().unwrap().iter().cloned());
        all.push(json!({"role": "user", "content": "and on"}));
        json!({ "input": all })
    };
    let answer = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "final_answer", "content": [{"type": "output_text", "text": "it is so", "logprobs": [],
        "annotations": [{"type": "file_citation", "index": 1, "file_id": "file-1", "filename": "a.txt"}]}]});
    vec![
        responses(
            "files that were searched",
            after(
                json!([{"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["q"], "results": [{"file_id": "file-1", "text": "x", "score": 0.5}]}, answer]),
            ),
            &["it is so"],
        ),
        responses(
            "an MCP server's answer",
            after(
                json!([{"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "s", "tools": []}, {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "s", "name": "f", "arguments": "{}"},
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": true}, {"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "f", "arguments": "{}", "output": "x"}, answer]),
            ),
            &["it is so"],
        ),
        responses(
            "what else OpenAI ran",
            after(
                json!([{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1", "container_id": "c", "outputs": null}, answer]),
            ),
            &["it is so"],
        ),
        responses(
            "what an agent notes",
            after(
                json!([answer, {"type": "ghost_snapshot", "ghost_commit": {"id": "x"}}, {"type": "compaction_trigger"}, {"type": "an_item_of_next_year", "x": 1}]),
            ),
            &["it is so", "and on"],
        ),
        responses(
            "tools that were searched",
            after(
                json!([{"type": "tool_search_call", "id": "ts_1", "call_id": "s1", "status": "completed", "execution": "client", "arguments": {"query": "q"}},
            {"type": "tool_search_output", "call_id": "s1", "status": "completed", "tools": [{"type": "function", "name": "found", "parameters": {"type": "object", "properties": {}}}]}, answer]),
            ),
            &["it is so", "\"found\""],
        ),
        responses(
            "an output that is an object",
            after(
                json!([{"type": "function_call", "call_id": "c1", "name": "f", "arguments": {"a": "an argument"}}, {"type": "function_call_output", "call_id": "c1", "output": {"deep": "the result"}}]),
            ),
            &["an argument", "the result"],
        ),
        responses(
            "a shell of the client's",
            after(
                json!([{"type": "local_shell_call", "id": "lsh_1", "call_id": "c1", "status": "completed", "action": {"type": "exec", "command": ["ls"], "env": {}}},
            {"type": "local_shell_call_output", "id": "c1", "call_id": "c1", "output": "what ls printed"}]),
            ),
            &["what ls printed"],
        ),
        responses(
            "the newer shell of the client's",
            after(
                json!([{"type": "shell_call", "id": "sh_1", "call_id": "c1", "status": "completed", "action": {"commands": ["ls"], "timeout_ms": 1000}},
            {"type": "shell_call_output", "call_id": "c1", "output": [{"stdout": "what ls printed", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}]),
            ),
            &["what ls printed"],
        ),
        responses(
            "a patch of the client's",
            after(
                json!([{"type": "apply_patch_call", "id": "apc_1", "call_id": "c1", "status": "completed", "operation": {"type": "create_file", "path": "a", "diff": "+x"}},
            {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed", "output": "no such folder"}]),
            ),
            &["no such folder"],
        ),
        responses(
            "a screen",
            after(
                json!([{"type": "computer_call", "id": "cu_1", "call_id": "c1", "status": "completed", "action": {"type": "screenshot"}, "pending_safety_checks": []},
            {"type": "computer_call_output", "call_id": "c1", "output": {"type": "computer_screenshot", "image_url": format!("data:image/png;base64,{PNG}")}}]),
            ),
            &[PNG],
        ),
        responses(
            "a tool's result with an image",
            after(
                json!([{"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "the result"}, {"type": "input_image", "image_url": format!("data:image/png;base64,{PNG}")}]}]),
            ),
            &["the result", PNG],
        ),
        responses(
            "SDK settings",
            json!({"include": ["reasoning.encrypted_content"], "truncation": "auto", "text": {"format": {"type": "text"}, "verbosity": "low"}, "max_tool_calls": 3, "top_logprobs": 0, "background": false,
            "parallel_tool_calls": true, "service_tier": "auto", "stream_options": {"include_obfuscation": false}, "prompt_cache_retention": "24h", "reasoning": {"effort": "low", "summary": "auto"}, "store": false}),
            &["hello there"],
        ),
        responses(
            "hosted tools that are not forced",
            json!({"tools": [{"type": "web_search_preview"}, {"type": "file_search", "vector_store_ids": ["vs_1"]}, {"type": "function", "name": "f", "strict": null, "parameters": null}], "tool_choice": "auto"}),
            &["\"f\""],
        ),
        responses(
            "allowed tools",
            json!({"tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}}),
            &["\"f\""],
        ),
        responses(
            "what was said in short",
            after(
                json!([{"role": "assistant", "content": "it is so"}, {"role": "developer", "content": [{"type": "input_text", "text": "be careful"}]}]),
            ),
            &["it is so", "be careful"],
        ),
    ]
}

fn of_gemini() -> Vec<Situation> {
    let gemini = |name, more, see: &[&'static str]| {
        let base = json!({"contents": [{"role": "user", "parts": [{"text": "hello there"}]}]});
        with(name, Wire::Gemini, base, more, see)
    };
    let declared = json!([{"functionDeclarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": true}}}}]}]);
    let called = |response: Json| {
        json!({"tools": declared, "contents": [{"role": "user", "parts": [{"text": "hello there"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": "x"}}}]}, {"role": "function", "parts": [{"functionResponse": response}]}]})
    };
    vec![
        gemini(
            "some object",
            json!({"generationConfig": {"responseMimeType": "application/json"}}),
            &["hello there"],
        ),
        gemini(
            "LangChain's settings",
            json!({"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}], "generationConfig": {"candidateCount": 1, "temperature": 0.7, "topK": 40, "maxOutputTokens": 100, "stopSequences": []},
            "tools": declared, "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}}),
            &["hello there"],
        ),
        gemini(
            "snake case",
            json!({"system_instruction": {"role": "system", "parts": [{"text": "be brief"}]}, "generation_config": {"max_output_tokens": 100, "thinking_config": {"include_thoughts": true, "thinking_budget": -1}}}),
            &["be brief"],
        ),
        gemini(
            "a result of the function's role",
            called(json!({"name": "f", "response": {"result": {"deep": ["the result"]}}})),
            &["the result"],
        ),
        gemini(
            "a result that goes on",
            called(
                json!({"name": "f", "response": {"output": "the result"}, "willContinue": false, "scheduling": "SILENT"}),
            ),
            &["the result"],
        ),
        gemini(
            "a result with an image",
            called(
                json!({"name": "f", "response": {"output": "the result"}, "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}),
            ),
            &["the result", PNG],
        ),
        gemini(
            "one of several words",
            json!({"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["YES", "NO"]}}}),
            &["hello there"],
        ),
        gemini(
            "a schema of Google's",
            json!({"generationConfig": {"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": true}}, "propertyOrdering": ["a"]}}}),
            &["hello there"],
        ),
        gemini(
            "a list for an answer",
            json!({"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": {"type": "array", "items": {"type": "string"}}}}),
            &["hello there"],
        ),
        gemini(
            "code that Google ran",
            json!({"contents": [{"role": "user", "parts": [{"text": "hello there"}]}, {"role": "model", "parts": [{"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}, {"text": "it is so"}]}, {"role": "user", "parts": [{"text": "and on"}]}]}),
            &["it is so", "and on"],
        ),
        gemini(
            "Google's own tools",
            json!({"tools": [{"googleSearch": {}}, {"urlContext": {}}]}),
            &["hello there"],
        ),
        gemini(
            "labels and a tier",
            json!({"labels": {"a": "b"}, "serviceTier": "standard", "store": false}),
            &["hello there"],
        ),
        gemini(
            "contents without a role",
            json!({"contents": [{"parts": [{"text": "hello there"}]}]}),
            &["hello there"],
        ),
    ]
}

fn of_converse() -> Vec<Situation> {
    let converse = |name, more, see: &[&'static str]| {
        let base = json!({"messages": [{"role": "user", "content": [{"text": "hello there"}]}]});
        with(name, Wire::Converse, base, more, see)
    };
    let tools = json!({"tools": [{"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object", "properties": {}}}}}, {"cachePoint": {"type": "default"}}]});
    let result = |content: Json, status: &str| {
        json!({"toolConfig": tools, "messages": [{"role": "user", "content": [{"text": "hello there"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "status": status, "content": content}}]}]})
    };
    vec![
        converse(
            "a result of JSON",
            result(json!([{"json": {"deep": ["the result"]}}]), "success"),
            &["the result"],
        ),
        converse(
            "a failure",
            result(json!([{"text": "boom"}]), "error"),
            &["boom"],
        ),
        converse(
            "an image of a tool",
            result(
                json!([{"image": {"format": "png", "source": {"bytes": PNG}}}, {"text": "the result"}]),
                "success",
            ),
            &[PNG, "the result"],
        ),
        converse(
            "guarded content",
            json!({"system": [{"guardContent": {"text": {"text": "be brief"}}}], "messages": [{"role": "user", "content": [{"guardContent": {"text": {"text": "hello there", "qualifiers": ["query"]}}}]}]}),
            &["be brief", "hello there"],
        ),
        converse(
            "a search result",
            json!({"messages": [{"role": "user", "content": [{"searchResult": {"source": "https://a", "title": "the title", "content": [{"text": "what was found"}], "citations": {"enabled": true}}}, {"text": "hello there"}]}]}),
            &["what was found", "hello there"],
        ),
        converse(
            "a cited answer",
            json!({"messages": [{"role": "user", "content": [{"text": "hello there"}]}, {"role": "assistant", "content": [{"citationsContent": {"content": [{"text": "it is so"}], "citations": [{"title": "t", "sourceContent": [{"text": "x"}], "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 1}}}]}}]}, {"role": "user", "content": [{"text": "and on"}]}]}),
            &["it is so", "and on"],
        ),
        converse(
            "cache points and settings",
            json!({"system": [{"text": "be brief"}, {"cachePoint": {"type": "default"}}], "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "stopSequences": []}, "additionalModelRequestFields": {}, "performanceConfig": {"latency": "standard"}, "requestMetadata": {}}),
            &["be brief"],
        ),
    ]
}

pub(crate) fn vendors() -> Vec<Situation> {
    [
        of_chat(),
        of_messages(),
        of_responses(),
        of_gemini(),
        of_converse(),
    ]
    .concat()
}
