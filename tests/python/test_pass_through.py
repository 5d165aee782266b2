"""What passes unchanged where client and cloud speak the same format, what never passes, and counts without a cloud."""

import json
import subprocess

import httpx
import pytest

from clouds.config import Landscape
from clouds.server import Reply
from forebay import BINARY, Gateway
from raw_cloud import ENV, ONCE, RawCloud, upstream
from wires import CHAT, CONVERSE, GEMINI, MESSAGES, RESPONSES, WIRES, name

# The providers that speak a client's own format.
SAME = {CHAT: "openai", RESPONSES: "openai", MESSAGES: "anthropic", GEMINI: "gemini", CONVERSE: "bedrock"}
USAGE = {"input_tokens": 1, "output_tokens": 1}
TOLD = {
    CHAT: {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
    RESPONSES: {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
            }
        ],
        "usage": {**USAGE, "total_tokens": 2},
    },
    MESSAGES: {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    },
    GEMINI: {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    },
    CONVERSE: {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    },
}


def oddly(value):
    """The JSON as nobody would write it, with a field that nobody knows."""
    text = json.dumps(value, indent=3, separators=(" ,", "\t:  "), ensure_ascii=False)
    odd = '{\r\n "x_unknown" :[ 1.0,1E2 ,"\\u00fc\\/", {"deep":  null} ],'
    return (odd + text[1:] + "\n ").encode()


@pytest.fixture(scope="module")
def cloud():
    with RawCloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def gateway(cloud):
    """Each provider under its own name, whose model is called the same there, and as one whose model is not."""
    config = ONCE
    for provider in sorted(set(SAME.values())):
        config += upstream(provider, provider, cloud) + upstream(f"renamed-{provider}", provider, cloud, "elsewhere")
    with Gateway(config, env=ENV) as gateway:
        yield gateway


@pytest.mark.parametrize("wire", SAME, ids=name)
def test_a_request_in_the_clouds_own_format_passes_byte_for_byte(gateway, cloud, wire):
    cloud.said_next = Reply.json({"model": SAME[wire], **TOLD[wire]})
    sent = oddly(wire.request(SAME[wire], "same"))
    answer = wire.send(gateway.url, SAME[wire], sent)
    assert answer.status_code == 200, answer.text
    assert cloud.requests[-1].body == sent


@pytest.mark.parametrize("wire", SAME, ids=name)
def test_of_a_renamed_model_only_the_name_differs(gateway, cloud, wire):
    title = f"renamed-{SAME[wire]}"
    cloud.said_next = Reply.json({"model": "elsewhere", **TOLD[wire]})
    sent = oddly(wire.request(title, "same"))
    answer = wire.send(gateway.url, title, sent)
    assert answer.status_code == 200, answer.text
    assert cloud.requests[-1].body == sent.replace(title.encode(), b"elsewhere")
    # Google's and Amazon's formats name it in the path.
    assert b"elsewhere" in cloud.requests[-1].body or "elsewhere" in cloud.requests[-1].target


@pytest.mark.parametrize("wire", SAME, ids=name)
def test_an_answer_in_the_clients_own_format_passes_byte_for_byte(gateway, cloud, wire):
    said = oddly({"model": SAME[wire], **TOLD[wire]})
    cloud.said_next = Reply(said, headers={"content-type": "application/json"})
    answer = wire.post(gateway.url, SAME[wire], "answered oddly")
    assert answer.status_code == 200, answer.text
    assert answer.content == said


@pytest.fixture(scope="module")
def landscape(tmp_path_factory):
    landscape = Landscape(tmp_path_factory.mktemp("clouds"))
    yield landscape
    landscape.close()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.toml"


@pytest.fixture(scope="module")
def key(key_file):
    command = [BINARY, "keys", "--file", key_file, "create", "--tenant", "acme"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def guarded(landscape, key, key_file):
    with Gateway(landscape.toml(f'[keys]\nfile = "{key_file}"\n'), env=landscape.env) as gateway:
        yield gateway


HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
STRAY = "of-the-client-alone"


@pytest.mark.parametrize("way", HEADERS)
@pytest.mark.parametrize("wire", WIRES, ids=name)
def test_a_clients_key_reaches_no_cloud(guarded, landscape, key, wire, way):
    clouds = landscape.clouds
    before = [len(cloud.requests) for cloud in clouds]
    for cloud in clouds:
        cloud.refused()
    others = {each: STRAY for each in HEADERS if each not in (way, "authorization")}
    carried = {way: f"Bearer {key}" if way == "authorization" else key}
    # Where the key is a bearer, all others are strays: the first that is found is the client's.
    headers = carried | (others if way == "authorization" else {}) | {"cookie": STRAY, "proxy-authorization": STRAY}
    for title in landscape.upstreams:
        answer = wire.post(guarded.url, title, f"{wire.name} by {way}", headers=headers)
        assert answer.status_code == 200, f"{title}: {answer.text}"
    reached = [request for cloud, n in zip(clouds, before, strict=True) for request in cloud.requests[n:]]
    assert len(reached) >= len(landscape.upstreams)
    for request in reached:
        told = f"{request.target} {request.headers} {request.body.decode()}"
        assert key not in told, request.headers
        assert STRAY not in told, request.headers
    landscape.check()


def test_a_key_in_googles_query_reaches_no_cloud(guarded, landscape, key):
    for title, upstream in landscape.upstreams.items():
        path = GEMINI.path(title) + f"?key={key}"
        body = GEMINI.request(title, "by query")
        answer = httpx.post(guarded.url + path, json=body, timeout=60)
        assert answer.status_code == 200, f"{title}: {answer.text}"
        request = upstream.cloud.requests[-1]
        assert key not in f"{request.target} {request.headers}"


def test_a_key_is_not_logged(guarded, key):
    assert key not in guarded.logged()


@pytest.mark.parametrize("model", ["at-anthropic", "at-openai", "at-gemini", "at-bedrock", "at-oci"])
class TestACount:
    def test_of_anthropics_is_the_upstreams_own_or_said_to_be_an_estimate(self, guarded, landscape, key, model):
        counts = []
        for text in ("Hello", "Hello " * 100):
            body = {"model": model, "messages": [{"role": "user", "content": text}]}
            counts.append(self.count(guarded, "/v1/messages/count_tokens", body, key, model == "at-anthropic")["input_tokens"])
        assert 0 < counts[0] < counts[1]

    def test_of_googles_is_said_to_be_an_estimate(self, guarded, landscape, key, model):
        counts = []
        for text in ("Hello", "Hello " * 100):
            body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
            counts.append(self.count(guarded, f"/v1beta/models/{model}:countTokens", body, key)["totalTokens"])
        assert 0 < counts[0] < counts[1]

    def count(self, guarded, path, body, key, counted=False):
        answer = httpx.post(guarded.url + path, json=body, headers={"authorization": f"Bearer {key}"}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("x-forebay-estimate") == (None if counted else "true")
        return answer.json()
