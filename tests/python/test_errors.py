"""Refusals reach a client as the exceptions it knows."""

import subprocess

import httpx
import openai
import pytest

from forebay import BINARY, Gateway

WRONG = f"fb-{'0' * 12}-{'0' * 64}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A keys file as `forebay keys` makes it: a free key, one with a rate limit, one for a single model."""
    file = tmp_path_factory.mktemp("keys") / "keys.toml"

    def create(*options):
        command = [BINARY, "keys", "--file", file, "create", "--tenant", "acme", *options]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return {
        "file": file,
        "free": create(),
        "slow": create("--requests-per-minute", "1"),
        "narrow": create("--model", "another-model"),
    }


@pytest.fixture(scope="module")
def guarded(keys):
    with Gateway(f'[keys]\nfile = "{keys["file"]}"\n') as gateway:
        yield gateway


@pytest.fixture
def asker(guarded):
    clients = []

    def ask(secret, model="forebay-sim", **options):
        client = openai.OpenAI(base_url=guarded.api, api_key=secret, max_retries=0)
        clients.append(client)
        messages = options.pop("messages", [{"role": "user", "content": "Hello"}])
        return client.chat.completions.create(model=model, messages=messages, max_tokens=2, **options)

    yield ask
    for client in clients:
        client.close()


def test_a_known_key_is_let_in(asker, keys):
    assert asker(keys["free"]).choices[0].message.content


def test_a_wrong_key_is_an_authentication_error(asker):
    with pytest.raises(openai.AuthenticationError) as caught:
        asker(WRONG)
    assert caught.value.code == "invalid_api_key"


def test_a_missing_key_is_an_authentication_error_in_openais_shape(guarded):
    answer = httpx.post(f"{guarded.api}/chat/completions", json={"model": "forebay-sim", "messages": []})
    assert answer.status_code == 401
    assert set(answer.json()["error"]) >= {"message", "type", "code", "param"}


def test_the_second_request_of_a_slow_key_is_a_rate_limit_error_that_says_when(guarded, keys):
    ask = {"model": "forebay-sim", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
    with openai.OpenAI(base_url=guarded.api, api_key=keys["slow"], max_retries=0) as client:
        first = client.chat.completions.with_raw_response.create(**ask)
        assert first.headers["x-ratelimit-limit-requests"] == "1"
        assert first.headers["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**ask)
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60


def test_a_model_outside_a_keys_list_is_refused(asker, keys):
    with pytest.raises(openai.PermissionDeniedError) as caught:
        asker(keys["narrow"])
    assert caught.value.code == "model_not_allowed"


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Hello"}])
    assert "no-such-model" in str(caught.value)


def test_a_request_of_the_wrong_type_is_a_bad_request(client, model):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=model, messages="not a list")


def test_a_body_that_is_not_json_is_a_bad_request(gateway, http):
    answer = http.post(f"{gateway.api}/chat/completions", content=b'{"model": ', headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_an_unknown_path_is_not_found_in_openais_shape(gateway, http):
    answer = http.post(f"{gateway.api}/no/such/path", json={})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


def test_an_error_before_a_stream_is_an_exception_not_a_stream(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(
            model="no-such-model", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
