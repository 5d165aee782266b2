"""Ollama's client at the gateway, before unlike upstreams."""

import httpx
import ollama
import pytest

from speakers import OllamaSpeaker
from speakers.claims import Claims

from .everywhere import UNLIKE


@pytest.fixture(scope="class")
def at(gateway, key):
    def at(model):
        speaker = OllamaSpeaker.at(gateway.url, model, key)
        if model == "at-gemini":
            # Gemini tells what it thinks to who asks for that, and OpenAI's chat has no word for it.
            speaker.lacks |= {"thought"}
        return speaker

    return at


class TestOllama(Claims):
    upstreams = (*UNLIKE, "at-vllm")

    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
    def test_a_prompt_is_continued(self, speaker, stream):
        parts = speaker.client.generate(model=speaker.model, prompt="hello", system="Be brief", stream=stream)
        parts = list(parts) if stream else [parts]
        assert "".join(part.response for part in parts) == "system: Be brief. You said: hello"
        assert parts[-1].done_reason == "stop"


@pytest.fixture
def client(gateway, key):
    return OllamaSpeaker.at(gateway.url, "at-openai", key).client


def test_models_are_listed_and_shown(client):
    names = [model.model for model in client.list().models]
    assert "at-openai" in names
    shown = client.show("at-openai")
    assert "tools" in shown.capabilities
    with pytest.raises(ollama.ResponseError) as missing:
        client.show("nowhere")
    assert missing.value.status_code == 404


def test_texts_are_embedded(client):
    one = client.embed(model="at-openai", input="a")
    two = client.embed(model="at-openai", input=["a", "b"])
    assert len(two.embeddings) == 2
    assert two.embeddings[0] == one.embeddings[0]
    assert client.embeddings(model="at-openai", prompt="a").embedding == one.embeddings[0]


def test_the_version_is_told(gateway, key):
    answer = httpx.get(f"{gateway.url}/api/version", headers={"authorization": f"Bearer {key}"})
    assert int(answer.json()["version"].split(".")[1]) >= 6


def test_errors_have_ollamas_shape(gateway, key, wrong_key):
    body = {"model": "at-openai", "messages": [{"role": "user", "content": 7}]}
    for used, status in [(key, 400), (wrong_key, 401)]:
        answer = httpx.post(f"{gateway.url}/api/chat", json=body, headers={"authorization": f"Bearer {used}"})
        assert answer.status_code == status
        assert isinstance(answer.json()["error"], str)
    headers = {"authorization": f"Bearer {key}"}
    assert isinstance(httpx.post(f"{gateway.url}/api/pull", headers=headers).json()["error"], str)
