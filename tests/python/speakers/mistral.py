"""The mistralai package on chat completions."""

import json

from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from mistralai.client.errors.mistralerror import MistralError

from .common import CUT_OFF, Call, Said, Speaker, Usage
from .openai_chat import _spell

END = {"stop": "stop", "length": "length", "tool_calls": "calls"}


class MistralSpeaker(Speaker):
    errors = {kind: SDKError for kind in ("rate", "auth", "missing", "server")} | {
        "invalid": MistralError,
        "broken": (MistralError, *CUT_OFF),
    }

    @classmethod
    def at(cls, url, model, key="unused"):
        return cls(Mistral(api_key=key, server_url=url, timeout_ms=60_000), model)

    def close(self):
        pass

    def whole(self, turns, **options):
        answer = self.client.chat.complete(**self._request(turns, **options))
        choice = answer.choices[0]
        text, thought = _content(choice.message.content)
        calls = [
            Call(call.id, call.function.name, _arguments(call.function.arguments))
            for call in choice.message.tool_calls or []
        ]
        own = choice.message.model_dump(exclude_none=True, by_alias=True)
        return Said(text, calls, END[choice.finish_reason], _usage(answer.usage), thought, own=own)

    def streamed(self, turns, **options):
        said, calls, ended = Said("", pieces=0), {}, False
        for event in self.client.chat.stream(**self._request(turns, **options)):
            choice = event.data.choices[0] if event.data.choices else None
            if event.data.usage:
                said.usage = _usage(event.data.usage)
            if not choice:
                continue
            text, thought = _content(choice.delta.content or "")
            said.text, said.thought = said.text + text, said.thought + thought
            said.pieces += bool(text)
            for call in choice.delta.tool_calls or []:
                kept = calls.setdefault(call.index, [None, "", ""])
                said.pieces += 1
                kept[0] = call.id if call.id not in (None, "null") else kept[0]
                kept[1] += call.function.name or ""
                kept[2] += call.function.arguments or ""
            if isinstance(choice.finish_reason, str):
                said.end, ended = END[choice.finish_reason], True
        if not ended:
            raise EOFError("the stream has no end")
        said.calls = [Call(id, name, json.loads(arguments)) for id, name, arguments in calls.values()]
        return said

    def _request(
        self, turns, system=None, tools=None, choice=None, schema=None, stop=None, max_tokens=None, reasoning=False
    ):
        messages = [{"role": "system", "content": system}] if system else []
        messages += [message for turn in turns for message in _spell(turn)]
        request = {"model": self.model, "messages": messages}
        if tools:
            request["tools"] = [
                {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}
                for name, parameters in tools.items()
            ]
        if choice:
            plain = choice in ("none", "required")
            request["tool_choice"] = choice if plain else {"type": "function", "function": {"name": choice}}
        if schema:
            wanted = {"name": "answer", "schema": schema, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": wanted}
        if reasoning:
            request["reasoning_effort"] = "high"
        more = {"stop": stop, "max_tokens": max_tokens}
        return request | {name: value for name, value in more.items() if value is not None}


def _arguments(arguments):
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def _content(content):
    """(text, thought) of a string or of blocks."""
    if isinstance(content, str) or not content:
        return content or "", ""
    text = "".join(block.text for block in content if block.type == "text")
    thought = "".join(part.text for block in content if block.type == "thinking" for part in block.thinking)
    return text, thought


def _usage(usage):
    # The package has no field for it, but keeps what it does not know.
    details = (usage.additional_properties or {}).get("prompt_tokens_details") or {}
    return Usage(usage.prompt_tokens, details.get("cached_tokens", 0), usage.completion_tokens)
