"""Gemini's generateContent, as the Gemini API and Vertex speak it, held against google-genai's types."""

import json

import pydantic
from google.genai import types

from ..brain import Ask, Seen, Tool, pieces
from ..server import Refusal
from ..sse import data

END = {"stop": "STOP", "sequence": "STOP", "length": "MAX_TOKENS", "calls": "STOP"}


class GenerateContentRequest(pydantic.BaseModel):
    """https://ai.google.dev/api/generate-content#method:-models.generatecontent. Proto JSON takes snake_case too, but
    nobody sends it, so only camelCase passes."""

    model_config = pydantic.ConfigDict(extra="forbid")
    contents: list[types.Content]
    systemInstruction: types.Content | None = None
    tools: list[types.Tool] | None = None
    toolConfig: types.ToolConfig | None = None
    safetySettings: list[types.SafetySetting] | None = None
    generationConfig: types.GenerationConfig | None = None
    cachedContent: str | None = None
    labels: dict[str, str] | None = None


def ask(body, model):
    try:
        asked_for = GenerateContentRequest.model_validate(body)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Refusal(400, "invalid", f"Invalid JSON payload received. {where}: {first['msg']}") from error
    asked = Ask(model=model)
    asked.system = _text(asked_for.systemInstruction)
    _read_contents(asked_for.contents, asked)
    asked.seen = [Seen("text", "system", text=asked.system)] if asked.system else []
    asked.seen += [seen for content in asked_for.contents for seen in _seen(content)]
    for tool in asked_for.tools or []:
        for declared in tool.function_declarations or []:
            schema = declared.parameters_json_schema or _schema(declared.parameters)
            asked.tools.append(Tool(declared.name, schema, declared.description or ""))
    calling = asked_for.toolConfig and asked_for.toolConfig.function_calling_config
    if calling and calling.mode:
        asked.choice = {"NONE": "none", "ANY": "required", "VALIDATED": "auto"}.get(calling.mode.value, "auto")
        if calling.mode.value == "ANY" and len(calling.allowed_function_names or []) == 1:
            asked.choice = calling.allowed_function_names[0]
    _read_generation(asked_for.generationConfig or types.GenerationConfig(), asked)
    return asked


def _read_generation(generation, asked):
    asked.stop, asked.max_tokens = generation.stop_sequences or [], generation.max_output_tokens
    asked.json = generation.response_mime_type == "application/json"
    asked.schema = generation.response_json_schema or (
        _schema(generation.response_schema) if generation.response_schema else None
    )
    if asked.schema and not asked.json:
        raise Refusal(400, "invalid", "response_schema needs response_mime_type application/json")
    thinking = generation.thinking_config
    asked.reasoning = bool(thinking and thinking.include_thoughts)


def _schema(schema):
    """JSON schema of an OpenAPI-like Schema; its types are in capitals."""
    if schema is None:
        return {"type": "object", "properties": {}}
    return schema.json_schema.model_dump(mode="json", exclude_none=True)


def _text(content):
    return "".join(part.text for part in (content.parts if content else None) or [] if part.text and not part.thought)


def _read_contents(contents, asked):
    if not contents:
        raise Refusal(400, "invalid", "contents is not specified")
    asked.turns, open_calls = 0, []
    for content in contents:
        parts = content.parts or []
        if content.role not in (None, "user", "model", "function"):
            raise Refusal(400, "invalid", "Please use a valid role: user, model.")
        if not parts or not all(part.model_fields_set for part in parts):
            raise Refusal(400, "invalid", "a content has no parts, or a part without data")
        if content.role == "model":
            open_calls = [part.function_call for part in parts if part.function_call]
            continue
        responses = [part.function_response for part in parts if part.function_response]
        if [call.name for call in open_calls] != [each.name for each in responses]:
            raise Refusal(
                400,
                "invalid",
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn.",
            )
        calls, open_calls = open_calls, []
        if (text := _text(content)) or not responses:
            asked.turns += 1
            asked.user, asked.results = text, []
        for call, response in zip(calls, responses, strict=True):
            values = response.response or {}
            said = values.get("result", values.get("output", values))
            asked.results.append((response.id or call.id or response.name, str(said)))
        for part in parts:
            if part.inline_data:
                asked.images.append((part.inline_data.mime_type, len(part.inline_data.data)))


def _seen(content):
    """What a content shows the model. What a result shows stands after it."""
    role = "assistant" if content.role == "model" else content.role or "user"
    for part in content.parts or []:
        if part.text and not part.thought:
            yield Seen("text", role, text=part.text)
        elif part.inline_data:
            yield Seen("image", role, data=part.inline_data.data)
        elif part.function_call:
            call = part.function_call
            yield Seen("call", role, id=call.id, name=call.name, text=json.dumps(call.args))
        elif part.function_response:
            result = part.function_response
            yield Seen("result", "tool", id=result.id, name=result.name, text=json.dumps(result.response))
            for inner in result.parts or []:
                yield Seen("image", "tool", data=inner.inline_data.data)


def _usage(answer):
    used = answer.usage
    said = {
        "promptTokenCount": used.prompt,
        "candidatesTokenCount": used.completion - used.reasoning,
        "totalTokenCount": used.prompt + used.completion,
    }
    if used.cached:
        said["cachedContentTokenCount"] = used.cached
    if used.reasoning:
        said["thoughtsTokenCount"] = used.reasoning
    return said


def _said(ask, answer, parts, end=None):
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    if end:
        candidate["finishReason"] = end
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(answer),
        "modelVersion": ask.model,
        # Calls have no ids, so that who makes some needs what tells one answer from another.
        "responseId": f"fake-response-{len(ask.seen)}",
    }


def _calls(answer):
    """Calls have no ids, as in the wild, and the first carries the thought's signature."""
    for number, call in enumerate(answer.calls):
        part = {"functionCall": {"name": call.name, "args": call.arguments}}
        yield {**part, "thoughtSignature": "c2lnbmVk"} if number == 0 else part


def whole(ask, answer):
    parts = [{"text": answer.thought, "thought": True}] if answer.thought else []
    parts += [{"text": answer.text}] if answer.text or not answer.calls else []
    return _said(ask, answer, [*parts, *_calls(answer)], END[answer.end])


def events(ask, answer):
    for piece in pieces(answer.thought) if answer.thought else []:
        yield data(_said(ask, answer, [{"text": piece, "thought": True}]))
    if answer.calls:
        yield data(_said(ask, answer, list(_calls(answer)), END[answer.end]))
        return
    for piece in pieces(answer.text):
        yield data(_said(ask, answer, [{"text": piece}]))
    yield data(_said(ask, answer, [{"text": ""}], END[answer.end]))
