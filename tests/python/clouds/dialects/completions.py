"""OpenAI's text completions and embeddings."""

import base64
import struct

from openai.types.completion_create_params import CompletionCreateParams
from openai.types.embedding_create_params import EmbeddingCreateParams

from ..brain import Ask, pieces, tokens
from ..sse import DONE, data
from .chat import CREATED, END, usage
from .common import require

DIMENSIONS = 4


def ask(body):
    require(body, CompletionCreateParams)
    prompt = body["prompt"]
    stop = body.get("stop") or []
    asked = Ask(
        model=body["model"],
        user=prompt if isinstance(prompt, str) else " ".join(map(str, prompt)),
        stop=[stop] if isinstance(stop, str) else stop,
        max_tokens=body.get("max_tokens"),
    )
    asked.include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return asked


def _body(ask, choices, **more):
    return {
        "id": "cmpl-fake",
        "object": "text_completion",
        "created": CREATED,
        "model": ask.model,
        "choices": choices,
        **more,
    }


def _choice(text, end):
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": end}


def whole(ask, answer):
    return _body(ask, [_choice(answer.text, END[answer.end])], usage=usage(answer))


def events(ask, answer):
    for piece in pieces(answer.text):
        yield data(_body(ask, [_choice(piece, None)]))
    yield data(_body(ask, [_choice("", END[answer.end])]))
    if ask.include_usage:
        yield data(_body(ask, [], usage=usage(answer)))
    yield DONE


def vector(text):
    """A small vector that tells texts apart."""
    return [len(text) / 64, text.count(" ") / 8, (sum(map(ord, text)) % 97) / 97, 1.0][:DIMENSIONS]


def embeddings(body):
    require(body, EmbeddingCreateParams)
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [vector(str(text)) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{len(each)}f", *each)).decode() for each in vectors]
    count = sum(tokens(str(text)) for text in texts)
    return {
        "object": "list",
        "model": body["model"],
        "data": [{"object": "embedding", "index": i, "embedding": each} for i, each in enumerate(vectors)],
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }
