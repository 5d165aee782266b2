"""The vendors' clients at the other paths of an endpoint: the same endpoint, the same entry of the cache."""

import httpx
import openai
import pytest

HOMES = ["/v1", "", "/openai/v1", "/openai", "/v1beta/openai", "/api/v1"]
API_VERSION = "2024-10-21"


def _answer(client, text, **more):
    messages = [{"role": "user", "content": text}]
    raw = client.chat.completions.with_raw_response
    return raw.create(model="at-openai", messages=messages, temperature=0, **more)


def _openai(gateway, key, home):
    return openai.OpenAI(base_url=gateway.url + home, api_key=key, max_retries=0, timeout=60)


def _azure(gateway, key, **more):
    return openai.AzureOpenAI(
        azure_endpoint=gateway.url, api_key=key, api_version=API_VERSION, max_retries=0, timeout=60, **more
    )


@pytest.mark.parametrize("home", HOMES)
class TestOpenAI:
    def test_answers_whole_and_streamed(self, gateway, key, home):
        client = _openai(gateway, key, home)
        assert _answer(client, f"hello {home}").parse().choices[0].message.content == f"You said: hello {home}"
        messages = [{"role": "user", "content": f"streamed {home}"}]
        events = client.chat.completions.create(model="at-openai", messages=messages, stream=True)
        said = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
        assert said == f"You said: streamed {home}"

    def test_lists_models(self, gateway, key, home):
        client = _openai(gateway, key, home)
        assert "at-openai" in [model.id for model in client.models.list()]
        assert client.models.retrieve("at-openai").id == "at-openai"

    def test_the_other_formats_are_there(self, gateway, key, home):
        client = _openai(gateway, key, home)
        assert client.responses.create(model="at-openai", input="hello").output_text == "You said: hello"
        vectors = client.embeddings.create(model="at-openai", input=["a", "b"]).data
        assert [vector.index for vector in vectors] == [0, 1]

    def test_is_one_entry_with_the_main_path(self, gateway, key, home):
        text = f"one entry for {home}"
        first = _answer(_openai(gateway, key, "/v1"), text)
        second = _answer(_openai(gateway, key, home), text)
        assert "hit" not in first.headers["cache-status"]
        assert "; hit" in second.headers["cache-status"]

    def test_a_wrong_key_is_an_authentication_error(self, gateway, wrong_key, home):
        with pytest.raises(openai.AuthenticationError):
            _answer(_openai(gateway, wrong_key, home), "hello")

    def test_a_model_that_nobody_sells_is_not_found(self, gateway, key, home):
        messages = [{"role": "user", "content": "hello"}]
        with pytest.raises(openai.NotFoundError) as error:
            _openai(gateway, key, home).chat.completions.create(model="none", messages=messages)
        assert error.value.code == "model_not_found"


class TestAzureOpenAI:
    def test_answers_by_the_deployments_name(self, gateway, key):
        assert _answer(_azure(gateway, key), "azure").parse().choices[0].message.content == "You said: azure"

    def test_the_path_wins_over_the_bodys_model(self, gateway, key):
        client = _azure(gateway, key, azure_deployment="at-openai")
        messages = [{"role": "user", "content": "by path"}]
        answer = client.chat.completions.create(model="gpt-none", messages=messages)
        assert answer.choices[0].message.content == "You said: by path"

    def test_streams(self, gateway, key):
        messages = [{"role": "user", "content": "azure streams"}]
        events = _azure(gateway, key).chat.completions.create(model="at-openai", messages=messages, stream=True)
        said = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
        assert said == "You said: azure streams"

    def test_embeds(self, gateway, key):
        vectors = _azure(gateway, key).embeddings.create(model="at-openai", input=["a", "b"]).data
        assert [vector.index for vector in vectors] == [0, 1]

    def test_lists_models(self, gateway, key):
        assert "at-openai" in [model.id for model in _azure(gateway, key).models.list()]

    def test_is_one_entry_with_the_main_path(self, gateway, key):
        text = "one entry for azure"
        _answer(_openai(gateway, key, "/v1"), text)
        assert "; hit" in _answer(_azure(gateway, key), text).headers["cache-status"]

    def test_a_wrong_key_is_an_authentication_error(self, gateway, wrong_key):
        with pytest.raises(openai.AuthenticationError):
            _answer(_azure(gateway, wrong_key), "hello")

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model": 1, "messages": []}', b"{}"])
    def test_a_body_that_is_no_request_is_refused_in_openais_words(self, gateway, key, content):
        headers = {"api-key": key, "content-type": "application/json"}
        url = f"{gateway.url}/openai/deployments/at-openai/chat/completions?api-version={API_VERSION}"
        answer = httpx.post(url, content=content, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["error"].keys() >= {"message", "type", "param", "code"}
