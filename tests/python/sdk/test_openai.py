"""OpenAI's client on chat completions, completions, embeddings and models, before every upstream."""

import openai
import pytest

from speakers import OpenAISpeaker
from speakers.claims import TOOLS, Claims

from .everywhere import DOORS, UNLIKE


@pytest.fixture(scope="class")
def at(gateway, key):
    return lambda model: OpenAISpeaker.at(gateway.url, model, key)


class TestChat(Claims):
    upstreams = UNLIKE + DOORS

    @pytest.mark.needs("tools")
    def test_the_clients_own_accumulator_builds_calls(self, speaker):
        tools = [{"type": "function", "function": {"name": n, "parameters": p}} for n, p in TOOLS.items()]
        messages = [{"role": "user", "content": "call get_weather"}]
        with speaker.client.chat.completions.stream(model=speaker.model, messages=messages, tools=tools) as events:
            for _ in events:
                pass
            call = events.get_final_completion().choices[0].message.tool_calls[0]
        assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Zürich"}')

    @pytest.mark.needs("silent usage")
    def test_a_stream_without_usage_asked_for_has_none(self, speaker):
        messages = [{"role": "user", "content": "hello"}]
        chunks = list(speaker.client.chat.completions.create(model=speaker.model, messages=messages, stream=True))
        assert not any(chunk.usage for chunk in chunks)
        assert all(chunk.choices for chunk in chunks)
        assert len({chunk.id for chunk in chunks}) == 1

    def test_sampling_fields_are_translated_or_left_out_by_name(self, speaker):
        """The fake would refuse what its cloud does not know."""
        messages = [{"role": "user", "content": "hello"}]
        sampling = {"temperature": 0.5, "top_p": 0.9, "user": "someone", "n": 1}
        if speaker.model in ("at-anthropic", "at-bedrock", "at-bedrock-invoke", "at-vertex-claude"):
            lost = "seed"
        else:
            lost = ""
        create = speaker.client.chat.completions.with_raw_response.create
        raw = create(model=speaker.model, messages=messages, seed=7, **sampling)
        assert lost in raw.headers.get("x-forebay-lost", "")
        answer = raw.parse()
        assert answer.choices[0].message.content == "You said: hello"

    @pytest.mark.needs("schema", "object")
    def test_an_object_without_a_schema_is_json(self, speaker):
        answer = speaker.client.chat.completions.create(
            model=speaker.model,
            messages=[{"role": "user", "content": "say it in JSON"}],
            response_format={"type": "json_object"},
        )
        assert answer.choices[0].message.content == "{}"


def test_a_wrong_key_is_an_authentication_error(gateway, wrong_key):
    speaker = OpenAISpeaker.at(gateway.url, "at-anthropic", wrong_key)
    with pytest.raises(openai.AuthenticationError) as caught:
        speaker.say("hello")
    assert caught.value.code == "invalid_api_key"


def test_an_unknown_model_is_not_found(at):
    with pytest.raises(openai.NotFoundError):
        at("nowhere").say("hello")


def test_a_long_prompt_has_openais_code_for_it(at):
    for name in UNLIKE:
        with pytest.raises(openai.BadRequestError) as caught:
            at(name).say("fail:contextlength")
        assert caught.value.code == "context_length_exceeded", name


def test_a_rate_limit_says_when_to_come_back(at):
    for name in UNLIKE:
        with pytest.raises(openai.RateLimitError) as caught:
            at(name).say("fail:429")
        told = caught.value.response.headers.get("retry-after")
        # AWS does not say.
        assert told is None if name == "at-bedrock" else told is None or int(told) >= 0, name
        assert name not in ("at-openai", "at-anthropic") or told, name


def test_models_of_all_upstreams_are_listed(at, landscape):
    listed = {model.id for model in at("at-openai").client.models.list()}
    assert set(landscape.upstreams) <= listed


@pytest.mark.parametrize("stream", [False, True])
def test_text_is_completed(at, stream):
    # OpenAI's own chunks have `"finish_reason": null`, which its client's types do not know.
    client = at("at-openai").client
    client._strict_response_validation = not stream
    answer = client.completions.create(model="at-openai", prompt="one two", max_tokens=20, stream=stream)
    text = "".join(chunk.choices[0].text for chunk in answer if chunk.choices) if stream else answer.choices[0].text
    assert text == "You said: one two"


@pytest.mark.parametrize("model", ["at-openai", "at-azure", "at-vllm"])
def test_texts_are_embedded(at, model):
    # The client asks for base64 and decodes it after it has held the answer to its types.
    client = at(model).client
    client._strict_response_validation = False
    answer = client.embeddings.create(model=model, input=["a", "b c"])
    assert [len(each.embedding) for each in answer.data] == [4, 4]
    assert answer.usage.prompt_tokens == 3
