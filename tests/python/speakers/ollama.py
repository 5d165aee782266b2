"""The ollama package on chat."""

import json

import ollama

from .common import CUT_OFF, Call, Results, Said, Speaker, Usage

END = {"stop": "stop", "length": "length"}


class OllamaSpeaker(Speaker):
    # It can't ask for a tool, and is told of no cached tokens.
    lacks = frozenset({"choice required", "choice named", "choice none", "cached"})
    errors = {
        "rate": ollama.ResponseError,
        "invalid": ollama.ResponseError,
        "auth": ollama.ResponseError,
        "missing": ollama.ResponseError,
        "server": ollama.ResponseError,
        "broken": (ollama.ResponseError, *CUT_OFF),
    }

    @classmethod
    def at(cls, url, model, key="unused"):
        return cls(ollama.Client(host=url, headers={"authorization": f"Bearer {key}"}, timeout=60), model)

    def close(self):
        self.client._client.close()

    def whole(self, turns, **options):
        return _said([self.client.chat(**self._request(turns, **options))])

    def streamed(self, turns, **options):
        return _said(list(self.client.chat(**self._request(turns, **options), stream=True)))

    def _request(self, turns, system=None, tools=None, schema=None, stop=None, max_tokens=None, reasoning=False):
        messages = [{"role": "system", "content": system}] if system else []
        request = {"model": self.model, "messages": messages + [m for turn in turns for m in _spell(turn)]}
        if tools:
            request["tools"] = [
                {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}
                for name, parameters in tools.items()
            ]
        if schema:
            request["format"] = schema
        if reasoning:
            request["think"] = "low"
        settings = {"stop": stop, "num_predict": max_tokens}
        request["options"] = {name: value for name, value in settings.items() if value is not None}
        return request


def _said(parts):
    if not parts or not parts[-1].done:
        raise EOFError("the stream has no end")
    found = [call for part in parts for call in part.message.tool_calls or []]
    calls = [Call(str(place), call.function.name, dict(call.function.arguments)) for place, call in enumerate(found)]
    text = "".join(part.message.content or "" for part in parts)
    thought = "".join(part.message.thinking or "" for part in parts)
    last = parts[-1]
    usage = Usage(last.prompt_eval_count, 0, last.eval_count)
    own = {"role": "assistant", "content": text, "tool_calls": [json.loads(call.model_dump_json()) for call in found]}
    own = {name: value for name, value in own.items() if value}
    end = "calls" if calls else END[last.done_reason]
    said = Said(text, calls, end, usage, thought, own=own)
    said.pieces = sum(1 for part in parts if not part.done)
    return said


def _spell(turn):
    if isinstance(turn, Said):
        return [turn.own or {"role": "assistant", "content": turn.text}]
    if isinstance(turn, Results):
        return [{"role": "tool", "tool_name": call.name, "content": text} for call, text in turn.pairs]
    images = {"images": [turn.image.base64]} if turn.image else {}
    return [{"role": "user", "content": turn.text, **images}]
