"""The clients' dialects as plain HTTP: where a question goes, its body, the shapes of errors in answers and streams.

For what no vendor's client would send, or would hide from a test.
"""

import json
from dataclasses import dataclass
from typing import Callable

import httpx
from botocore.eventstream import EventStreamBuffer

TIMEOUT = 60


@dataclass(frozen=True)
class Wire:
    """One dialect. `text` is the user's question; more fields of a body are given by name."""

    name: str
    paths: tuple  # whole, streamed
    body: Callable
    # Reads the message of an error's body, and fails unless it has the dialect's shape.
    message: Callable
    # The error of a stream's last event, or None.
    stream_error: Callable

    def path(self, model, streamed=False):
        return self.paths[streamed].replace("MODEL", model)

    def request(self, model, text, streamed=False, **more):
        body = self.body(model, text) | more
        # In Google's and Amazon's, the path says it.
        return body | {"stream": True} if streamed and "MODEL" not in self.paths[1] else body

    def post(self, url, model, text="Hello", streamed=False, headers=None, **more):
        return self.send(url, model, json.dumps(self.request(model, text, streamed, **more)), streamed, headers)

    def send(self, url, model, content, streamed=False, headers=None):
        """Sends these very bytes."""
        headers = {"content-type": "application/json", **(headers or {})}
        return httpx.post(url + self.path(model, streamed), content=content, headers=headers, timeout=TIMEOUT)

    def refused(self, answer, status):
        """The message of a refusal with this status."""
        assert answer.status_code == status, f"{self.name}: {answer.status_code} {answer.text}"
        return self.message(answer)


def _openai(answer):
    error = answer.json()["error"]
    assert error.keys() >= {"message", "type", "param", "code"}
    return error["message"] + f" [{error['param']}]"


def _anthropic(answer):
    said = answer.json()
    assert said["type"] == "error"
    assert said["error"]["type"]
    return said["error"]["message"]


def _google(answer):
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert error["status"].isupper()
    return error["message"]


def _amazon(answer):
    assert answer.headers["x-amzn-errortype"].partition(":")[0].endswith("Exception")
    return answer.json()["message"]


def events(content):
    """The JSON of each server-sent event that has some."""
    blocks = content.decode().replace("\r\n", "\n").split("\n\n")
    lines = [line for block in blocks for line in block.split("\n") if line.startswith("data:")]
    datas = [line.removeprefix("data:").strip() for line in lines]
    return [json.loads(data) for data in datas if data != "[DONE]"]


def frames(content):
    """(headers, payload) of each frame of an event stream; checksums are checked."""
    buffer = EventStreamBuffer()
    buffer.add_data(content)
    return [(message.headers, message.payload) for message in buffer]


def _last(content, pick):
    said = events(content)
    return pick(said[-1]) if said else None


def _amazon_stream(content):
    headers, payload = frames(content)[-1]
    return json.loads(payload)["message"] if headers.get(":message-type") == "exception" else None


def _google_stream(last):
    error = last.get("error")
    return error and error["message"]


def _responses_stream(last):
    if last["type"] == "response.failed":
        return last["response"]["error"]["message"]
    return last["message"] if last["type"] == "error" else None


def _anthropic_stream(last):
    return last["error"]["message"] if last["type"] == "error" else None


def _turn(text):
    return [{"role": "user", "content": text}]


CHAT = Wire(
    "chat",
    ("/v1/chat/completions",) * 2,
    lambda model, text: {"model": model, "messages": _turn(text), "temperature": 0},
    _openai,
    lambda content: _last(content, _google_stream),
)
RESPONSES = Wire(
    "responses",
    ("/v1/responses",) * 2,
    lambda model, text: {"model": model, "input": text, "temperature": 0, "store": False},
    _openai,
    lambda content: _last(content, _responses_stream),
)
MESSAGES = Wire(
    "messages",
    ("/v1/messages",) * 2,
    lambda model, text: {"model": model, "max_tokens": 64, "messages": _turn(text), "temperature": 0},
    _anthropic,
    lambda content: _last(content, _anthropic_stream),
)
GEMINI = Wire(
    "gemini",
    ("/v1beta/models/MODEL:generateContent", "/v1beta/models/MODEL:streamGenerateContent?alt=sse"),
    lambda model, text: {
        "contents": [{"role": "user", "parts": [{"text": text}]}],
        "generationConfig": {"temperature": 0},
    },
    _google,
    lambda content: _last(content, _google_stream),
)
CONVERSE = Wire(
    "converse",
    ("/model/MODEL/converse", "/model/MODEL/converse-stream"),
    lambda model, text: {"messages": _turn([{"text": text}]), "inferenceConfig": {"temperature": 0}},
    _amazon,
    _amazon_stream,
)

def _at_clouds(version):
    return lambda model, text: {
        "anthropic_version": version,
        "max_tokens": 64,
        "messages": _turn(text),
        "temperature": 0,
    }


# Other doors of the same formats: the path says what the body does by the main path.
AZURE = Wire(
    "azure",
    ("/openai/deployments/MODEL/chat/completions?api-version=2024-10-21",) * 2,
    lambda model, text: {"messages": _turn(text), "temperature": 0},
    _openai,
    CHAT.stream_error,
)
INVOKE = Wire(
    "invoke",
    ("/model/MODEL/invoke", "/model/MODEL/invoke-with-response-stream"),
    _at_clouds("bedrock-2023-05-31"),
    _amazon,
    _amazon_stream,
)
_PUBLISHER = "/v1/projects/p/locations/europe-west1/publishers/anthropic/models"
PREDICT = Wire(
    "predict",
    (f"{_PUBLISHER}/MODEL:rawPredict", f"{_PUBLISHER}/MODEL:streamRawPredict"),
    _at_clouds("vertex-2023-10-16"),
    _anthropic,
    MESSAGES.stream_error,
)
DOORS = (AZURE, INVOKE, PREDICT)
WIRES = (CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE)


def name(value):
    """How a parameter is named in a test's name."""
    return getattr(value, "name", None)
