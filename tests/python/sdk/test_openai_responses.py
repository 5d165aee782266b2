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


TOOL = {"type": "function", "name": "get_weather", "strict": False,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


class TestMemory:
    """What the client refers to by id, before upstreams that keep nothing."""

    upstreams = (*UNLIKE, "at-vllm")

    def test_tools_are_run_by_reference_until_the_answer(self, speaker):
        responses = speaker.client.responses
        first = responses.create(model=speaker.model, input="call get_weather", tools=[TOOL])
        assert first.store is True
        call = next(item for item in first.output if item.type == "function_call")
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        second = responses.create(model=speaker.model, previous_response_id=first.id, input=[result], tools=[TOOL])
        assert "rain" in second.output_text
        assert second.previous_response_id == first.id
        reference = {"type": "item_reference", "id": call.id}
        asked = {"role": "user", "content": "call get_weather"}
        again = responses.create(model=speaker.model, input=[asked, reference, result], tools=[TOOL])
        assert "rain" in again.output_text

    def test_a_kept_response_is_listed_and_deleted(self, speaker):
        responses = speaker.client.responses
        with responses.stream(model=speaker.model, input="hello") as events:
            first = events.get_final_response()
        second = responses.create(model=speaker.model, previous_response_id=first.id, input="hello again")
        kept = responses.retrieve(second.id)
        assert kept.output_text == second.output_text
        items = list(responses.input_items.list(second.id, limit=1, order="asc"))
        assert [item.type for item in items if item.type != "reasoning"] == ["message"] * 3
        with pytest.raises(openai.BadRequestError, match="synchronous"):
            responses.cancel(second.id)
        responses.delete(second.id)
        with pytest.raises(openai.NotFoundError):
            responses.retrieve(second.id)
        with pytest.raises(openai.BadRequestError) as gone:
            responses.create(model=speaker.model, previous_response_id=second.id, input="hello")
        assert gone.value.code == "previous_response_not_found"
