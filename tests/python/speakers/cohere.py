"""The cohere package on v2 chat."""

import json

import cohere
from cohere.core import ApiError

from .common import CUT_OFF, Call, Results, Said, Speaker, Usage

END = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "calls"}


class CohereSpeaker(Speaker):
    # Cohere can ask for any tool or none, not for one.
    lacks = frozenset({"choice named"})
    errors = {
        "rate": cohere.TooManyRequestsError,
        "invalid": cohere.BadRequestError,
        "auth": cohere.UnauthorizedError,
        "missing": cohere.NotFoundError,
        "server": (cohere.InternalServerError, ApiError),
        "broken": (ApiError, *CUT_OFF),
    }

    @classmethod
    def at(cls, url, model, key="unused"):
        return cls(cohere.ClientV2(api_key=key, base_url=url, timeout=60), model)

    def whole(self, turns, **options):
        answer = self.client.chat(**self._request(turns, **options))
        message = answer.message
        own = message.model_dump(exclude_none=True)
        calls = [Call(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []]
        text = "".join(part.text for part in message.content or [] if part.type == "text")
        thought = "".join(part.thinking for part in message.content or [] if part.type == "thinking")
        return Said(text, calls, END[answer.finish_reason], _usage(answer.usage), thought, own=own)

    def streamed(self, turns, **options):
        said, calls = Said("", pieces=0), []
        for event in self.client.chat_stream(**self._request(turns, **options)):
            if event.type == "content-delta":
                said.pieces += 1
                said.text += event.delta.message.content.text or ""
                said.thought += event.delta.message.content.thinking or ""
            elif event.type == "tool-call-start":
                begun = event.delta.message.tool_calls
                calls.append([begun.id, begun.function.name, begun.function.arguments])
            elif event.type == "tool-call-delta":
                said.pieces += 1
                calls[-1][2] += event.delta.message.tool_calls.function.arguments
            elif event.type == "message-end":
                if event.delta.finish_reason == "ERROR":
                    raise ApiError(body=event.delta.error)
                said.end, said.usage = END[event.delta.finish_reason], _usage(event.delta.usage)
        said.calls = [Call(id, name, json.loads(arguments)) for id, name, arguments in calls]
        if said.usage is None:
            raise ApiError(body="the stream has no end")
        return said

    def _request(
        self, turns, system=None, tools=None, choice=None, schema=None, stop=None, max_tokens=None, reasoning=False
    ):
        messages = [{"role": "system", "content": system}] if system else []
        messages += [message for turn in turns for message in _spell(turn)]
        request = {"model": self.model, "messages": messages, "request_options": {"max_retries": 0}}
        if tools:
            request["tools"] = [
                {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}
                for name, parameters in tools.items()
            ]
        if choice:
            request["tool_choice"] = choice.upper()
        if schema:
            request["response_format"] = {"type": "json_object", "json_schema": schema}
        if reasoning:
            request["thinking"] = {"type": "enabled"}
        more = {"stop_sequences": stop, "max_tokens": max_tokens}
        return request | {name: value for name, value in more.items() if value is not None}


def _spell(turn):
    if isinstance(turn, Said):
        return [turn.own or {"role": "assistant", "content": turn.text}]
    if isinstance(turn, Results):
        return [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in turn.pairs]
    if not turn.image:
        return [{"role": "user", "content": turn.text}]
    image = {"type": "image_url", "image_url": {"url": turn.image.url}}
    return [{"role": "user", "content": [{"type": "text", "text": turn.text}, image]}]


def _usage(usage):
    return Usage(int(usage.tokens.input_tokens), int(usage.cached_tokens or 0), int(usage.tokens.output_tokens))
