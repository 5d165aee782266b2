"""What the wires share: answering whole or streamed, breaking off on demand, and reading images."""

import base64
import binascii
import re

from ..brain import think
from ..server import BreakOff, Refusal, Reply
from ..shapes import faults

# A stream that breaks has said this many events.
BEFORE_BREAK = 3


def require(body, shape, tolerated=None):
    """Refuses a body that is not of the vendor's own type. `tolerated` is a pattern of faults that the vendor takes
    all the same, since its own clients commit them."""
    found = [fault for fault in faults(body, shape) if not (tolerated and re.search(tolerated, fault))]
    if found:
        raise Refusal(400, "invalid", "; ".join(found[:3]))


def reply(ask, dialect, streamed, failed, content_type="text/event-stream", headers=None):
    """Thinks and answers. `failed` is the frame that says an error inside a stream."""
    answer = think(ask)
    if streamed:
        stream = _breaking(dialect.events(ask, answer), ask.failure, failed)
        return Reply(stream, headers={"content-type": content_type, "cache-control": "no-cache", **(headers or {})})
    said = Reply.json(dialect.whole(ask, answer))
    said.headers |= headers or {}
    if ask.failure == "truncate":
        said.missing = 7
    return said


def _breaking(events, failure, failed):
    for count, event in enumerate(events):
        if count == BEFORE_BREAK and failure == "midstream":
            yield failed
            return
        if count == BEFORE_BREAK and failure == "truncate":
            yield event[: len(event) // 2]
            raise BreakOff
        yield event


def image_of_url(url):
    """Media type and size of a data URL's image."""
    kind, content = bytes_of_url(url)
    return kind, len(content)


def bytes_of_url(url):
    """Media type and bytes of a data URL."""
    found = re.fullmatch(r"data:([\w/+.-]+);base64,(.*)", url, re.DOTALL)
    if not found:
        raise Refusal(400, "invalid", f"not a data URL with base64: {url[:40]!r}")
    return found.group(1), decoded(found.group(2))


def image(kind, encoded):
    return kind, len(decoded(encoded))


def decoded(encoded):
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Refusal(400, "invalid", f"the image is not base64: {error}") from error


def text_of(content, kinds=("text", "input_text", "output_text")):
    """The text of a message's content: a string, or the text parts of a list."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part["text"] for part in content if part.get("type", "text") in kinds)
