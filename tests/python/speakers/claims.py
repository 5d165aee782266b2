"""What must be true of every client before every upstream. A class of tests inherits these and gives `speaker`.

`lacks` of a speaker and of an upstream name what has no words on one of the two wires; such claims are passed over.
"""

import json

import jsonschema
import pytest

from .common import PNG, Image, Results, User

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TIME = {
    "type": "object",
    "properties": {"zone": {"type": "string", "enum": ["Europe/Oslo", "UTC"]}, "hours": {"type": "integer"}},
    "required": ["zone", "hours"],
}
TOOLS = {"get_weather": WEATHER, "get_time": TIME}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
counting = pytest.mark.parametrize(
    "stream", [False, pytest.param(True, marks=pytest.mark.needs("streamed usage"))], ids=["whole", "stream"]
)
calling = pytest.mark.parametrize(
    "stream", [False, pytest.param(True, marks=pytest.mark.needs("streamed tools"))], ids=["whole", "stream"]
)


class Claims:
    @pytest.fixture(autouse=True)
    def passed_over(self, request, speaker):
        for marker in request.node.iter_markers("needs"):
            for what in set(marker.args) & (speaker.lacks | getattr(speaker, "upstream_lacks", frozenset())):
                pytest.skip(f"has no words for {what}")
        yield
        for cloud in speaker.clouds:
            cloud.check()

    @both
    def test_a_question_is_answered(self, speaker, stream):
        said = speaker.say("Grüße aus Zürich 🏔", stream=stream)
        assert said.text == "You said: Grüße aus Zürich 🏔"
        assert said.end == "stop"

    def test_a_stream_comes_in_pieces(self, speaker):
        assert speaker.say("a question of some length", stream=True).pieces > 2

    @both
    def test_the_system_prompt_arrives(self, speaker, stream):
        assert speaker.say("hello", system="Be brief", stream=stream).text.startswith("system: Be brief.")

    def test_earlier_turns_arrive(self, speaker):
        first = speaker.say("one")
        assert speaker.say("one", first, "two").text == "turns: 2. You said: two"

    @calling
    @pytest.mark.needs("tools")
    def test_a_tool_is_called_and_its_result_used(self, speaker, stream):
        question = User("please call get_weather")
        asked = speaker.say(question, tools=TOOLS, stream=stream)
        assert asked.end == "calls"
        assert [(call.name, call.arguments) for call in asked.calls] == [("get_weather", {"city": "Zürich"})]
        answer = speaker.say(
            question, _as_turn(speaker, question, asked), Results([(asked.calls[0], "rain")]), tools=TOOLS
        )
        assert "rain" in answer.text
        assert answer.end == "stop"

    @calling
    @pytest.mark.needs("tools", "parallel tools")
    def test_tools_are_called_in_parallel(self, speaker, stream):
        question = User("please call all")
        asked = speaker.say(question, tools=TOOLS, stream=stream)
        assert [call.name for call in asked.calls] == ["get_weather", "get_time"]
        assert asked.calls[1].arguments == {"zone": "Europe/Oslo", "hours": 1}
        results = Results([(asked.calls[0], "rain"), (asked.calls[1], "noon")])
        answer = speaker.say(question, _as_turn(speaker, question, asked), results, tools=TOOLS)
        assert answer.text.index("rain") < answer.text.index("noon")

    @pytest.mark.needs("tools")
    def test_without_need_no_tool_is_called(self, speaker):
        assert speaker.say("hello", tools=TOOLS).text == "You said: hello"

    @pytest.mark.needs("tools", "choice required")
    def test_a_required_tool_is_called(self, speaker):
        assert speaker.say("hello", tools=TOOLS, choice="required").calls

    @pytest.mark.needs("tools", "choice named")
    def test_a_named_tool_is_the_one_called(self, speaker):
        assert [call.name for call in speaker.say("hello", tools=TOOLS, choice="get_time").calls] == ["get_time"]

    @pytest.mark.needs("tools", "choice none")
    def test_a_forbidden_tool_is_not_called(self, speaker):
        assert speaker.say("please call", tools=TOOLS, choice="none").calls == []

    @both
    @pytest.mark.needs("schema")
    def test_structured_output_fits_its_schema(self, speaker, stream):
        said = json.loads(speaker.say("who is it?", schema=PERSON, stream=stream).text)
        jsonschema.validate(said, PERSON)

    @pytest.mark.needs("image")
    def test_an_image_arrives_whole(self, speaker):
        assert f"images: image/png of {len(PNG)} bytes." in speaker.say(User("what is it?", Image())).text

    @both
    @pytest.mark.needs("stop")
    def test_a_stop_sequence_ends_the_answer(self, speaker, stream):
        said = speaker.say("one two HALT three", stop=["HALT"], stream=stream)
        assert said.text.rstrip() == "You said: one two"
        assert said.end == "stop"

    @both
    def test_a_limit_of_tokens_cuts_the_answer(self, speaker, stream):
        said = speaker.say("one two three four", max_tokens=3, stream=stream)
        assert (said.text, said.end) == ("You said: one", "length")

    @counting
    def test_usage_counts_what_was_read_and_said(self, speaker, stream):
        usage = speaker.say("one two three", stream=stream).usage
        assert usage == (7, 0, 5)

    @counting
    @pytest.mark.needs("cached")
    def test_usage_tells_cached_tokens(self, speaker, stream):
        usage = speaker.say("a cached prompt", stream=stream).usage
        assert usage == (7, 4, 5)

    @both
    @pytest.mark.needs("thought")
    def test_what_the_model_thought_is_told(self, speaker, stream):
        said = speaker.say("think hard", reasoning=True, stream=stream)
        assert said.thought == "Let me think: it is asked for."
        assert said.text == "You said: think hard"

    @both
    @pytest.mark.parametrize(
        ("marker", "kind"),
        [("fail:429", "rate"), ("fail:contextlength", "invalid"), ("fail:500", "server"), ("fail:500html", "server")],
    )
    def test_a_failure_before_the_answer_is_the_clients_own_exception(self, speaker, marker, kind, stream):
        with pytest.raises(speaker.errors[kind]):
            speaker.say(f"please {marker}", stream=stream)

    @pytest.mark.parametrize("marker", ["fail:midstream", "fail:truncate"])
    def test_a_stream_that_breaks_is_no_answer(self, speaker, marker):
        with pytest.raises(speaker.errors["broken"]):
            speaker.say(f"this stream will break: {marker}", stream=True)

    def test_an_answer_that_breaks_off_is_none(self, speaker):
        with pytest.raises((*speaker.errors["broken"], json.JSONDecodeError)):
            speaker.say("this answer will break: fail:truncate")


def _as_turn(speaker, question, asked):
    """The answer as a turn; a streamed one is asked for whole again, since clients keep no message of a stream."""
    return asked if asked.own is not None else speaker.say(question, tools=TOOLS)
