"""What upstreams answer: failures in the place of answers, odd streams, refusals, ids."""

C = chat_chunk
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def ask(name, source, upstream, reply, check, client="messages", stream=False):
    body = {"messages": [{"role": "user", "content": "hi"}]}
    if client == "responses":
        body = {"input": "hi"}
    if stream:
        body["stream"] = True
    row = case(name, source, client, upstream, body, check, reply)
    row.MAY_REFUSE = True
    return row


def failed(status, word):
    def check(run):
        want(run.last.status == status, f"{run.last.status}: {run.last.text}")
        want(word in run.last.text, run.last.text)
    return check


def says(text, stop="end_turn"):
    def check(run):
        message = fold_claude(run.last.events)
        want("".join(b.get("text", "") for b in message["content"]) == text and message["stop"] == stop, message)
    return check


def calls_of(*inputs):
    def check(run):
        message = fold_claude(run.last.events)
        ids = [b["id"] for b in message["content"]]
        want([b["input"] for b in message["content"]] == list(inputs) and len(set(ids)) == len(ids), message)
        want(message["stop"] == "tool_use", message)
    return check


def call(index, id, arguments, name="f"):
    return {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def response(**more):
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [],
            "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}, **more}


def events(*more):
    return sse({"type": "response.created", "response": response(status="in_progress", usage=None)}, *more, done=False, names=True)


def of_gemini(parts, finish="STOP"):
    content = {"content": {"role": "model", "parts": parts}, "index": 0}
    return {"candidates": [content | ({"finishReason": finish} if finish else {})],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}}


TEXT = [{"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "m", "role": "assistant", "content": []}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "m", "delta": "x"}]
QUOTA = {"code": "insufficient_quota", "message": "no credits"}
BROKEN = {"code": "server_error", "message": "it broke"}


def new_ids(run):
    """Two answers of one conversation have no id in common."""
    ids = [c["id"] for a in run.answers for c in a.json["choices"][0]["message"]["tool_calls"]]
    want(len(set(ids)) == len(ids) == 4, ids)


def twice(name, source, upstream, reply, check):
    row = ask(name, source, upstream, reply, check, client="chat")
    row.STEPS = row.STEPS + [{**row.STEPS[0], "body": {**row.STEPS[0]["body"], "messages": [{"role": "user", "content": "again"}]}}]
    return row


F = {"functionCall": {"name": "f", "args": {}}}

CASES = [
    ask("a-failed-response", "BerriAI/litellm#39703", "responses", {"json": response(status="failed", error=BROKEN)}, failed(502, "it broke"), "chat"),
    ask("an-error-with-status-200", "BerriAI/litellm#29223", "compatible", {"json": {"error": {"message": "slow down", "code": 429}}}, failed(429, "slow down")),
    ask("an-error-beside-no-choices", "OpenRouterTeam/ai-sdk-provider#120", "compatible",
        {"json": {"id": "x", "choices": [], "error": {"message": "it broke", "code": 502}}}, failed(502, "it broke")),
    ask("an-error-within-a-choice", "OpenRouterTeam/ai-sdk-provider#120", "compatible",
        {"json": {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "error", "error": {"message": "it broke", "code": 502}}]}},
        failed(502, "it broke")),
    ask("a-stream-that-fails-at-once", "BerriAI/litellm#39703; usestrix/strix#719", "responses",
        events({"type": "response.failed", "response": response(status="failed", error=QUOTA)}), failed(429, "no credits"), stream=True),
    ask("a-stream-that-fails-late", "BerriAI/litellm#39703", "responses", events(*TEXT, {"type": "response.failed", "response": response(status="failed", error=BROKEN)}),
        lambda run: want(fold_claude(run.last.events)["errors"] and not fold_claude(run.last.events)["ended"], run.last.text), stream=True),
    ask("usage-of-what-is-incomplete", "BerriAI/litellm#34351", "responses",
        events(*TEXT, {"type": "response.incomplete", "response": response(status="incomplete", incomplete_details={"reason": "max_output_tokens"},
               usage={"input_tokens": 3, "output_tokens": 9, "total_tokens": 12, "output_tokens_details": {"reasoning_tokens": 8}})}),
        lambda run: want((fold_claude(run.last.events)["stop"], fold_claude(run.last.events)["usage"]["output_tokens"]) == ("max_tokens", 9), run.last.text), stream=True),
    ask("a-refusal-of-responses", "BerriAI/litellm#39203; lidge-jun/opencodex#3767", "responses",
        {"json": response(output=[{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [{"type": "refusal", "refusal": "no"}]}])},
        lambda run: want((run.last.json["content"][0]["text"], run.last.json["stop_reason"]) == ("no", "refusal"), run.last.json)),
    ask("a-refusal-of-chat", "ls1intum/edutelligence#923", "compatible", sse(C({"refusal": "I "}), C({"refusal": "won't"}), C({}, "stop")), says("I won't", "refusal"), stream=True),
    ask("items-that-come-whole", "openai/codex#41340", "responses",
        events({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "id": "m", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "whole", "annotations": []}]}}, {"type": "response.completed", "response": response()}), says("whole"), stream=True),
    ask("raw-reasoning", "BerriAI/litellm#40654", "responses",
        events({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "r", "summary": []}},
               {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "item_id": "r", "delta": "hm"}, {"type": "response.completed", "response": response()}),
        lambda run: want(fold_chat(run.last.events)["reasoning"] == "hm", run.last.text), "chat", True),
    ask("one-number-for-two-calls", "agentgateway/agentgateway#2965", "compatible",
        sse(C({"tool_calls": [call(0, "a", "{}")]}), C({"tool_calls": [call(0, "b", '{"x":1}')]}), C({}, "tool_calls")), calls_of({}, {"x": 1}), stream=True),
    ask("one-id-for-two-calls", "cline/cline#9768", "compatible", sse(C({"tool_calls": [call(0, "a", "{}"), call(1, "a", '{"x":1}')]}), C({}, "tool_calls")),
        calls_of({}, {"x": 1}), stream=True),
    ask("numbers-with-gaps", "agentgateway/agentgateway#2965", "compatible",
        sse(C({"tool_calls": [call(3, "a", "{}")]}), C({"tool_calls": [call(7, "b", '{"x":1}')]}), C({}, "tool_calls")), calls_of({}, {"x": 1}), stream=True),
    ask("arguments-ahead-of-the-name", "TriDefender/zcode-api#23", "compatible",
        sse(C({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}), C({"tool_calls": [call(0, "a", ":1}")]}), C({}, "tool_calls")), calls_of({"a": 1}), stream=True),
    ask("text-in-the-last-chunk", "BerriAI/litellm#26554", "compatible", sse(C({"content": "he"}), C({"content": "llo"}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})),
        says("hello"), stream=True),
    ask("thoughts-as-parts", "mistralai/client-python#252", "mistral",
        sse(C({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}), C({"content": [{"type": "text", "text": "yes"}]}), C({}, "stop")), says("yes"), stream=True),
    ask("comments-and-no-spaces", "OpenRouterTeam/ai-sdk-provider#89", "compatible",
        sse(": OPENROUTER PROCESSING\n\n", "event: message\r\ndata:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hey\"}}]}\r\n\r\n",
            'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata:[DONE]\n\n', done=False), says("hey"), stream=True),
    ask("an-answer-that-says-not-why-it-ends", "BerriAI/litellm#11145", "compatible", chat_answer({"content": "x"}, None),
        lambda run: want(run.last.json["stop_reason"] == "end_turn", run.last.json)),
    twice("ids-of-gemini", "brainlid/langchain#620; cline/cline#9768", "gemini", {"json": of_gemini([F, F])}, new_ids),
    ask("calls-in-several-chunks", "brainlid/langchain#620", "gemini",
        sse(of_gemini([{"functionCall": {"name": "f", "args": {"a": 1}}}], None), of_gemini([{"functionCall": {"name": "f", "args": {"a": 2}}}], None), of_gemini([{"text": ""}]), done=False),
        calls_of({"a": 1}, {"a": 2}), stream=True),
    ask("a-malformed-call-of-gemini", "Wei-Shaw/sub2api#7081; mozilla-ai/any-llm#1202", "gemini", {"json": of_gemini([], "MALFORMED_FUNCTION_CALL")},
        lambda run: want(run.last.json["stop_reason"] not in (None, "end_turn"), run.last.json)),
    ask("a-malformed-call-at-bedrock", "NousResearch/hermes-agent#83886", "converse",
        {"json": {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "malformed_tool_use", "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}}},
        lambda run: want(run.last.json["stop_reason"] not in (None, "end_turn"), run.last.json)),
    ask("a-stream-of-bedrock-without-its-end", "BerriAI/litellm#32686", "converse", frames(("messageStart", {"role": "assistant"}), ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x"}})),
        lambda run: want(fold_chat(run.last.events)["errors"] and not fold_chat(run.last.events)["finish"], run.last.text), "chat", True),
    ask("cached-tokens-once", "envoyproxy/ai-gateway#2279", "claude",
        claude_stream([({"type": "text", "text": ""}, [{"type": "text_delta", "text": "x"}])], usage={"input_tokens": 9, "cache_read_input_tokens": 1, "output_tokens": 16},
                      start_usage={"input_tokens": 9, "cache_read_input_tokens": 1, "output_tokens": 0}),
        lambda run: want([d["response"]["usage"]["input_tokens"] for _, d in run.last.events if d["type"] == "response.completed"] == [10], run.last.text), "responses", True),
    ask("hidden-thoughts-for-chat", "BerriAI/litellm#21322; anomalyco/opencode#38614", "claude",
        claude_answer([{"type": "thinking", "thinking": "hm", "signature": "S"}, {"type": "redacted_thinking", "data": "R"}, {"type": "text", "text": "x"}]),
        lambda run: want([b["type"] for b in run.last.json["choices"][0]["message"]["thinking_blocks"]] == ["thinking", "redacted_thinking"], run.last.json), "chat"),
]
