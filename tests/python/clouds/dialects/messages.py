"""Anthropic's messages, as its own API, Bedrock's InvokeModel and Vertex's rawPredict speak it."""

from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParams

from ..brain import Ask, Tool, pieces, think
from ..server import Refusal
from ..sse import event_by_type
from .common import image, image_of_url, require, text_of

END = {"stop": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "calls": "tool_use"}
# https://platform.claude.com/docs/en/api/versioning: what may be sent besides the types of the SDK, which knows the
# newest version only. From 2026-10-21 on these are refused even at their defaults.
SAMPLING = {"temperature": float, "top_p": float, "top_k": int}
VERSIONS = {"2023-06-01": SAMPLING, "2026-10-21": {}}
SIGNATURE = "c2lnbmVkLWJ5LXRoZS1mYWtl"


def ask(body, more=SAMPLING):
    """`more` are the fields that the API version takes besides those of the newest."""
    for name in more.keys() & body.keys():
        require(body[name], more[name])
    require({name: value for name, value in body.items() if name not in more}, MessageCreateParams)
    asked = Ask(model=body["model"], system=text_of(body.get("system")))
    _read_messages(body["messages"], asked)
    for tool in body.get("tools") or []:
        asked.tools.append(Tool(tool["name"], tool["input_schema"], tool.get("description", "")))
    choice = body.get("tool_choice") or {"type": "auto"}
    asked.choice = {"any": "required", "tool": choice.get("name")}.get(choice["type"], choice["type"])
    asked.parallel = not choice.get("disable_parallel_tool_use", False)
    asked.schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    asked.reasoning = (body.get("thinking") or {"type": "disabled"})["type"] != "disabled"
    asked.stop = body.get("stop_sequences") or []
    asked.max_tokens = body.get("max_tokens")
    if asked.reasoning and body["thinking"].get("budget_tokens", 0) >= body["max_tokens"]:
        raise Refusal(400, "invalid", "`max_tokens` must be greater than `thinking.budget_tokens`.")
    return asked


def _read_messages(messages, asked):
    if not messages or messages[0]["role"] != "user":
        raise Refusal(400, "invalid", 'messages: first message must use the "user" role')
    asked.turns, open_calls = 0, set()
    for number, message in enumerate(messages):
        blocks = message["content"]
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            raise Refusal(400, "invalid", f"messages.{number}: text content blocks must contain non-whitespace text")
        results = [block for block in blocks if block["type"] == "tool_result"]
        if message["role"] == "assistant":
            open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
            continue
        answered = {block["tool_use_id"] for block in results}
        if answered != open_calls:
            raise Refusal(400, "invalid", f"messages.{number}: tool_use ids {open_calls} answered by {answered}")
        open_calls = set()
        text = text_of(blocks)
        if text or not results:
            asked.turns += 1
            asked.user, asked.results = text, []
        asked.results += [(block["tool_use_id"], text_of(block.get("content"))) for block in results]
        asked.images += [_image(block["source"]) for block in blocks if block["type"] == "image"]
    if open_calls:
        raise Refusal(400, "invalid", f"tool_use ids {open_calls} without tool_result blocks")


def _image(source):
    if source["type"] == "base64":
        return image(source["media_type"], source["data"])
    return image_of_url(source["url"])


def _usage(answer, begun=False):
    used = answer.usage
    return {
        "input_tokens": used.prompt - used.cached,
        "cache_read_input_tokens": used.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": 1 if begun else used.completion,
    }


def _blocks(answer):
    if answer.thought:
        yield {"type": "thinking", "thinking": answer.thought, "signature": SIGNATURE}
    if answer.text or not answer.calls:
        yield {"type": "text", "text": answer.text}
    for call in answer.calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def whole(ask, answer):
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": list(_blocks(answer)),
        "stop_reason": END[answer.end],
        "stop_sequence": answer.sequence,
        "usage": _usage(answer),
    }


def payloads(ask, answer):
    """The events of a stream as JSON, without pings, which Bedrock does not send."""
    begun = {**whole(ask, answer), "content": [], "stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": {**begun, "usage": _usage(answer, begun=True)}}
    calls = iter(answer.calls)
    for index, block in enumerate(_blocks(answer)):
        empty = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}}
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty[block["type"]]}}
        for delta in _deltas(block, next(calls) if block["type"] == "tool_use" else None):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ended = {"stop_reason": END[answer.end], "stop_sequence": answer.sequence}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": answer.usage.completion}}
    yield {"type": "message_stop"}


def _deltas(block, call):
    if block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in pieces(block["text"]))
    else:
        # The real API begins with an empty fragment.
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in pieces(call.json))


def events(ask, answer):
    for number, payload in enumerate(payloads(ask, answer)):
        yield event_by_type(payload)
        if number in (1, 4):
            yield event_by_type({"type": "ping"})


def count(body):
    require(body, MessageCountTokensParams)
    return {"input_tokens": think(ask({**body, "max_tokens": 1 << 20})).usage.prompt}
