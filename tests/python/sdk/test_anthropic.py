"""Anthropic's client on messages, before unlike upstreams and the doors that Claude stands behind."""

import anthropic
import httpx
import pytest

from speakers import AnthropicSpeaker
from speakers.claims import Claims

from .everywhere import UNLIKE

HELLO = {"max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="class")
def at(gateway, key):
    return lambda model: AnthropicSpeaker.at(gateway.url, model, key)


class TestMessages(Claims):
    upstreams = (*UNLIKE, "at-bedrock-invoke", "at-vertex-claude", "at-vllm")

    def test_tokens_are_counted(self, speaker):
        assert speaker.count("one two three") > 0

    def test_a_stream_opens_and_closes_what_it_says(self, speaker):
        kinds = []
        for event in speaker.client.messages.create(model=speaker.model, **HELLO, stream=True):
            kinds.append(event.type)
        kept = [kind for kind in kinds if kind not in ("ping", "content_block_delta")]
        assert kept == [
            "message_start",
            "content_block_start",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
@pytest.mark.parametrize("door", ["x-api-key", "authorization"])
def test_both_doors_and_both_versions_lead_in(gateway, key, version, door):
    headers = {door: f"Bearer {key}" if door == "authorization" else key, "anthropic-version": version}
    answer = httpx.post(f"{gateway.url}/v1/messages", json={"model": "at-gemini", **HELLO}, headers=headers)
    assert answer.json()["content"] == [{"type": "text", "text": "You said: hello"}]


@pytest.mark.parametrize("upstream", ["at-anthropic", "at-vertex-claude", "at-bedrock-invoke", "at-openai"])
def test_sampling_of_the_older_version_goes_through(gateway, key, upstream):
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    body = {"model": upstream, **HELLO, "temperature": 0.5, "top_p": 0.9}
    assert httpx.post(f"{gateway.url}/v1/messages", json=body, headers=headers).status_code == 200


def test_a_wrong_key_is_an_authentication_error(gateway, wrong_key):
    with pytest.raises(anthropic.AuthenticationError):
        AnthropicSpeaker.at(gateway.url, "at-openai", wrong_key).say("hello")


def test_an_error_has_anthropics_shape(gateway, key):
    body = {"model": "at-openai", **HELLO, "messages": [{"role": "user", "content": "fail:429"}]}
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    said = httpx.post(f"{gateway.url}/v1/messages", json=body, headers=headers).json()
    assert (said["type"], said["error"]["type"]) == ("error", "rate_limit_error")


def test_models_are_listed_page_by_page(gateway, key):
    with anthropic.Anthropic(base_url=gateway.url, api_key=key) as client:
        names = [model.id for model in client.models.list(limit=2)]
        assert "at-anthropic" in names
        assert len(set(names)) == len(names) > 4
        assert client.models.retrieve("at-anthropic").type == "model"
        with pytest.raises(anthropic.NotFoundError):
            client.models.retrieve("nowhere")
