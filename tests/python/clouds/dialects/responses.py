"""OpenAI's responses."""

from openai.types.responses.response_create_params import ResponseCreateParams

from ..brain import Ask, Tool, pieces
from ..server import Refusal
from ..sse import event_by_type
from .chat import CREATED
from .common import image_of_url, require, text_of

# Required by the types, left out by Vercel's client and by OpenAI's own examples.
TOLERATED = r"\.tools\[\d+\]\.strict: missing$|\.detail: missing$"


def ask(body):
    require(body, ResponseCreateParams, TOLERATED)
    asked = Ask(model=body["model"], system=body.get("instructions") or "")
    _read_input(body["input"], asked)
    for tool in body.get("tools") or []:
        if tool["type"] == "function":
            asked.tools.append(Tool(tool["name"], tool.get("parameters") or {"type": "object"}))
    choice = body.get("tool_choice", "auto")
    asked.choice = choice if isinstance(choice, str) else choice["name"]
    asked.parallel = body.get("parallel_tool_calls") is not False
    wanted = (body.get("text") or {}).get("format") or {"type": "text"}
    asked.json = wanted["type"] == "json_object"
    asked.schema = wanted.get("schema")
    asked.reasoning = (body.get("reasoning") or {}).get("effort") not in (None, "none")
    asked.max_tokens = body.get("max_output_tokens")
    asked.body = body
    return asked


def _read_input(given, asked):
    if isinstance(given, str):
        asked.user = given
        return
    asked.turns, calls = 0, set()
    for item in given:
        kind = item.get("type", "message")
        if kind == "message" and item["role"] in ("system", "developer"):
            asked.system = f"{asked.system} {text_of(item['content'])}".strip()
        elif kind == "message" and item["role"] == "user":
            asked.turns += 1
            asked.user, asked.results = text_of(item["content"]), []
            if isinstance(item["content"], list):
                asked.images += [image_of_url(p["image_url"]) for p in item["content"] if p["type"] == "input_image"]
        elif kind == "function_call":
            calls.add(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in calls:
                raise Refusal(400, "invalid", f"No tool call found for function call output {item['call_id']}.")
            asked.results.append((item["call_id"], text_of(item["output"])))


def _items(answer, status="completed"):
    if answer.thought:
        yield {"type": "reasoning", "id": "rs_fake", "summary": [{"type": "summary_text", "text": answer.thought}]}
    for call in answer.calls:
        head = {"type": "function_call", "id": f"fc_{call.id}", "call_id": call.id, "name": call.name}
        yield {**head, "arguments": call.json, "status": status}
    if not answer.calls:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        yield {"type": "message", "id": "msg_fake", "role": "assistant", "status": status, "content": [part]}


def _response(ask, output, status, answer=None):
    body = ask.body
    said = {
        "id": "resp_fake",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": ask.parallel,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation", "disabled"),
        "usage": None,
        "metadata": body.get("metadata") or {},
    }
    if answer:
        used = answer.usage
        said["usage"] = {
            "input_tokens": used.prompt,
            "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": 0},
            "output_tokens": used.completion,
            "output_tokens_details": {"reasoning_tokens": used.reasoning},
            "total_tokens": used.prompt + used.completion,
        }
        if answer.end == "length":
            said |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return said


def whole(ask, answer):
    return _response(ask, list(_items(answer)), "completed", answer)


def events(ask, answer):
    for number, event in enumerate(_events(ask, answer)):
        yield event_by_type({**event, "sequence_number": number})


def _events(ask, answer):
    for kind in ("created", "in_progress"):
        yield {"type": f"response.{kind}", "response": _response(ask, [], "in_progress")}
    for index, item in enumerate(_items(answer)):
        place = {"item_id": item["id"], "output_index": index}
        empty = {"reasoning": {"summary": []}, "function_call": {"arguments": ""}, "message": {"content": []}}
        begun = {**item, **empty[item["type"]]} | ({"status": "in_progress"} if "status" in item else {})
        yield {"type": "response.output_item.added", "output_index": index, "item": begun}
        yield from _PARTS[item["type"]](item, place)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    final = whole(ask, answer)
    yield {"type": f"response.{final['status']}", "response": final}


def _reasoning(item, place):
    part = item["summary"][0]
    place = {**place, "summary_index": 0}
    yield {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **place, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _call(item, place):
    for piece in pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    done = {"arguments": item["arguments"], "name": item["name"]}
    yield {"type": "response.function_call_arguments.done", **place, **done}


def _message(item, place):
    part = item["content"][0]
    place = {**place, "content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}


_PARTS = {"reasoning": _reasoning, "function_call": _call, "message": _message}
