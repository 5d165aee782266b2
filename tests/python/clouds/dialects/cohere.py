"""Cohere's v2 chat and embed, held against the cohere SDK's types."""

import inspect
import typing
from typing import NotRequired

from cohere.types import (
    ChatMessages,
    CitationOptions,
    EmbeddingType,
    EmbedInput,
    ResponseFormatV2,
    Thinking,
    ToolV2,
)
from cohere.v2.raw_client import RawV2Client
from typing_extensions import TypedDict

from ..brain import Ask, Tool, pieces
from ..server import Refusal
from ..sse import event_by_type
from .common import image_of_url, require, text_of
from .completions import vector

END = {"stop": "COMPLETE", "sequence": "STOP_SEQUENCE", "length": "MAX_TOKENS", "calls": "TOOL_CALL"}


class ChatRequest(TypedDict):
    """The arguments of ClientV2.chat, which the SDK has as a signature only; a self test compares the names."""

    model: str
    messages: ChatMessages
    stream: NotRequired[bool]
    tools: NotRequired[list[ToolV2]]
    strict_tools: NotRequired[bool]
    documents: NotRequired[list[typing.Any]]
    citation_options: NotRequired[CitationOptions]
    response_format: NotRequired[ResponseFormatV2]
    safety_mode: NotRequired[typing.Literal["CONTEXTUAL", "STRICT", "OFF"]]
    max_tokens: NotRequired[int]
    stop_sequences: NotRequired[list[str]]
    temperature: NotRequired[float]
    seed: NotRequired[int]
    frequency_penalty: NotRequired[float]
    presence_penalty: NotRequired[float]
    k: NotRequired[int]
    p: NotRequired[float]
    logprobs: NotRequired[bool]
    tool_choice: NotRequired[typing.Literal["REQUIRED", "NONE"]]
    thinking: NotRequired[Thinking]
    priority: NotRequired[int]


class EmbedRequest(TypedDict):
    """The arguments of ClientV2.embed."""

    model: str
    input_type: typing.Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: NotRequired[list[str]]
    images: NotRequired[list[str]]
    inputs: NotRequired[list[EmbedInput]]
    max_tokens: NotRequired[int]
    output_dimension: NotRequired[int]
    embedding_types: NotRequired[list[EmbeddingType]]
    truncate: NotRequired[typing.Literal["NONE", "START", "END"]]
    priority: NotRequired[int]


def signature(method):
    """The names of what the SDK's method takes."""
    names = inspect.signature(getattr(RawV2Client, method)).parameters
    return set(names) - {"self", "request_options"}


def ask(body):
    require(body, ChatRequest)
    asked = Ask(model=body["model"], turns=0)
    calls = set()
    for message in body["messages"]:
        role, content = message["role"], message.get("content")
        if role == "system":
            asked.system = f"{asked.system} {text_of(content)}".strip()
        elif role == "user":
            asked.turns += 1
            asked.user, asked.results = text_of(content), []
            if isinstance(content, list):
                asked.images += [image_of_url(p["image_url"]["url"]) for p in content if p["type"] == "image_url"]
        elif role == "assistant":
            calls = {call["id"] for call in message.get("tool_calls") or []}
            if not calls and not content:
                raise Refusal(400, "invalid", "an assistant message needs content or tool_calls")
        elif message["tool_call_id"] not in calls:
            raise Refusal(400, "invalid", f"tool_call_id {message['tool_call_id']!r} was never called")
        else:
            asked.results.append((message["tool_call_id"], _result(content)))
    for tool in body.get("tools", []):
        asked.tools.append(Tool(tool["function"]["name"], tool["function"]["parameters"]))
    asked.choice = body.get("tool_choice", "AUTO").lower()
    wanted = body.get("response_format", {"type": "text"})
    asked.json, asked.schema = wanted["type"] == "json_object", wanted.get("json_schema")
    asked.reasoning = body.get("thinking", {"type": "disabled"})["type"] == "enabled"
    asked.stop, asked.max_tokens = body.get("stop_sequences", []), body.get("max_tokens")
    return asked


def _result(content):
    if isinstance(content, str):
        return content
    return "".join(p["text"] if p["type"] == "text" else str(p["document"]["data"]) for p in content)


def _usage(answer):
    used = answer.usage
    count = {"input_tokens": used.prompt, "output_tokens": used.completion}
    return {"billed_units": count, "tokens": count, "cached_tokens": used.cached}


def whole(ask, answer):
    message = {"role": "assistant"}
    if answer.calls:
        message["tool_plan"] = "I will use a tool."
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.json}}
            for call in answer.calls
        ]
    else:
        message["content"] = [{"type": "thinking", "thinking": answer.thought}] if answer.thought else []
        message["content"].append({"type": "text", "text": answer.text})
    return {"id": "fake", "finish_reason": END[answer.end], "message": message, "usage": _usage(answer)}


def payloads(ask, answer):
    head = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": "fake", "delta": {"message": head}}
    if answer.calls:
        for piece in pieces("I will use a tool."):
            yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
        for index, call in enumerate(answer.calls):
            begun = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
            yield {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": begun}}}
            for piece in pieces(call.json):
                delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
                yield {"type": "tool-call-delta", "index": index, "delta": delta}
            yield {"type": "tool-call-end", "index": index}
    else:
        spoken = [("thinking", answer.thought)] if answer.thought else []
        for index, (kind, text) in enumerate([*spoken, ("text", answer.text)]):
            start = {"message": {"content": {"type": kind, kind: ""}}}
            yield {"type": "content-start", "index": index, "delta": start}
            for piece in pieces(text):
                yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}}
            yield {"type": "content-end", "index": index}
    ended = {"finish_reason": END[answer.end], "usage": _usage(answer)}
    yield {"type": "message-end", "id": "fake", "delta": ended}


def events(ask, answer):
    return map(event_by_type, payloads(ask, answer))


def embed(body):
    require(body, EmbedRequest)
    kinds = body.get("embedding_types", ["float"])
    if kinds != ["float"]:
        raise Refusal(400, "invalid", f"this fake embeds float only, not {kinds}")
    texts = body.get("texts") or [text_of(each["content"]) for each in body.get("inputs", [])]
    if not texts:
        raise Refusal(400, "invalid", "texts or inputs must be given")
    billed = {"input_tokens": sum(len(text.split()) for text in texts)}
    return {
        "id": "fake",
        "embeddings": {"float": [vector(text) for text in texts]},
        "texts": texts,
        "meta": {"api_version": {"version": "2"}, "billed_units": billed},
        "response_type": "embeddings_by_type",
    }
