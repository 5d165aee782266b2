"""Oracle's chat in its two formats, GENERIC and COHERE, held against the models of the oci SDK."""

import re

from oci.generative_ai_inference import models

from ..brain import Ask, Tool, pieces
from ..server import Refusal
from ..sse import data
from .common import image_of_url

GENERIC_END = {"stop": "stop", "sequence": "stop", "length": "length", "calls": "tool_calls"}
COHERE_END = {"stop": "COMPLETE", "sequence": "COMPLETE", "length": "MAX_TOKENS", "calls": "COMPLETE"}
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str}
# What the SDK's models do not say but the service asks for.
REQUIRED = {"ChatDetails": ("compartmentId", "servingMode", "chatRequest"), "OnDemandServingMode": ("modelId",)}


def faults(value, kind, at="body"):
    """Holds JSON against a type as the SDK names it: "str", "list[Message]", "dict(str, X)", "ChatDetails"."""
    if kind == "object":
        return []
    if found := re.fullmatch(r"list\[(.*)\]", kind):
        if not isinstance(value, list):
            return [f"{at}: not an array"]
        return [fault for i, each in enumerate(value) for fault in faults(each, found.group(1), f"{at}[{i}]")]
    if found := re.fullmatch(r"dict\((.*), (.*)\)", kind):
        return [fault for key, each in value.items() for fault in faults(each, found.group(2), f"{at}.{key}")]
    if kind in SCALARS:
        fits = isinstance(value, SCALARS[kind]) and (kind == "bool" or not isinstance(value, bool))
        return [] if fits else [f"{at}: {value!r:.60} is no {kind}"]
    return _of_model(value, getattr(models, kind), at)


def _of_model(value, model, at):
    if not isinstance(value, dict):
        return [f"{at}: not an object"]
    if hasattr(model, "get_subtype"):
        try:
            model = getattr(models, model.get_subtype(value))
        except KeyError as error:
            return [f"{at}.{error.args[0]}: missing"]
    shape = model()
    kinds = {wire: shape.swagger_types[name] for name, wire in shape.attribute_map.items()}
    found = [f"{at}.{name}: missing" for name in REQUIRED.get(model.__name__, ()) if name not in value]
    for name, each in value.items():
        if name not in kinds:
            found.append(f"{at}.{name}: unknown field of {model.__name__}")
        elif each is not None:
            found += faults(each, kinds[name], f"{at}.{name}")
    if not found:
        # The setters know the allowed words of each enumeration.
        for name, wire in shape.attribute_map.items():
            if isinstance(value.get(wire), str):
                try:
                    setattr(shape, name, value[wire])
                except ValueError as error:
                    found.append(f"{at}.{wire}: {error}")
    return found


def ask(body):
    if found := faults(body, "ChatDetails"):
        raise Refusal(400, "invalid", "; ".join(found[:3]))
    serving, request = body["servingMode"], body["chatRequest"]
    asked = Ask(model=serving.get("modelId") or serving.get("endpointId"))
    asked.format, asked.streamed = request["apiFormat"], request.get("isStream", False)
    asked.max_tokens = request.get("maxCompletionTokens") or request.get("maxTokens")
    asked.include_usage = (request.get("streamOptions") or {}).get("isIncludeUsage", False)
    readers = {"GENERIC": _read_generic, "COHERE": _read_cohere}
    if asked.format not in readers:
        raise Refusal(400, "invalid", f"apiFormat {asked.format!r} does not fit the model")
    readers[asked.format](request, asked)
    return asked


def _text(content):
    return "".join(part["text"] for part in content or [] if part["type"] == "TEXT")


def _read_generic(request, asked):
    asked.turns, calls = 0, set()
    for message in request["messages"]:
        role, content = message["role"], message.get("content")
        if role in ("SYSTEM", "DEVELOPER"):
            asked.system = f"{asked.system} {_text(content)}".strip()
        elif role == "USER":
            asked.turns += 1
            asked.user, asked.results = _text(content), []
            asked.images += [image_of_url(part["imageUrl"]["url"]) for part in content if part["type"] == "IMAGE"]
        elif role == "ASSISTANT":
            calls = {call["id"] for call in message.get("toolCalls") or []}
        elif message.get("toolCallId") not in calls:
            raise Refusal(400, "invalid", f"toolCallId {message.get('toolCallId')!r} was never called")
        else:
            asked.results.append((message["toolCallId"], _text(content)))
    for tool in request.get("tools") or []:
        asked.tools.append(Tool(tool["name"], tool.get("parameters") or {"type": "object"}))
    choice = request.get("toolChoice") or {"type": "AUTO"}
    asked.choice = choice["name"] if choice["type"] == "FUNCTION" else choice["type"].lower()
    asked.parallel = request.get("isParallelToolCalls", True)
    wanted = request.get("responseFormat") or {"type": "TEXT"}
    asked.json = wanted["type"] == "JSON_OBJECT"
    asked.schema = (wanted.get("jsonSchema") or {}).get("schema")
    asked.stop = request.get("stop") or []
    asked.reasoning = request.get("reasoningEffort") not in (None, "NONE")


TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}


def _read_cohere(request, asked):
    asked.user, asked.system = request["message"], request.get("preambleOverride") or ""
    history = request.get("chatHistory") or []
    asked.turns = sum(message["role"] == "USER" for message in history) + bool(request["message"])
    asked.system = " ".join([asked.system, *(m["message"] for m in history if m["role"] == "SYSTEM")]).strip()
    if not asked.user:
        asked.user = next((m["message"] for m in reversed(history) if m["role"] == "USER"), "")
    for number, result in enumerate(request.get("toolResults") or []):
        said = ", ".join(str(value) for output in result["outputs"] for value in output.values())
        asked.results.append((f"{result['call']['name']}{number}", said))
    for tool in request.get("tools") or []:
        given = tool.get("parameterDefinitions") or {}
        properties = {name: {"type": TYPES.get(each["type"].lower(), each["type"])} for name, each in given.items()}
        required = [name for name, each in given.items() if each.get("isRequired")]
        schema = {"type": "object", "properties": properties, "required": required}
        asked.tools.append(Tool(tool["name"], schema, tool["description"]))
    wanted = request.get("responseFormat") or {"type": "TEXT"}
    asked.json, asked.schema = wanted["type"] == "JSON_OBJECT", wanted.get("schema")
    asked.stop = request.get("stopSequences") or []


def _usage(answer):
    used = answer.usage
    return {
        "promptTokens": used.prompt,
        "completionTokens": used.completion,
        "totalTokens": used.prompt + used.completion,
        "promptTokensDetails": {"cachedTokens": used.cached},
        "completionTokensDetails": {"reasoningTokens": used.reasoning},
    }


def _tool_calls(answer):
    return [{"id": c.id, "type": "FUNCTION", "name": c.name, "arguments": c.json} for c in answer.calls]


def _cohere(answer, end):
    said = {"apiFormat": "COHERE", "text": answer.text, "finishReason": end}
    if answer.calls:
        said["toolCalls"] = [{"name": call.name, "parameters": call.arguments} for call in answer.calls]
    return said


def whole(ask, answer):
    if ask.format == "COHERE":
        said = {**_cohere(answer, COHERE_END[answer.end]), "chatHistory": [], "usage": _usage(answer)}
    else:
        message = {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": answer.text}] if answer.text else None}
        if answer.calls:
            message["toolCalls"] = _tool_calls(answer)
        if answer.thought:
            message["reasoningContent"] = answer.thought
        choice = {"index": 0, "message": message, "finishReason": GENERIC_END[answer.end]}
        said = {
            "apiFormat": "GENERIC",
            "timeCreated": "2026-09-21T14:13:20.000Z",
            "choices": [choice],
            "usage": _usage(answer),
        }
    return {"modelId": ask.model, "modelVersion": "1.0", "chatResponse": said}


def events(ask, answer):
    """No [DONE]: the event with the finish reason is the last one, but for usage where it was asked for."""
    if ask.format == "COHERE":
        for piece in pieces(answer.text) if answer.text else []:
            yield data({"apiFormat": "COHERE", "text": piece, "pad": "aa"})
        yield data({**_cohere(answer, COHERE_END[answer.end]), "usage": _usage(answer)})
        return
    for piece in pieces(answer.thought) if answer.thought else []:
        yield data({"index": 0, "message": {"role": "ASSISTANT", "reasoningContent": piece}, "pad": "a"})
    for piece in pieces(answer.text) if answer.text else []:
        message = {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": piece}]}
        yield data({"index": 0, "message": message, "pad": "aaaa"})
    for call in _tool_calls(answer):
        # The first fragment names the call, the others have its arguments only.
        head, *rest = pieces(call["arguments"])
        yield data({"index": 0, "message": {"role": "ASSISTANT", "toolCalls": [{**call, "arguments": head}]}})
        for piece in rest:
            fragment = {"type": "FUNCTION", "arguments": piece}
            yield data({"index": 0, "message": {"role": "ASSISTANT", "toolCalls": [fragment]}})
    yield data({"message": {"role": "ASSISTANT"}, "finishReason": GENERIC_END[answer.end], "pad": "aa"})
    if ask.include_usage:
        yield data({"usage": _usage(answer)})
