"""Refusals reach a client as the exceptions it knows."""

import hashlib
import os
import pathlib

import httpx
import openai
import pytest

from forebay import Gateway

GOOD, SLOW, NARROW = "fb-good-key", "fb-slow-key", "fb-narrow-key"


def key(name, secret, extra=""):
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return (
        f'[[keys]]\nid = "{name}"\ndigest = "sha256:{digest}"\ntenant = "acme"\n'
        f'created = "2026-01-01T00:00:00Z"\n{extra}\n'
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A gateway with three keys: one free, one with a rate limit, one for a single model."""
    file = pathlib.Path(tmp_path_factory.mktemp("keys"), "keys.toml")
    with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as keys:
        keys.write(key("aaaaaaaaaaaa", GOOD))
        keys.write(key("bbbbbbbbbbbb", SLOW, "requests_per_minute = 1\n"))
        keys.write(key("cccccccccccc", NARROW, 'models = ["another-model"]\n'))
    with Gateway(f'[keys]\nfile = "{file}"\n') as gateway:
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


def test_a_known_key_is_let_in(asker):
    assert asker(GOOD).choices[0].message.content


def test_a_wrong_key_is_an_authentication_error(asker):
    with pytest.raises(openai.AuthenticationError) as caught:
        asker("fb-wrong-key")
    assert caught.value.code == "invalid_api_key"


def test_a_missing_key_is_an_authentication_error_in_openais_shape(guarded):
    answer = httpx.post(f"{guarded.api}/chat/completions", json={"model": "forebay-sim", "messages": []})
    assert answer.status_code == 401
    assert set(answer.json()["error"]) >= {"message", "type", "code", "param"}


def test_the_second_request_of_a_slow_key_is_a_rate_limit_error_that_says_when(asker):
    asker(SLOW)
    with pytest.raises(openai.RateLimitError) as caught:
        asker(SLOW)
    headers = caught.value.response.headers
    assert 1 <= int(headers["retry-after"]) <= 60
    assert headers["x-ratelimit-limit-requests"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "0"


def test_a_model_outside_a_keys_list_is_refused(asker):
    with pytest.raises((openai.NotFoundError, openai.PermissionDeniedError)):
        asker(NARROW)


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
