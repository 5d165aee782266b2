"""The openai package on responses."""

import json

from .common import Call, Results, Said, Usage
from .openai_chat import OpenAISpeaker


class ResponsesSpeaker(OpenAISpeaker):
    # Responses have no stop sequences.
    lacks = frozenset({"stop"})

    def whole(self, turns, **options):
        return _said(self.client.responses.create(**self._request(turns, **options)))

    def streamed(self, turns, **options):
        pieces, final, number = 0, None, -1
        for event in self.client.responses.create(**self._request(turns, **options), stream=True):
            assert event.sequence_number == number + 1, "events are numbered without a gap"
            number = event.sequence_number
            pieces += event.type in ("response.output_text.delta", "response.function_call_arguments.delta")
            if event.type in ("response.completed", "response.incomplete"):
                final = event.response
        if final is None:
            raise EOFError("the stream has no end")
        said = _said(final)
        said.pieces = pieces
        return said

    def _request(self, turns, system=None, tools=None, choice=None, schema=None, max_tokens=None, reasoning=False):
        request = {"model": self.model, "input": [item for turn in turns for item in _spell(turn)]}
        if tools:
            request["tools"] = [
                {"type": "function", "name": name, "description": name, "parameters": parameters, "strict": False}
                for name, parameters in tools.items()
            ]
        if choice:
            plain = choice in ("none", "required")
            request["tool_choice"] = choice if plain else {"type": "function", "name": choice}
        if schema:
            wanted = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
            request["text"] = {"format": wanted}
        if reasoning:
            request["reasoning"] = {"effort": "low", "summary": "auto"}
        more = {"instructions": system, "max_output_tokens": max_tokens}
        return request | {name: value for name, value in more.items() if value is not None}


def _spell(turn):
    if isinstance(turn, Said):
        return turn.own or [{"role": "assistant", "content": turn.text}]
    if isinstance(turn, Results):
        return [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in turn.pairs]
    content = [{"type": "input_text", "text": turn.text}]
    if turn.image:
        content.append({"type": "input_image", "image_url": turn.image.url, "detail": "auto"})
    return [{"role": "user", "content": content}]


def _said(answer):
    calls = [
        Call(item.call_id, item.name, json.loads(item.arguments))
        for item in answer.output
        if item.type == "function_call"
    ]
    thought = "".join(part.text for item in answer.output if item.type == "reasoning" for part in item.summary)
    end = "length" if answer.status == "incomplete" else "calls" if calls else "stop"
    used = answer.usage
    usage = Usage(used.input_tokens, used.input_tokens_details.cached_tokens, used.output_tokens)
    own = [item.model_dump(exclude_none=True, exclude={"parsed", "parsed_arguments"}) for item in answer.output]
    return Said(answer.output_text, calls, end, usage, thought, own=own)
