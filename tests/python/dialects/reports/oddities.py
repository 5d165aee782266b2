"""Odd answers of servers, for clients of their own format and for those of Ollama and Cohere; errors, vectors, and media."""

C = chat_chunk
ASK = {"messages": [{"role": "user", "content": "hi"}]}


def piece(**call):
    return C({"tool_calls": [call]})


def function(**said):
    return {"name": "f", **said}


def told(client, run, stream):
    """The calls that a client reads: names and arguments."""
    if client == "chat" and stream:
        message = fold_chat(run.last.events)
        want(message["finish"] == "tool_calls", message)
        return [(c["name"], json.loads(c["arguments"])) for _, c in sorted(message["calls"].items())]
    if client == "chat":
        choice = run.last.json["choices"][0]
        want(choice["finish_reason"] == "tool_calls", choice)
        return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in choice["message"]["tool_calls"]]
    if client == "ollama":
        lines = [json.loads(line) for line in run.last.text.splitlines()] if stream else [run.last.json]
        return [(c["function"]["name"], c["function"]["arguments"]) for line in lines for c in line["message"].get("tool_calls") or []]
    if not stream:
        return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in run.last.json["message"]["tool_calls"]]
    calls = []
    for _, event in run.last.events:
        said = (event.get("delta") or {}).get("message") or {}
        if event["type"] == "tool-call-start":
            calls.append([said["tool_calls"]["function"]["name"], said["tool_calls"]["function"].get("arguments") or ""])
        if event["type"] == "tool-call-delta":
            calls[-1][1] += said["tool_calls"]["function"]["arguments"]
    return [(name, json.loads(arguments)) for name, arguments in calls]


def calls(name, source, reply, *expected, stream=True):
    def row(client):
        def check(run):
            want(told(client, run, stream) == list(expected), run.last.text)
        return case(f"{name}-for-{client}", source, client, "compatible", {**ASK, "stream": stream}, check, reply)
    return [row(client) for client in ("chat", "ollama", "cohere")]


def refuses(client):
    said = {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]}
    reply = {"status": 422, "json": {"object": "error", "message": said, "type": "invalid_request_error", "code": 3001}}
    body = {"input": "hi"} if client == "responses" else {**ASK, "stream": False}
    row = case(f"words-of-mistrals-validation-for-{client}", "partITech/php-mistral#76", client, "mistral", body,
               lambda run: want(run.last.status == 422 and "Extra inputs" in run.last.message(), run.last.text), reply)
    row.MAY_REFUSE = True
    return row


def too_long(client):
    said = "Input validation error: `inputs` must have less than 8192 tokens. Given: 9000"
    row = case(f"a-prompt-too-long-with-422-for-{client}", "the words of TGI and Together", client, "compatible", ASK,
               lambda run: want(run.last.status == 400, run.last.text), {"status": 422, "json": {"error": {"message": said}}})
    row.MAY_REFUSE = True
    return row


def drawn(client, kind, media_type):
    parts = [{"text": "see"}, {"inlineData": {"mimeType": media_type, "data": "AAAA"}}]
    reply = {"json": {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}], "usageMetadata": {}}}
    body = {"input": "hi"} if client == "responses" else {**ASK, "stream": False}
    return case(f"{kind}-that-{client}-has-no-place-for", "Google's page on speech", client, "gemini", body,
                lambda run: want(f"answer.{kind}" in run.last.headers.get("x-forebay-lost", ""), run.last.text), reply)


def vectors(name, source, asked, came, expected):
    reply = {"json": {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": came}]}}
    return case(name, source, "embeddings", "compatible", {"input": "x", "encoding_format": asked},
                lambda run: want(run.last.json["data"][0]["embedding"] == expected, run.last.text), reply)


def text_parts(run):
    want([b["text"] for b in run.last.json["content"]] == ["hey"], run.last.text)


ONE, TWO = ("f", {"x": 1}), ("f", {"x": 2})
PLAIN = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1},
         "output": [{"type": "message", "id": "m", "role": "assistant", "content": [{"type": "text", "text": "hey"}]}]}

CASES = [
    *calls("calls-without-numbers", "SamSaffron/term-llm#314; AstrBotDevs/AstrBot#6692",
           sse(piece(id="a", type="function", function=function(arguments='{"x"')), piece(function={"arguments": ":1}"}),
               piece(id="b", type="function", function=function(arguments='{"x":2}')), C({}, "tool_calls")), ONE, TWO),
    *calls("heads-that-come-again", "lmstudio-ai/lmstudio-bug-tracker#649",
           sse(piece(index=0, id="a", type="function", function=function(arguments='{"x"')), piece(index=0, id="a", type="function", function=function(arguments=":1}")),
               C({}, "stop")), ONE),
    *calls("streamed-arguments-as-an-object", "ollama/ollama#7881", sse(piece(index=0, id="a", type="function", function=function(arguments={"x": 1})), C({}, "stop")), ONE),
    *calls("arguments-as-an-object-in-an-answer", "BerriAI/litellm#40611",
           chat_answer({"content": "", "tool_calls": [{"function": function(arguments={"x": 1})}]}), ONE, stream=False),
    *calls("no-arguments-in-an-answer", "vllm-project/vllm#45273",
           chat_answer({"content": None, "tool_calls": [{"id": "a", "type": "function", "function": function(arguments="")}]}), ("f", {}), stream=False),
    *map(refuses, ("chat", "messages", "responses", "ollama", "cohere")),
    *map(too_long, ("chat", "messages")),
    *[drawn(client, "audio", "audio/wav") for client in ("chat", "messages", "responses")],
    *[drawn(client, "image", "image/png") for client in ("ollama", "cohere")],
    vectors("numbers-where-base64-was-asked-for", "BerriAI/litellm#42426; mem0ai/mem0#4057", "base64", [0.5, -1], "AAAAPwAAgL8="),
    vectors("base64-where-numbers-were-asked-for", "vectorize-io/hindsight#928", "float", "AAAAPwAAgL8=", [0.5, -1]),
    case("texts-under-a-shorter-name", "sgl-project/sglang#12652", "messages", "responses", ASK, text_parts, {"json": PLAIN}),
]
