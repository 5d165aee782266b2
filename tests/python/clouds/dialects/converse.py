"""Amazon Bedrock's Converse, checked against the service model that botocore ships."""

import base64
import binascii
import json

import botocore.session
from botocore.validate import ParamValidator

from ..brain import Ask, Seen, Tool, pieces
from ..server import Refusal
from ..sse import aws_event

END = {"stop": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "calls": "tool_use"}
SERVICE = botocore.session.get_session().get_service_model("bedrock-runtime")
SIGNATURE = "c2lnbmVkLWJ5LXRoZS1mYWtl"


def checked(body, model, operation):
    """The request's parameters as boto3 would have been given them: blobs decoded, everything validated."""
    shape = SERVICE.operation_model(operation).input_shape
    value = {**_decoded(body, shape), "modelId": model}
    if "modelId" in body:
        raise Refusal(400, "invalid", "modelId belongs into the path")
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        raise Refusal(400, "invalid", report.generate_report())
    return value


def _decoded(value, shape):
    """JSON with its base64 blobs as bytes, so that the validator sees what boto3's callers pass."""
    if shape.type_name == "blob":
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise Refusal(400, "invalid", f"{shape.name} is not base64: {error}") from error
    if getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        members = shape.members
        return {key: _decoded(each, members[key]) if key in members else each for key, each in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_decoded(each, shape.member) for each in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _decoded(each, shape.value) for key, each in value.items()}
    return value


def ask(body, model, operation):
    value = checked(body, model, operation)
    asked = Ask(model=model)
    asked.system = " ".join(block["text"] for block in value.get("system", []) if "text" in block)
    _read_messages(value.get("messages", []), asked)
    asked.seen = [Seen("text", "system", text=asked.system)] if asked.system else []
    asked.seen += [seen for message in value["messages"] for seen in _seen(message["content"], message["role"])]
    tools = value.get("toolConfig", {})
    for tool in tools.get("tools", []):
        if "toolSpec" in tool:
            spec = tool["toolSpec"]
            asked.tools.append(Tool(spec["name"], spec["inputSchema"]["json"], spec.get("description", "")))
    choice = tools.get("toolChoice", {"auto": {}})
    asked.choice = "required" if "any" in choice else choice["tool"]["name"] if "tool" in choice else "auto"
    inference = value.get("inferenceConfig", {})
    asked.stop, asked.max_tokens = inference.get("stopSequences", []), inference.get("maxTokens")
    more = value.get("additionalModelRequestFields") or {}
    asked.reasoning = more.get("thinking", {}).get("type") in ("enabled", "adaptive") or "reasoning_config" in more
    wanted = value.get("outputConfig", {}).get("textFormat")
    if wanted:
        asked.schema = json.loads(wanted["structure"]["jsonSchema"]["schema"])
    return asked


def _read_messages(messages, asked):
    if not messages or messages[0]["role"] != "user":
        raise Refusal(400, "invalid", "A conversation must start with a user message.")
    asked.turns, open_calls, before = 0, set(), None
    for message in messages:
        blocks = message["content"]
        if message["role"] == before:
            raise Refusal(400, "invalid", f"roles must alternate, but {before} comes twice")
        before = message["role"]
        if any(not block["text"].strip() for block in blocks if "text" in block):
            raise Refusal(400, "invalid", "The text field in the ContentBlock object is blank.")
        if message["role"] == "assistant":
            open_calls = {block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block}
            continue
        results = [block["toolResult"] for block in blocks if "toolResult" in block]
        answered = {result["toolUseId"] for result in results}
        if answered != open_calls:
            raise Refusal(400, "invalid", f"toolUse ids {open_calls} answered by {answered}")
        open_calls = set()
        text = "".join(block["text"] for block in blocks if "text" in block)
        if text or not results:
            asked.turns += 1
            asked.user, asked.results = text, []
        for result in results:
            said = "".join(part.get("text") or str(part.get("json", "")) for part in result["content"])
            asked.results.append((result["toolUseId"], said))
        for block in blocks:
            if "image" in block:
                given = block["image"]
                asked.images.append((f"image/{given['format']}", len(given["source"]["bytes"])))


def _seen(blocks, role):
    """What a message's or a result's blocks show the model. What a result shows stands after it."""
    for block in blocks:
        if "text" in block:
            yield Seen("text", role, text=block["text"])
        elif "image" in block:
            yield Seen("image", role, data=block["image"]["source"]["bytes"])
        elif "toolUse" in block:
            call = block["toolUse"]
            yield Seen("call", role, id=call["toolUseId"], name=call["name"], text=json.dumps(call["input"]))
        elif "toolResult" in block:
            result = block["toolResult"]
            within = list(_seen(result["content"], "tool"))
            said = "".join(each.text for each in within)
            failed = "Error: " if result.get("status") == "error" else ""
            yield Seen("result", "tool", id=result["toolUseId"], text=failed + said)
            yield from (each for each in within if each.kind == "image")
        elif "json" in block:
            yield Seen("text", role, text=json.dumps(block["json"]))


def _usage(answer):
    used = answer.usage
    own = used.prompt - used.cached
    return {
        "inputTokens": own,
        "outputTokens": used.completion,
        "totalTokens": own + used.cached + used.completion,
        "cacheReadInputTokens": used.cached,
        "cacheWriteInputTokens": 0,
    }


def whole(ask, answer):
    content = []
    if answer.thought:
        content.append({"reasoningContent": {"reasoningText": {"text": answer.thought, "signature": SIGNATURE}}})
    if answer.text or not answer.calls:
        content.append({"text": answer.text})
    content += [
        {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}} for call in answer.calls
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": END[answer.end],
        "usage": _usage(answer),
        "metrics": {"latencyMs": 12},
    }


def payloads(ask, answer):
    """(event, JSON) of a stream. Text blocks have no start event, tool calls have one."""
    yield "messageStart", {"role": "assistant"}
    index = 0
    if answer.thought:
        for piece in pieces(answer.thought):
            delta = {"reasoningContent": {"text": piece}}
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        delta = {"reasoningContent": {"signature": SIGNATURE}}
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
        index += 1
    if answer.text or not answer.calls:
        for piece in pieces(answer.text):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": piece}}
        yield "contentBlockStop", {"contentBlockIndex": index}
        index += 1
    for call in answer.calls:
        start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for piece in pieces(call.json):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}
        yield "contentBlockStop", {"contentBlockIndex": index}
        index += 1
    yield "messageStop", {"stopReason": END[answer.end]}
    yield "metadata", {"usage": _usage(answer), "metrics": {"latencyMs": 12}}


def events(ask, answer):
    for name, payload in payloads(ask, answer):
        # The real service pads its events to hide lengths; readers must pass over the field `p`.
        yield aws_event(name, {**payload, "p": "abcdefgh"[: 1 + len(name) % 8]})
