"""Cohere's client at the gateway, before unlike upstreams; and Cohere as an upstream: what its own client sends and
what the gateway sends must mean the same to it."""

import json

import cohere as vendor
import httpx
import pytest

from clouds import cohere
from speakers import CohereSpeaker, OpenAISpeaker
from speakers.claims import PERSON, TOOLS, Claims

from .everywhere import UNLIKE

QUESTIONS = {
    "plain": (["hello"], {}),
    "system": (["hello"], {"system": "Be brief"}),
    "tools": (["call get_weather"], {"tools": TOOLS}),
    "required": (["hello"], {"tools": TOOLS, "choice": "required"}),
    "schema": (["who?"], {"schema": PERSON}),
    "limits": (["one two"], {"stop": ["two"], "max_tokens": 9}),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_gateway_asks_as_coheres_client_asks(landscape, gateway, key, name):
    conversation, options = QUESTIONS[name]
    cloud = landscape.upstreams["at-cohere"].cloud
    OpenAISpeaker.at(gateway.url, "at-cohere", key).say(*conversation, **options)
    sent = json.loads(cloud.requests[-1].body)
    CohereSpeaker.at(cloud.url, cohere.MODEL, cohere.KEY).say(*conversation, **options)
    expected = json.loads(cloud.requests[-1].body)
    assert _neutral(sent) == _neutral(expected)


def _neutral(body):
    """Without what says nothing: an explicit `stream: false`, and text given as a string or as one part."""
    body = {name: value for name, value in body.items() if (name, value) != ("stream", False)}
    for message in body["messages"]:
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return body


@pytest.fixture(scope="class")
def at(gateway, key):
    def at(model):
        speaker = CohereSpeaker.at(gateway.url, model, key)
        if model == "at-gemini":
            # Gemini tells what it thinks to who asks for that, and OpenAI's chat has no word for it.
            speaker.lacks |= {"thought"}
        return speaker

    return at


class TestCohere(Claims):
    upstreams = (*UNLIKE, "at-vllm")

    def test_documents_reach_the_model(self, speaker):
        message = {"role": "user", "content": "what does it say?"}
        answer = speaker.client.chat(model=speaker.model, messages=[message], documents=["a bright sun"])
        assert "a bright sun" in answer.message.content[0].text


def test_texts_are_embedded(gateway, key):
    client = CohereSpeaker.at(gateway.url, "at-openai", key).client
    wanted = {"model": "at-openai", "input_type": "search_document", "embedding_types": ["float"]}
    two = client.embed(texts=["a", "b"], **wanted)
    assert len(two.embeddings.float_) == 2
    with pytest.raises(vendor.BadRequestError):
        client.embed(texts=["a"], **wanted | {"embedding_types": ["int8"]})


def test_errors_have_coheres_shape(gateway, key, wrong_key):
    body = {"model": "at-openai", "messages": [{"role": "user", "content": 7}]}
    for used, status in [(key, 400), (wrong_key, 401)]:
        answer = httpx.post(f"{gateway.url}/v2/chat", json=body, headers={"authorization": f"Bearer {used}"})
        assert answer.status_code == status
        assert isinstance(answer.json()["message"], str)
