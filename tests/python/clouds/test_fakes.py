"""The fakes' own parts: frames that botocore reads, shapes that find leftovers, schemas met, refusals remembered."""

import http.client
import inspect
import json

import httpx
import jsonschema
import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from openai.types.chat.completion_create_params import CompletionCreateParams

from .brain import Ask, think
from .dialects import cohere, converse
from .openai import KEY, OpenAI
from .sample import valid
from .server import Refusal
from .shapes import faults
from .sse import aws_event, aws_exception

HELLO = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello"}]}
KNOWN = {"authorization": f"Bearer {KEY}"}


@pytest.fixture
def openai():
    with OpenAI() as cloud:
        yield cloud


def test_frames_are_what_botocore_reads():
    buffer = EventStreamBuffer()
    sent = aws_event("chunk", {"bytes": "Zg=="}) + aws_exception("throttlingException", "slow down")
    for start in range(0, len(sent), 5):
        buffer.add_data(sent[start : start + 5])
    event, exception = list(buffer)
    assert event.headers[":event-type"] == "chunk"
    assert json.loads(event.payload) == {"bytes": "Zg=="}
    assert exception.to_response_dict()["status_code"] == 400


def test_a_damaged_frame_is_found():
    sent = bytearray(aws_event("chunk", {"bytes": "Zg=="}))
    sent[-6] ^= 1
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(sent))
    with pytest.raises(ChecksumMismatch):
        list(buffer)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"top_k": 3}, "body.top_k: unknown field"),
        ({"messages": "hello"}, "body.messages"),
        ({"messages": [{"role": "user", "content": "x", "cache_control": {}}]}, "cache_control: unknown field"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "id": 1}]}]}, "id: unknown field"),
        ({"temperature": "1"}, "body.temperature"),
        ({"stop": [1]}, "body.stop"),
        ({"reasoning_effort": "hard"}, "body.reasoning_effort"),
    ],
)
def test_leftovers_and_wrong_types_are_found(change, where):
    assert faults(HELLO, CompletionCreateParams) == []
    assert where in "; ".join(faults({**HELLO, **change}, CompletionCreateParams))


def test_converse_refuses_what_botocore_would_not_send():
    content = {"role": "user", "content": [{"text": "hello"}]}
    good = {"messages": [content]}
    assert converse.checked(good, "m", "Converse")["modelId"] == "m"
    for bad in ({**good, "max_tokens": 5}, {"messages": [{**content, "content": "hello"}]}, {**good, "modelId": "m"}):
        with pytest.raises(Refusal):
            converse.checked(bad, "m", "Converse")


@pytest.mark.parametrize(("shape", "method"), [(cohere.ChatRequest, "chat_stream"), (cohere.EmbedRequest, "embed")])
def test_coheres_requests_have_the_fields_of_its_sdk(shape, method):
    assert set(inspect.get_annotations(shape)) - {"stream"} == cohere.signature(method)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"], "$defs": {"A": {"const": 3}}},
        {"type": "array", "items": {"anyOf": [{"type": "null"}, {"type": "string"}]}, "minItems": 2},
        {"type": ["string", "null"], "minLength": 9},
        {"type": "object", "properties": {"n": {"type": "number", "minimum": 7}}, "required": ["n"]},
    ],
)
def test_a_schemas_sample_is_valid(schema):
    jsonschema.validate(valid(schema), schema)


def test_a_schema_that_is_none_is_refused():
    with pytest.raises(Refusal):
        think(Ask("m", schema={"type": "objekt"}))


def test_a_refusal_is_said_in_the_vendors_shape_and_fails_the_test_that_overlooks_it():
    with pytest.raises(AssertionError, match="unknown field"), OpenAI() as cloud:
        answer = httpx.post(f"{cloud.url}/v1/chat/completions", json={**HELLO, "leftover": 1}, headers=KNOWN)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_wrong_key_is_refused(openai):
    answer = httpx.post(f"{openai.url}/v1/chat/completions", json=HELLO, headers={"authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert len(openai.refused()) == 1


def test_a_failure_that_was_asked_for_is_no_refusal(openai):
    body = {**HELLO, "messages": [{"role": "user", "content": "fail:429"}]}
    answer = httpx.post(f"{openai.url}/v1/chat/completions", json=body, headers=KNOWN)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "0")
    openai.check()


def test_a_result_without_its_call_is_refused(openai):
    messages = [{"role": "tool", "tool_call_id": "nobody", "content": "x"}]
    answer = httpx.post(f"{openai.url}/v1/chat/completions", json={**HELLO, "messages": messages}, headers=KNOWN)
    assert answer.status_code == 400
    assert len(openai.refused()) == 1


def test_a_chunked_request_is_read(openai):
    connection = http.client.HTTPConnection(openai.authority)
    payload = json.dumps(HELLO).encode()
    headers = {**KNOWN, "content-type": "application/json"}
    pieces = iter([payload[:10], payload[10:]])
    connection.request("POST", "/v1/chat/completions", body=pieces, headers=headers, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["choices"][0]["message"]["content"] == "You said: hello"
    connection.close()


def test_streams_are_cut_anywhere(openai):
    url = f"{openai.url}/v1/chat/completions"
    with httpx.stream("POST", url, json={**HELLO, "stream": True}, headers=KNOWN) as answer:
        pieces = list(answer.iter_raw())
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
    assert not all(piece.endswith(b"\n\n") for piece in pieces)
