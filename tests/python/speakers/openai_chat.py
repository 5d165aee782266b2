"""The openai package on chat completions."""

import json

import openai

from .common import CUT_OFF, Call, Results, Said, Speaker, Usage, User

END = {"stop": "stop", "length": "length", "tool_calls": "calls"}


class OpenAISpeaker(Speaker):
    # Chat completions do not show what a model thought.
    lacks = frozenset({"thought"})
    errors = {
        "rate": openai.RateLimitError,
        "invalid": openai.BadRequestError,
        "auth": openai.AuthenticationError,
        "missing": openai.NotFoundError,
        "server": openai.InternalServerError,
        "broken": (openai.APIError, *CUT_OFF),
    }

    @classmethod
    def at(cls, url, model, key="unused"):
        options = {"max_retries": 0, "timeout": 60, "_strict_response_validation": True}
        return cls(openai.OpenAI(base_url=f"{url}/v1", api_key=key, **options), model)

    def whole(self, turns, **options):
        answer = self.client.chat.completions.create(**self._request(turns, **options))
        choice = answer.choices[0]
        calls = [
            Call(call.id, call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls or []
        ]
        own = choice.message.model_dump(exclude_none=True)
        return Said(choice.message.content or "", calls, END[choice.finish_reason], _usage(answer.usage), own=own)

    def streamed(self, turns, **options):
        request = self._request(turns, **options) | {"stream_options": {"include_usage": True}}
        said, calls, ended = Said("", pieces=0), {}, False
        for chunk in self.client.chat.completions.create(**request, stream=True):
            if chunk.usage:
                said.usage = _usage(chunk.usage)
            for choice in chunk.choices:
                said.pieces += bool(choice.delta.content or choice.delta.tool_calls)
                said.text += choice.delta.content or ""
                for call in choice.delta.tool_calls or []:
                    _add(calls.setdefault(call.index, ["", "", ""]), call)
                if choice.finish_reason:
                    said.end, ended = END[choice.finish_reason], True
        if not ended:
            raise EOFError("the stream has no end")
        said.calls = [Call(id, name, json.loads(arguments)) for _, (id, name, arguments) in sorted(calls.items())]
        return said

    def _request(
        self, turns, system=None, tools=None, choice=None, schema=None, stop=None, max_tokens=None, reasoning=False
    ):
        messages = [{"role": "system", "content": system}] if system else []
        for turn in turns:
            messages += _spell(turn)
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
        more = {"stop": stop, "max_tokens": max_tokens, "reasoning_effort": "low" if reasoning else None}
        return request | {name: value for name, value in more.items() if value is not None}


def _add(kept, call):
    kept[0] = call.id or kept[0]
    if call.function:
        kept[1] += call.function.name or ""
        kept[2] += call.function.arguments or ""


def _spell(turn):
    if isinstance(turn, Said):
        return [turn.own or {"role": "assistant", "content": turn.text}]
    if isinstance(turn, Results):
        return [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in turn.pairs]
    assert isinstance(turn, User)
    if not turn.image:
        return [{"role": "user", "content": turn.text}]
    image = {"type": "image_url", "image_url": {"url": turn.image.url}}
    return [{"role": "user", "content": [{"type": "text", "text": turn.text}, image]}]


def _usage(usage):
    details = usage.prompt_tokens_details
    return Usage(usage.prompt_tokens, (details and details.cached_tokens) or 0, usage.completion_tokens)
