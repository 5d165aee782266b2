"""OpenAI's chat completions, as OpenAI, Azure and engines speak it."""

from openai.types.chat.completion_create_params import CompletionCreateParams

from ..brain import Ask, Seen, Tool, pieces
from ..server import Refusal
from ..sse import DONE, data
from .common import bytes_of_url, image_of_url, require, text_of

CREATED = 1_790_000_000
# The same for each answer: servers like Ollama have only a few.
ID = "chatcmpl-fake"
# The JavaScript client gives its own additions back when it runs tools.
TOLERATED = r"\.parsed(_arguments)?: unknown field$"
END = {"stop": "stop", "sequence": "stop", "length": "length", "calls": "tool_calls"}


def ask(body, shape=CompletionCreateParams):
    require(body, shape, TOLERATED)
    asked = Ask(model=body["model"])
    read_messages(body["messages"], asked)
    read_tools(body, asked)
    asked.parallel = body.get("parallel_tool_calls", True)
    wanted = body.get("response_format") or {"type": "text"}
    asked.json = wanted["type"] == "json_object"
    if wanted["type"] == "json_schema":
        asked.schema = wanted["json_schema"]["schema"]
    asked.reasoning = body.get("reasoning_effort") not in (None, "none")
    stop = body.get("stop") or []
    asked.stop = [stop] if isinstance(stop, str) else stop
    asked.max_tokens = body.get("max_completion_tokens") or body.get("max_tokens")
    asked.include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    if body.get("stream_options") and not body.get("stream"):
        raise Refusal(400, "invalid", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    return asked


def read_messages(messages, asked):
    """Reads turns, and that each call is followed by its result and each result has a call."""
    asked.turns, open_calls = 0, {}
    for message in messages:
        role, content = message["role"], message.get("content")
        asked.seen += seen_of(message)
        if role != "tool" and open_calls:
            raise Refusal(400, "invalid", f"tool calls {sorted(open_calls)} have no tool messages")
        if role in ("system", "developer"):
            asked.system = f"{asked.system} {text_of(content)}".strip()
        elif role == "user":
            asked.turns += 1
            asked.user, asked.results = text_of(content), []
            if isinstance(content, list):
                asked.images += [
                    image_of_url(part["image_url"]["url"]) for part in content if part["type"] == "image_url"
                ]
        elif role == "assistant":
            open_calls = {call["id"]: call for call in message.get("tool_calls") or []}
        elif role == "tool":
            if open_calls.pop(message["tool_call_id"], None) is None:
                raise Refusal(400, "invalid", f"no call before the result of {message['tool_call_id']!r}")
            asked.results.append((message["tool_call_id"], text_of(content)))
    if open_calls:
        raise Refusal(400, "invalid", f"tool calls {sorted(open_calls)} have no tool messages")


def seen_of(message):
    """What a message shows the model."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        yield Seen("result", role, id=message["tool_call_id"], text=text_of(content))
        return
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []:
        if part["type"] == "image_url":
            yield Seen("image", role, data=bytes_of_url(part["image_url"]["url"])[1])
        elif part["type"] == "text":
            yield Seen("text", role, text=part["text"])
    for call in message.get("tool_calls") or []:
        if call["type"] == "custom":
            yield Seen("call", role, id=call["id"], name=call["custom"]["name"], text=call["custom"]["input"])
        else:
            yield Seen("call", role, id=call["id"], name=call["function"]["name"], text=call["function"]["arguments"])


def read_tools(body, asked):
    for tool in body.get("tools") or []:
        if tool["type"] == "custom":
            own = tool["custom"]
            asked.tools.append(Tool(own["name"], {"type": "string"}, own.get("description", ""), custom=True))
            continue
        function = tool["function"]
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        asked.tools.append(Tool(function["name"], schema, function.get("description", "")))
    choice = body.get("tool_choice", "auto")
    if "tool_choice" in body and not asked.tools:
        raise Refusal(400, "invalid", "'tool_choice' is only allowed when 'tools' are specified.")
    asked.choice = choice if isinstance(choice, str) else choice["function"]["name"]
    asked.choice = "required" if asked.choice == "any" else asked.choice


def _called(call, text, **named):
    """A call, or a piece of one, which has neither a name nor a type."""
    kind, member = ("function", "arguments") if call.text is None else ("custom", "input")
    typed = {"type": kind} if named else {}
    return {**typed, kind: {**named, member: text}}


def usage(answer):
    used = answer.usage
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }


def whole(ask, answer):
    message = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.calls:
        message["tool_calls"] = [{"id": call.id, **_called(call, call.json, name=call.name)} for call in answer.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": END[answer.end]}
    return {
        "id": ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": ask.model,
        "choices": [choice],
        "usage": usage(answer),
    }


def chunks(ask, answer):
    """The chunks of a stream as JSON; calls take turns, as parallel calls may."""
    common = {"id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": ask.model}

    def chunk(delta, end=None):
        return {**common, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}]}

    yield chunk({"role": "assistant", "content": "" if not answer.calls else None})
    for piece in pieces(answer.text) if answer.text else []:
        yield chunk({"content": piece})
    for index, call in enumerate(answer.calls):
        yield chunk({"tool_calls": [{"index": index, "id": call.id, **_called(call, "", name=call.name)}]})
    fragments = [[(index, piece) for piece in pieces(call.json)] for index, call in enumerate(answer.calls)]
    for turn in range(max(map(len, fragments), default=0)):
        for index, piece in (each[turn] for each in fragments if turn < len(each)):
            yield chunk({"tool_calls": [{"index": index, **_called(answer.calls[index], piece)}]})
    yield chunk({}, END[answer.end])
    if ask.include_usage:
        yield {**common, "choices": [], "usage": usage(answer)}


def events(ask, answer):
    yield from map(data, chunks(ask, answer))
    yield DONE
