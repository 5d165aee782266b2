"""Request bodies with a content-encoding: read like others, within the same limits."""

import gzip
import json
import zlib

import pytest

CODE = {"gzip": gzip.compress, "deflate": zlib.compress}
PATHS = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5},
    "/v1/messages": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5},
    "/v1/responses": {"input": "Hello", "max_output_tokens": 5},
}


def sent(http, gateway, path, content, coding):
    headers = {"content-type": "application/json", "content-encoding": coding}
    return http.post(f"{gateway.url}{path}", content=content, headers=headers)


@pytest.mark.parametrize("coding", CODE)
@pytest.mark.parametrize("path", PATHS)
def test_a_coded_body_is_read(gateway, http, model, path, coding):
    body = json.dumps(PATHS[path] | {"model": model}).encode()
    answer = sent(http, gateway, path, CODE[coding](body), coding)
    assert answer.status_code == 200, answer.text


def test_two_codings_are_undone_in_their_order(gateway, http, model):
    body = json.dumps(PATHS["/v1/chat/completions"] | {"model": model}).encode()
    answer = sent(http, gateway, "/v1/chat/completions", gzip.compress(zlib.compress(body)), "deflate, gzip")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("coding", CODE)
def test_the_limit_holds_for_what_comes_out(gateway, http, model, coding):
    # 64 MB of spaces in a few KB.
    bomb = CODE[coding](b" " * (64 << 20))
    assert len(bomb) < 1 << 20
    answer = sent(http, gateway, "/v1/chat/completions", bomb, coding)
    assert answer.status_code == 413, answer.text
    assert "limits.body" in answer.json()["error"]["message"]


@pytest.mark.parametrize("content", [b'{"plain": true}', gzip.compress(b'{"cut": "short"}' * 99)[:40]], ids=["plain", "cut"])
def test_what_is_not_of_its_coding_is_the_clients_error(gateway, http, content):
    answer = sent(http, gateway, "/v1/messages", content, "gzip")
    assert answer.status_code == 400, answer.text
    assert "content-encoding" in answer.json()["error"]["message"]


def test_an_unknown_coding_is_refused(gateway, http):
    answer = sent(http, gateway, "/v1/chat/completions", b"{}", "compress")
    assert answer.status_code == 415, answer.text
    assert "content-encoding" in answer.json()["error"]["message"]
