"""The anthropic package on messages; on Bedrock and Vertex too, whose clients it brings."""

import anthropic

from .common import CUT_OFF, Call, Results, Said, Speaker, Usage

END = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "calls"}
MAX_TOKENS = 4096


class AnthropicSpeaker(Speaker):
    errors = {
        "rate": anthropic.RateLimitError,
        "invalid": anthropic.BadRequestError,
        "auth": anthropic.AuthenticationError,
        "missing": anthropic.NotFoundError,
        "server": anthropic.InternalServerError,
        "broken": (anthropic.APIError, *CUT_OFF),
    }

    @classmethod
    def at(cls, url, model, key="unused"):
        options = {"max_retries": 0, "timeout": 60, "_strict_response_validation": True}
        return cls(anthropic.Anthropic(base_url=url, api_key=key, **options), model)

    def whole(self, turns, **options):
        return _said(self.client.messages.create(**self._request(turns, **options)))

    def streamed(self, turns, **options):
        pieces = 0
        with self.client.messages.stream(**self._request(turns, **options)) as events:
            for event in events:
                pieces += event.type == "content_block_delta"
            said = _said(events.get_final_message())
        said.pieces = pieces
        return said

    def count(self, text):
        """What count_tokens says of a question."""
        messages = [{"role": "user", "content": text}]
        return self.client.messages.count_tokens(model=self.model, messages=messages).input_tokens

    def _request(
        self,
        turns,
        system=None,
        tools=None,
        choice=None,
        schema=None,
        stop=None,
        max_tokens=MAX_TOKENS,
        reasoning=False,
    ):
        request = {"model": self.model, "max_tokens": max_tokens, "messages": [_spell(turn) for turn in turns]}
        if tools:
            request["tools"] = [
                {"name": name, "description": name, "input_schema": parameters} for name, parameters in tools.items()
            ]
        if choice:
            plain = {"none": {"type": "none"}, "required": {"type": "any"}}
            request["tool_choice"] = plain.get(choice, {"type": "tool", "name": choice})
        if schema:
            request["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        if reasoning:
            request["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        more = {"system": system, "stop_sequences": stop}
        return request | {name: value for name, value in more.items() if value is not None}


def _spell(turn):
    if isinstance(turn, Said):
        return {"role": "assistant", "content": turn.own or turn.text}
    if isinstance(turn, Results):
        blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in turn.pairs]
        return {"role": "user", "content": blocks}
    if not turn.image:
        return {"role": "user", "content": turn.text}
    source = {"type": "base64", "media_type": turn.image.kind, "data": turn.image.base64}
    return {"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": turn.text}]}


def _said(message):
    blocks = message.content
    text = "".join(block.text for block in blocks if block.type == "text")
    thought = "".join(block.thinking for block in blocks if block.type == "thinking")
    calls = [Call(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"]
    used = message.usage
    cached = used.cache_read_input_tokens or 0
    usage = Usage(used.input_tokens + cached, cached, used.output_tokens)
    own = [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in blocks]
    return Said(text, calls, END[message.stop_reason], usage, thought, own=own)
