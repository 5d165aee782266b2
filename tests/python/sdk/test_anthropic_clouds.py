"""Anthropic's clients for Bedrock and Vertex, before unlike upstreams."""

import json

import anthropic
import httpx
import pytest
from wires import frames

from speakers import AnthropicSpeaker

UPSTREAMS = ["at-openai", "at-anthropic", "at-bedrock", "at-bedrock-invoke", "at-vertex-claude", "at-gemini"]
BEDROCK = "/model/MODEL/invoke"
VERTEX = "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/MODEL:rawPredict"
OPTIONS = {"max_retries": 0, "timeout": 60, "_strict_response_validation": True}
HELLO = {"max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}


def bedrock(url, key):
    return anthropic.AnthropicBedrock(base_url=url, api_key=key, aws_region="eu-west-1", **OPTIONS)


def vertex(url, key):
    return anthropic.AnthropicVertex(
        base_url=f"{url}/v1", access_token=key, project_id="p", region="europe-west1", **OPTIONS
    )


def direct(url, key):
    return anthropic.Anthropic(base_url=url, api_key=key, **OPTIONS)


@pytest.mark.parametrize("client", [bedrock, vertex])
class TestClient:
    @pytest.mark.parametrize("model", UPSTREAMS)
    def test_answers_whole_and_streamed(self, gateway, key, client, model):
        speaker = AnthropicSpeaker(client(gateway.url, key), model)
        assert speaker.say("hello").text == "You said: hello"
        pieces = []
        for event in speaker.client.messages.create(model=model, **HELLO, stream=True):
            if event.type == "content_block_delta":
                pieces.append(event.delta.text)
        assert "".join(pieces) == "You said: hello"

    @pytest.mark.parametrize("streamed", [False, True])
    def test_is_one_entry_with_the_main_path(self, gateway, key, client, streamed):
        text = f"one entry {client.__name__} {streamed}"
        request = {"max_tokens": 64, "messages": [{"role": "user", "content": text}]}
        # The client has forgotten the word; what is sampled is not kept.
        more = {"extra_body": {"temperature": 0}, "extra_headers": {"anthropic-beta": "a-1,b-2"}}

        def status(client):
            raw = client.messages.with_raw_response.create(model="at-openai", **request, **more, stream=streamed)
            # A stream is kept once it was read.
            said = list(raw.parse()) if streamed else raw.parse()
            assert said
            return raw.headers["cache-status"]

        assert "hit" not in status(direct(gateway.url, key))
        assert "; hit" in status(client(gateway.url, key))

    def test_betas_reach_anthropic(self, gateway, key, landscape, client):
        client(gateway.url, key).beta.messages.create(model="at-anthropic", **HELLO, betas=["a-1", "b-2"])
        seen = landscape.upstreams["at-anthropic"].cloud.requests[-1]
        assert seen.headers["anthropic-beta"] == "a-1,b-2"
        assert not {"anthropic_beta", "anthropic_version"} & seen.json().keys()

    def test_a_wrong_key_is_an_authentication_error(self, gateway, wrong_key, client):
        with pytest.raises(anthropic.AuthenticationError):
            client(gateway.url, wrong_key).messages.create(model="at-openai", **HELLO)

    def test_a_model_that_nobody_sells_is_not_found(self, gateway, key, client):
        with pytest.raises(anthropic.NotFoundError):
            client(gateway.url, key).messages.create(model="none", **HELLO)

    def test_a_request_that_is_none_is_refused(self, gateway, key, client):
        with pytest.raises(anthropic.BadRequestError):
            client(gateway.url, key).messages.create(model="at-openai", max_tokens=5, messages=[])


def test_tokens_are_counted_at_vertex(gateway, key):
    assert AnthropicSpeaker(vertex(gateway.url, key), "at-openai").count("one two three") > 0


def test_errors_at_aws_have_aws_form_and_at_google_anthropics(gateway, key):
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    for content in (b"", b"{", b"[]", b"{}", b'{"max_tokens": 1, "max_tokens": 1}'):
        answer = httpx.post(gateway.url + BEDROCK.replace("MODEL", "at-openai"), content=content, headers=headers)
        assert answer.status_code == 400
        assert answer.headers["x-amzn-errortype"].startswith("ValidationException")
        assert answer.json()["message"]
        answer = httpx.post(gateway.url + VERTEX.replace("MODEL", "at-openai"), content=content, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_stream_for_aws_is_frames_of_anthropics_events(gateway, key):
    url = f"{gateway.url}/model/at-gemini/invoke-with-response-stream"
    body = {"anthropic_version": "bedrock-2023-05-31", **HELLO}
    answer = httpx.post(url, json=body, headers={"authorization": f"Bearer {key}"})
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    kinds = {headers[":event-type"] for headers, _ in frames(answer.content)}
    assert kinds == {"chunk"}
    assert all(json.loads(payload).keys() == {"bytes"} for _, payload in frames(answer.content))
