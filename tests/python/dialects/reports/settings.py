"""Settings and tools whose names or rules differ between makers."""

SCHEMA = {"type": "object", "properties": {"c": {"type": "string"}},
          "oneOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]}
LIST = {"type": "ARRAY", "items": {"type": "STRING"}}


def user(text="hi"):
    return {"role": "user", "content": text}


def function(name, parameters=None):
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": parameters or {"type": "object"}}}


def chat(name, source, upstream, check, reply=None, **body):
    return case(name, source, "chat", upstream, {"messages": [user()], **body}, check, reply)


def one_object(of):
    def check(run):
        tool = of(run.sent)
        schema = tool.get("input_schema") or tool.get("parameters") or tool["inputSchema"]["json"]
        want(not {"oneOf", "anyOf", "allOf"} & set(schema), schema)
        want(set(schema["properties"]) == {"a", "b", "c"}, schema)
        want("oneOf" in tool["description"], tool)
    return check


def no_blanks(where):
    return lambda run: want(where(run.sent) == ["END"], run.sent)


def known_to_openai(run):
    known = {"model", "messages", "tools", "tool_choice", "response_format", "max_completion_tokens", "stop", "temperature", "seed",
             "reasoning_effort", "stream", "n", "prompt_cache_key", "top_p"}
    want(set(run.sent) <= known, sorted(set(run.sent) - known))
    members = {name for message in run.sent["messages"] for name in message}
    want(members <= {"role", "content", "tool_calls", "tool_call_id"}, members)
    want(run.last.status == 200, run.last.text)


def listed(got):
    tool = got["json"]["tools"][0]["function"]
    call = {"id": "c", "type": "function", "function": {"name": tool["name"], "arguments": '{"value": ["x", "y"]}'}}
    return chat_answer({"content": None, "tool_calls": [call]}, "tool_calls")


def told_as_list(run):
    text = run.last.json["candidates"][0]["content"]["parts"][0]["text"]
    want(json.loads(text) == ["x", "y"], run.last.json)


OLLAMA = {"stream": False, "messages": [user(), {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
          {"role": "tool", "tool_name": "f", "content": "r"}], "tools": [function("f")],
          "options": {"num_predict": 50, "top_k": 3, "repeat_penalty": 1.1, "seed": 1, "stop": ["a"]}, "think": True}
COHERE = {"messages": [user(), {"role": "assistant", "tool_plan": "plan", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
          {"role": "tool", "tool_call_id": "a", "content": [{"type": "document", "document": {"data": "r"}}]}], "tools": [function("f")],
          "k": 5, "p": 0.5, "max_tokens": 50, "thinking": {"type": "enabled", "token_budget": 2000}}

CASES = [
    chat("alternatives-at-the-root-of-a-schema", "diegosouzapw/OmniRoute#13552", "claude",
         one_object(lambda sent: sent["tools"][0]), tools=[function("f", SCHEMA)]),
    chat("alternatives-at-the-root-of-a-schema-at-bedrock", "diegosouzapw/OmniRoute#13552", "converse",
         one_object(lambda sent: sent["toolConfig"]["tools"][0]["toolSpec"]), tools=[function("f", SCHEMA)]),
    case("alternatives-at-the-root-of-a-schema-at-openai", "openai/codex#4176", "messages", "openai",
         {"messages": [user()], "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}]},
         one_object(lambda sent: sent["tools"][0]["function"])),
    case("a-schema-that-keeps-its-references", "DEEIX-AI/DEEIX-Chat#546; google-gemini/gemini-cli#13326", "chat", "gemini",
         {"messages": [user()], "tools": [function("f", {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}})]},
         lambda run: want(run.sent["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]["$defs"]["A"] == {"type": "string"}, run.sent)),
    case("a-list-as-a-form-of-answer", "vercel/ai#5039; googleapis/python-genai#460", "gemini", "openai",
         {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"responseMimeType": "application/json", "responseSchema": LIST}},
         told_as_list, listed),
    chat("blank-stop-sequences", "BerriAI/litellm#8305", "claude", no_blanks(lambda sent: sent["stop_sequences"]), stop=["\n", "END", " "]),
    chat("blank-stop-sequences-at-bedrock", "BerriAI/litellm#8305", "converse",
         no_blanks(lambda sent: sent["inferenceConfig"]["stopSequences"]), stop=["\n", "END", " "]),
    chat("more-stop-sequences-than-gemini-takes", "BerriAI/litellm#9101", "gemini",
         lambda run: want(len(run.sent["generationConfig"]["stopSequences"]) == 5, run.sent), stop=list("abcdefg")),
    chat("one-of-several-tools-at-cohere", "cohere-ai/cohere-python#640", "cohere",
         lambda run: want((run.sent["tool_choice"], len(run.sent["tools"])) == ("REQUIRED", 1), run.sent),
         tools=[function("f"), function("g")], tool_choice={"type": "function", "function": {"name": "g"}}),
    chat("log-probabilities-where-nobody-has-them", "BerriAI/litellm#4302", "claude",
         lambda run: want("logprobs" in run.last.headers.get("x-forebay-lost", ""), run.last.text), logprobs=True, top_logprobs=2),
    chat("several-choices-where-nobody-has-them", "noalimoy: praxis-proxy/ai#1000", "claude",
         lambda run: want("n" in run.last.headers.get("x-forebay-lost", "").split(", "), run.last.text), n=3),
    chat("nulls-and-defaults", "BerriAI/litellm#6592", "claude", lambda run: want(set(run.sent) <= {"model", "messages", "max_tokens"}, run.sent),
         stop=None, temperature=None, tools=[], tool_choice=None, response_format=None, n=1, logprobs=False, metadata=None, parallel_tool_calls=True),
    case("one-call-at-a-time", "ls1intum/edutelligence#923", "messages", "openai",
         {"messages": [user()], "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
         lambda run: want((run.sent["tool_choice"], run.sent["parallel_tool_calls"]) == ("required", False), run.sent)),
    case("snake-case-of-gemini", "google-gemini/cookbook#240", "gemini", "openai",
         {"system_instruction": {"parts": [{"text": "sys"}]}, "contents": [{"parts": [{"text": "hi"}]}], "generation_config": {"max_output_tokens": 5},
          "tools": [{"function_declarations": [{"name": "f"}]}], "tool_config": {"function_calling_config": {"mode": "ANY"}}},
         lambda run: want((run.sent["messages"][0]["content"], run.sent["tool_choice"], run.sent["max_completion_tokens"]) == ("sys", "required", 5), run.sent)),
    case("ollamas-options-before-openai", "ollama/ollama#8537; perk11/large-model-proxy#71", "ollama", "openai", OLLAMA, known_to_openai),
    case("coheres-members-before-openai", "BerriAI/litellm#6980", "cohere", "openai", COHERE, known_to_openai),
    case("ids-for-mistral", "anomalyco/opencode#1680", "messages", "mistral",
         {"tools": [{"name": "f", "input_schema": {"type": "object"}}], "messages": [user(), {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01Abc", "name": "f", "input": {}}]},
          {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01Abc", "content": "r"}]}]},
         lambda run: want(len(run.sent["messages"][1]["tool_calls"][0]["id"]) == 9 == len(run.sent["messages"][2]["tool_call_id"]), run.sent)),
]
