"""Mistral's client, which speaks chat completions nearly as OpenAI does, before unlike upstreams."""

import pytest
from mistralai.client.errors import SDKError

from speakers import MistralSpeaker
from speakers.claims import Claims

from .everywhere import UNLIKE


class AtTheGateway(MistralSpeaker):
    """The gateway answers as OpenAI does, where this client expects Mistral's habits: each streamed call in one piece,
    and usage in a stream unasked. Into each message that it gives back it puts `prefix`, and `index` into its calls,
    which only Mistral takes: the gateway hands them on to whom it does not translate for."""

    lacks = frozenset({"thought", "streamed tools", "streamed usage"})


@pytest.fixture(scope="class")
def at(gateway, key):
    return lambda model: AtTheGateway.at(gateway.url, model, key)


class TestMistralsClient(Claims):
    # OpenAI refuses this client's `prefix` and `index`, and a request in its own format reaches it as it is.
    upstreams = (*(name for name in UNLIKE if name != "at-openai"), "at-mistral")


def test_a_wrong_key_is_unauthorized(gateway, wrong_key):
    with pytest.raises(SDKError) as caught:
        AtTheGateway.at(gateway.url, "at-openai", wrong_key).say("hello")
    assert caught.value.status_code == 401
