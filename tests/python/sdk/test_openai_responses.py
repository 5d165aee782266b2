"""OpenAI's client on responses, before unlike upstreams."""

import openai
import pytest

from speakers import ResponsesSpeaker
from speakers.claims import Claims

from .everywhere import UNLIKE


@pytest.fixture(scope="class")
def at(gateway, key):
    return lambda model: ResponsesSpeaker.at(gateway.url, model, key)


class TestResponses(Claims):
    upstreams = (*UNLIKE, "at-vllm", "at-mistral")

    def test_the_clients_own_accumulator_ends_with_the_response(self, speaker):
        with speaker.client.responses.stream(model=speaker.model, input="hello") as events:
            kinds = [event.type for event in events]
            final = events.get_final_response()
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        assert final.output_text == "You said: hello"


def test_a_wrong_key_is_an_authentication_error(gateway, wrong_key):
    with pytest.raises(openai.AuthenticationError):
        ResponsesSpeaker.at(gateway.url, "at-anthropic", wrong_key).say("hello")


def test_an_unknown_model_is_not_found(at):
    with pytest.raises(openai.NotFoundError):
        at("nowhere").say("hello")
