"""What makers bound or demand, in requests of clients that don't know it; and what agents note in a conversation."""

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
RESPONSES_TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
LONG = "call_" + "x" * 100


def user(text="hi"):
    return {"role": "user", "content": text}


def asks(client, upstream, name, source, check, **body):
    first = {"responses": {"input": "hi"}, "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}}
    return case(name, source, client, upstream, {**first.get(client, {"messages": [user()]}), **body}, check)


def holds(says):
    return lambda run: want(says(run.sent), run.sent)


def says_json(sent):
    return "json" in json.dumps(sent.get("messages") or sent["input"]).lower()


def called(arguments, id="abcdefghi"):
    call = {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [user(), {"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "tool_call_id": id, "content": "r"}]


def with_object(upstream):
    return asks("chat", upstream, f"arguments-as-an-object-to-{upstream}", "BerriAI/litellm#40611",
                holds(lambda sent: "told" in json.dumps(sent)), tools=[FUNCTION], messages=called({"a": "told"}))


def ids(sent):
    return {i.get("call_id") or i.get("tool_call_id") for i in sent.get("input") or sent["messages"]} - {None}


def noted(name, source, *items, finds=None):
    def check(run):
        want(run.last.status == 200, run.last.text)
        want("go on" in json.dumps(run.sent), run.sent)
        want(finds is None or finds in [tool["function"]["name"] for tool in run.sent["tools"]], run.sent)
    return case(name, source, "responses", "vllm", {"tools": [RESPONSES_TOOL], "input": [user(), *items, user("go on")]}, check)


def unknown(run):
    want(run.last.status == 404 and "conv_1" in run.last.json["error"]["message"], run.last.text)


def conversation(upstream):
    row = asks("responses", upstream, f"a-conversation-that-{upstream}-has-not", "OpenAI's reference on conversations", unknown, conversation="conv_1")
    row.MAY_REFUSE = True
    return row


SEARCH = {"type": "tool_search_call", "id": "t", "call_id": "s", "status": "completed", "execution": "client", "arguments": {"query": "x"}}
FOUND = {"type": "tool_search_output", "call_id": "s", "status": "completed", "tools": [{"type": "function", "name": "g", "parameters": {"type": "object"}}]}
JSON_MIME = {"responseMimeType": "application/json"}

CASES = [
    asks("messages", "responses", "a-limit-below-the-least", "earendil-works/pi#6265; QuantumNous/new-api#2866",
         holds(lambda sent: sent["max_output_tokens"] == 16), max_tokens=1),
    asks("gemini", "responses", "a-limit-below-the-least-of-gemini", "vectorize-io/hindsight#58",
         holds(lambda sent: sent["max_output_tokens"] == 16), generationConfig={"maxOutputTokens": 5}),
    *[asks("gemini", upstream, f"some-object-without-the-word-to-{upstream}", "diegosouzapw/OmniRoute#11529", holds(says_json), generationConfig=JSON_MIME)
      for upstream in ("openai", "responses")],
    asks("ollama", "openai", "some-object-for-ollama", "diegosouzapw/OmniRoute#11529", holds(says_json), stream=False, format="json"),
    asks("chat", "responses", "a-long-call-id", "openai/codex#14355; decolua/9router#393",
         holds(lambda sent: len(ids(sent)) == 1 and len(ids(sent).pop()) <= 64), tools=[FUNCTION], messages=called("{}", LONG)),
    case("two-long-call-ids", "musistudio/claude-code-router#1334", "messages", "openai",
         {"tools": [TOOL], "messages": [user(), {"role": "assistant", "content": [{"type": "tool_use", "id": LONG + end, "name": "f", "input": {}} for end in "ab"]},
                   {"role": "user", "content": [{"type": "tool_result", "tool_use_id": LONG + end, "content": end} for end in "ab"]}]},
         holds(lambda sent: len(ids(sent)) == 2 and max(map(len, ids(sent))) <= 40)),
    asks("messages", "openai", "a-long-id-of-the-end-user", "maximhq/bifrost#1000",
         holds(lambda sent: len(sent["safety_identifier"]) <= 64), metadata={"user_id": "user_" + "a" * 120}),
    asks("messages", "openai", "stop-sequences-of-a-model-that-reasons", "OpenAI's page on reasoning models",
         lambda run: want("stop" not in run.sent and "stop_sequences" in run.last.headers["x-forebay-lost"], run.sent), stop_sequences=["END"]),
    asks("chat", "gemini3", "a-level-that-pro-lacks", "Google's page on thinking",
         holds(lambda sent: sent["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "LOW"}), reasoning_effort="minimal"),
    *map(with_object, ("vllm", "claude", "gemini", "converse", "responses", "mistral", "cohere", "openai")),
    case("google-signs-a-call", "ServiceNow/eva#206; crmne/ruby_llm#591", "chat", "gemini3",
         {"tools": [FUNCTION], "messages": [user(), {"role": "assistant", "content": None, "tool_calls": [
             {**called("{}")[1]["tool_calls"][0], "extra_content": {"google": {"thought_signature": "U0lH"}}}]}, called("{}")[2]]},
         holds(lambda sent: sent["contents"][1]["parts"][0]["thoughtSignature"] == "U0lH")),
    noted("a-trigger-of-compaction", "james-6-23/codex2api#224; Edward-lyz/codex-mixin#10", {"type": "compaction_trigger"}),
    noted("an-item-of-next-year", "openai/codex#27423", {"type": "ghost_snapshot", "ghost_commit": {"id": "x"}}),
    noted("a-search-for-tools", "router-for-me/CLIProxyAPI#3414", SEARCH, FOUND, finds="g"),
    *map(conversation, ("vllm", "claude", "gemini")),
]
