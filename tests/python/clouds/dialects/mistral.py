"""Mistral's chat completions: close to OpenAI's, held against mistralai's own types."""

from mistralai.client.models import ChatCompletionRequest

from ..server import Refusal
from ..sse import DONE, data
from . import chat

END = {**chat.END, "length": "length"}


def ask(body):
    for call in (call for message in body.get("messages", []) for call in message.get("tool_calls") or []):
        if len(call.get("id", "")) not in (0, 14) and not call["id"].isalnum():
            raise Refusal(400, "invalid", f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9")
    return _as_openai(chat.ask(body, ChatCompletionRequest), body)


def _as_openai(asked, body):
    asked.reasoning = asked.reasoning or body.get("prompt_mode") == "reasoning"
    # Usage comes with the last chunk, unasked.
    asked.include_usage = False
    return asked


def _content(answer):
    """Text, or blocks where the model thought."""
    if not answer.thought:
        return answer.text
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": answer.thought}]}
    return [thought, {"type": "text", "text": answer.text}]


def _id(call):
    """Nine letters and digits, the only form of id that Mistral takes back."""
    return call.id.replace("call_", "")


def _usage(answer):
    said = chat.usage(answer)
    return {key: said[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")} | {
        "prompt_tokens_details": {"cached_tokens": answer.usage.cached}
    }


def whole(ask, answer):
    said = chat.whole(ask, answer)
    message = said["choices"][0]["message"]
    del message["refusal"], said["choices"][0]["logprobs"]
    message["content"] = _content(answer)
    for call, spoken in zip(message.get("tool_calls", []), answer.calls, strict=True):
        call["id"] = _id(spoken)
    return {**said, "usage": _usage(answer)}


def events(ask, answer):
    if answer.thought:
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": answer.thought}]}
        yield _chunk(ask, {"role": "assistant", "content": [thought]})
    for chunk in chat.chunks(ask, answer):
        choice = chunk["choices"][0]
        if "tool_calls" in choice["delta"]:
            continue
        if choice["finish_reason"]:
            # Calls come whole, in one chunk.
            calls = [
                {"index": i, "id": _id(call), "function": {"name": call.name, "arguments": call.json}}
                for i, call in enumerate(answer.calls)
            ]
            last = {"content": "", **({"tool_calls": calls} if calls else {})}
            yield _chunk(ask, last, choice["finish_reason"], usage=_usage(answer))
        else:
            yield _chunk(ask, {**choice["delta"], "content": choice["delta"].get("content") or ""})
    yield DONE


def _chunk(ask, delta, end=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": end}
    head = {"id": "fake", "object": "chat.completion.chunk", "created": chat.CREATED, "model": ask.model}
    return data({**head, "choices": [choice], **more})
