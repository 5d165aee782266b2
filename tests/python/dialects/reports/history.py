"""Conversations that an agent brings along: ids, results, hosted tools, beginnings of answers."""

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
RESPONSES_TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
PNG = "iVBORw0KGgo="


def user(text="hi"):
    return {"role": "user", "content": text}


def calls(*ids, arguments="{}"):
    made = [{"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": made}


def result(id, text="done"):
    return {"role": "tool", "tool_call_id": id, "content": text}


def used(content="done", **more):
    return [user(), {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": content, **more}]}]


def chat(name, source, upstream, messages, check, **more):
    return case(name, source, "chat", upstream, {"tools": [FUNCTION], "messages": messages, **more}, check)


def blocks(run, *kinds):
    """What of these kinds went up, in order."""
    return [b for m in run.sent["messages"] if isinstance(m["content"], list) for b in m["content"] if b.get("type") in kinds]


def pairs(run):
    """Each call has the result that was meant for it, and no two have one id."""
    used, results = blocks(run, "tool_use"), blocks(run, "tool_result")
    ids = [b["id"] for b in used]
    want(len(set(ids)) == len(ids), ids)
    want([b["tool_use_id"] for b in results] == ids, results)
    want([json.dumps(b["content"]) for b in results] == ['"one"', '"two"'], results)


def interrupted(run):
    results = blocks(run, "tool_result")
    want({b["tool_use_id"] for b in results} == {"a", "b"}, results)
    want("no result" in json.dumps([b for b in results if b["tool_use_id"] == "a"]), results)


def interrupted_at_bedrock(run):
    results = [b["toolResult"]["toolUseId"] for m in run.sent["messages"] for b in m["content"] if "toolResult" in b]
    want(sorted(results) == ["a", "b"], results)


def goes_on(run):
    want(run.sent["messages"][-1]["role"] == "user", run.sent["messages"])
    want(any("The answer is" in json.dumps(m) for m in run.sent["messages"]), run.sent["messages"])


def without_hosted(run):
    want(run.last.status == 200, run.last.text)
    want("found it" in json.dumps(run.sent), run.sent)
    want("search_call" not in json.dumps(run.sent) and "server_tool_use" not in json.dumps(run.sent), run.sent)
    want(run.last.headers.get("x-forebay-lost"), "nobody is told of it")


def cached(run):
    last = run.sent["messages"][-1]["content"]
    want([list(b)[0] for b in last] == ["toolResult", "cachePoint"], last)
    want(last[1]["cachePoint"].get("ttl") == "1h", last)


SEARCHED = [user(), {"role": "assistant", "content": [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    {"type": "text", "text": "found it"}]}, user("go on")]
SEARCHED_ITEMS = [user(), {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
                  {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "found it", "annotations": []}]}, user("go on")]
RAN_PARTS = [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [
    {"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    {"text": "found it"}]}, {"role": "user", "parts": [{"text": "go on"}]}]
BEGUN = [user(), {"role": "assistant", "content": "The answer is"}]

CASES = [
    chat("ids-that-begin-anew-each-turn", "brainlid/langchain#620; BerriAI/litellm#20543", "claude",
         [user(), calls("call_0"), result("call_0", "one"), user(), calls("call_0"), result("call_0", "two")], pairs),
    chat("one-id-for-all-calls-of-a-turn", "cline/cline#9768", "claude",
         [user(), calls("a", "a"), result("a", "one"), result("a", "two")], pairs),
    chat("calls-without-ids", "router-for-me/CLIProxyAPI#3878", "claude",
         [user(), calls("", ""), result("", "one"), result("", "two")], pairs),
    chat("an-interrupted-call", "mlflow/mlflow#23621; aws-samples/bedrock-access-gateway#84", "claude",
         [user(), calls("a", "b"), result("b"), user("go on")], interrupted),
    chat("an-interrupted-call-at-bedrock", "mlflow/mlflow#23621", "converse",
         [user(), calls("a", "b"), result("b"), user("go on")], interrupted_at_bedrock),
    chat("half-a-call", "BerriAI/litellm#14030", "claude", [user(), calls("a", arguments='{"x":'), result("a")],
         lambda run: want(blocks(run, "tool_use")[0]["input"] == {"input": '{"x":'}, run.sent)),
    chat("great-numbers-in-arguments", "maximhq/bifrost#3443", "gemini",
         [user(), calls("a", arguments='{"n":12345678901234567890123,"f":1.0}'), result("a")],
         lambda run: want('{"n":12345678901234567890123,"f":1.0}' in run.upstream[-1]["raw"].decode().replace(" ", ""), run.sent)),
    chat("a-beginning-that-the-model-does-not-take", "livekit/agents#4973; decolua/9router#3936", "opus", BEGUN, goes_on),
    case("a-beginning-at-mistral", "mistralai/client-python#190", "messages", "mistral", {"messages": BEGUN},
         lambda run: want(run.sent["messages"][-1].get("prefix") is True, run.sent)),
    case("a-mark-on-a-result", "Portkey-AI/gateway#1762", "messages", "converse",
         {"tools": [TOOL], "messages": used([{"type": "text", "text": "r"}], cache_control={"type": "ephemeral", "ttl": "1h"})}, cached),
    case("a-web-search-in-a-history-of-anthropic", "maximhq/bifrost#4780", "messages", "openai", {"messages": SEARCHED}, without_hosted),
    case("a-web-search-in-a-history-at-bedrock", "maximhq/bifrost#4780", "messages", "converse", {"messages": SEARCHED}, without_hosted),
    case("a-web-search-in-a-history-of-responses", "langfuse/langfuse#16891", "responses", "claude", {"input": SEARCHED_ITEMS}, without_hosted),
    case("code-in-a-history-of-gemini", "langfuse/langfuse#16891", "gemini", "openai", {"contents": RAN_PARTS}, without_hosted),
    case("a-tool-that-was-found", "anthropics/claude-code#12836", "messages", "openai",
         {"tools": [TOOL], "messages": used([{"type": "tool_reference", "tool_name": "f"}])},
         lambda run: want("The tool f is available" in json.dumps(run.sent), run.sent)),
    case("a-search-result-in-a-result", "BerriAI/litellm#16195", "messages", "vllm",
         {"tools": [TOOL], "messages": used([{"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "facts"}]}])},
         lambda run: want("facts" in run.sent["messages"][-1]["content"], run.sent)),
    case("a-schema-in-a-result", "NousResearch/hermes-agent#93014", "messages", "gemini3",
         {"tools": [TOOL], "messages": used('{"$ref":"#/$defs/A"}')},
         lambda run: want('{"output": "{\\"$ref\\":\\"#/$defs/A\\"}"}' in json.dumps(run.sent), run.sent)),
    case("a-guarded-text", "AWS's page on Converse", "converse", "openai",
         {"messages": [{"role": "user", "content": [{"guardContent": {"text": {"text": "be careful"}}}]}]},
         lambda run: want("be careful" in json.dumps(run.sent), run.sent)),
    case("results-in-the-order-of-their-calls", "cloudwego/eino-ext#571; CherryHQ/cherry-studio#16921", "gemini", "openai",
         {"tools": [{"functionDeclarations": [{"name": "f"}]}], "contents": [
             {"role": "user", "parts": [{"text": "hi"}]},
             {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}, {"functionCall": {"name": "f", "args": {"a": 2}}}]},
             {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "one"}}}, {"functionResponse": {"name": "f", "response": {"output": "two"}}}]}]},
         lambda run: want([m["content"] for m in run.sent["messages"] if m["role"] == "tool"] == ["one", "two"], run.sent)),
    case("an-image-with-parameters-in-its-type", "vercel/ai#7537", "chat", "claude",
         {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;charset=utf-8;base64,{PNG}"}}]}]},
         lambda run: want(run.sent["messages"][0]["content"][0]["source"]["media_type"] == "image/png", run.sent)),
    case("reasoning-that-was-encrypted", "BerriAI/litellm#21322", "responses", "vllm",
         {"tools": [RESPONSES_TOOL], "input": [user(), {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "S"}], "encrypted_content": "E"},
          {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c", "output": "r"}]},
         lambda run: want(run.sent["messages"][1]["reasoning_content"] == "S", run.sent)),
    case("nothing-but-blanks", "BerriAI/litellm#26554", "chat", "converse", {"messages": [user(" ")]},
         lambda run: want(run.last.status == 400 and "empty" in run.last.message(), run.last.text)),
]
CASES[-1].MAY_REFUSE = True
