"""Tokens that the gateway fetches: one for many requests, and a fresh one when the cloud no longer takes it."""

import concurrent.futures

import pytest

from speakers import OpenAISpeaker

# Upstream → the authority whose tokens it takes.
FETCHED = {"at-azure-entra": "entra", "at-azure-machine": "imds", "at-vertex": "google", "at-vertex-claude": "metadata"}
ATONCE = 8


@pytest.fixture(params=FETCHED)
def fetching(request, gateway, key, landscape):
    """A client at an upstream, and the tokens of its authority."""
    speaker = OpenAISpeaker.at(gateway.url, request.param, key)
    yield speaker, getattr(landscape, FETCHED[request.param]).tokens
    speaker.close()


def test_a_token_serves_many_requests(fetching):
    speaker, tokens = fetching
    speaker.say("the first")
    given = tokens.count
    for number in range(3):
        speaker.say(f"number {number}")
    assert tokens.count == given


def test_a_token_that_is_no_longer_taken_is_fetched_anew_once(fetching):
    speaker, tokens = fetching
    speaker.say("before")
    given = tokens.count
    tokens.revoke()
    with concurrent.futures.ThreadPoolExecutor(ATONCE) as pool:
        said = list(pool.map(lambda number: speaker.say(f"after {number}").text, range(ATONCE)))
    assert said == [f"You said: after {number}" for number in range(ATONCE)]
    assert tokens.count == given + 1
