"""Frames of server-sent events, and of Amazon's event streams."""

import json
import struct
import zlib

DONE = b"data: [DONE]\n\n"


def data(value):
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def event(name, value):
    return b"event: " + name.encode() + b"\n" + data(value)


def event_by_type(value):
    """An event named by the `type` in it, as Anthropic and OpenAI's responses name theirs."""
    return event(value["type"], value)


def frame(headers, payload):
    """One message of application/vnd.amazon.eventstream: prelude with its checksum, headers of strings, payload,
    checksum. https://smithy.io/2.0/aws/amazon-eventstream.html"""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))


def aws_event(name, payload, kind="application/json"):
    """An event; `payload` is bytes, or JSON."""
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return frame({":event-type": name, ":content-type": kind, ":message-type": "event"}, payload)


def aws_exception(name, message):
    payload = json.dumps({"message": message}).encode()
    return frame({":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}, payload)
