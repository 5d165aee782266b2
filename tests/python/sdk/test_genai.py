"""Google's client on generateContent, before unlike upstreams."""

import pytest
from google import genai
from google.genai import errors, types

from speakers import GenaiSpeaker
from speakers.claims import Claims

from .everywhere import UNLIKE


@pytest.fixture(scope="class")
def at(gateway, key):
    return lambda model: GenaiSpeaker.at(gateway.url, model, key)


class TestGenerateContent(Claims):
    upstreams = (*UNLIKE, "at-vertex", "at-vllm")

    def test_the_older_path_leads_in(self, speaker, gateway, key):
        http = types.HttpOptions(base_url=gateway.url, api_version="v1")
        with genai.Client(api_key=key, http_options=http) as client:
            assert client.models.generate_content(model=speaker.model, contents="hello").text == "You said: hello"


def test_a_wrong_key_is_unauthenticated(gateway, wrong_key):
    with pytest.raises(errors.ClientError) as caught:
        GenaiSpeaker.at(gateway.url, "at-openai", wrong_key).say("hello")
    assert caught.value.code in (401, 403)


@pytest.mark.parametrize(
    ("marker", "status"),
    [("fail:429", "RESOURCE_EXHAUSTED"), ("fail:contextlength", "INVALID_ARGUMENT"), ("fail:503", "UNAVAILABLE")],
)
@pytest.mark.parametrize("model", UNLIKE)
def test_failures_have_googles_names(at, model, marker, status):
    with pytest.raises(errors.APIError) as caught:
        at(model).say(marker)
    assert caught.value.status == status


def test_texts_are_embedded(gateway, key):
    http = types.HttpOptions(base_url=gateway.url)
    with genai.Client(api_key=key, http_options=http) as client:
        two = client.models.embed_content(model="at-openai", contents=["a", "b"])
        assert len(two.embeddings) == 2
        assert two.embeddings[0].values
        with pytest.raises(errors.ClientError) as caught:
            client.models.embed_content(model="nowhere", contents="a")
        assert caught.value.code == 404


def test_models_are_listed_page_by_page(gateway, key):
    http = types.HttpOptions(base_url=gateway.url)
    with genai.Client(api_key=key, http_options=http) as client:
        names = [model.name for model in client.models.list(config={"page_size": 2})]
        assert "models/at-gemini" in names
        assert len(set(names)) == len(names) > 4
        assert client.models.get(model="at-gemini").name == "models/at-gemini"
