"""Tool calls, whole and in streamed fragments."""

import json

import openai

from forebay import Gateway
from scripted import ScriptedUpstream, chunk


def tool(name, *properties):
    return {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in properties},
                "required": list(properties),
            },
        },
    }


WEATHER = tool("get_weather", "city")
TIME = tool("get_time", "zone")
QUESTION = [{"role": "user", "content": "What is the weather in Oslo, and what time is it there?"}]

# Two calls whose arguments come in turns and cut inside a word and inside an escape, as engines do.
FRAGMENTS = [
    {"index": 0, "id": "call_a", "type": "function", "function": {"name": "get_weather", "arguments": ""}},
    {"index": 0, "function": {"arguments": '{"ci'}},
    {"index": 1, "id": "call_b", "type": "function", "function": {"name": "get_time", "arguments": '{"zone": '}},
    {"index": 0, "function": {"arguments": 'ty": "Os'}},
    {"index": 1, "function": {"arguments": '"Europe\\'}},
    {"index": 0, "function": {"arguments": 'lo"}'}},
    {"index": 1, "function": {"arguments": 'u002fOslo"}'}},
]
PARALLEL = [
    chunk({"role": "assistant", "content": None}),
    *(chunk({"tool_calls": [fragment]}) for fragment in FRAGMENTS),
    chunk({}, "tool_calls"),
]


def accumulate(chunks):
    """What every client does: adds fragments up by index."""
    calls, reasons = {}, []
    for piece in chunks:
        for choice in piece.choices:
            reasons.append(choice.finish_reason)
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, {"id": None, "name": "", "arguments": "", "fragments": 0})
                call["fragments"] += 1
                call["id"] = delta.id or call["id"]
                call["name"] += (delta.function and delta.function.name) or ""
                call["arguments"] += (delta.function and delta.function.arguments) or ""
    return calls, reasons[-1]


def test_a_required_tool_is_called_with_arguments_of_its_schema(client, model):
    answer = client.chat.completions.create(model=model, messages=QUESTION, tools=[WEATHER], tool_choice="required")
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)


def test_a_named_tool_is_the_one_called(client, model):
    answer = client.chat.completions.create(
        model=model,
        messages=QUESTION,
        tools=[WEATHER, TIME],
        tool_choice={"type": "function", "function": {"name": "get_time"}},
    )
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["get_time"]


def test_streamed_fragments_add_up_to_the_call(client, model):
    calls, reason = accumulate(
        client.chat.completions.create(
            model=model, messages=QUESTION, tools=[WEATHER], tool_choice="required", stream=True
        )
    )
    assert reason == "tool_calls"
    assert calls[0]["name"] == "get_weather"
    assert calls[0]["id"]
    assert calls[0]["fragments"] > 1
    assert "city" in json.loads(calls[0]["arguments"])


def test_parallel_calls_in_turns_arrive_fragment_by_fragment():
    with ScriptedUpstream(chunks=PARALLEL) as upstream, Gateway(engine=upstream.url) as gateway:
        with openai.OpenAI(base_url=gateway.api, api_key="unused", max_retries=0) as client:
            ask = {"model": "scripted", "messages": QUESTION, "tools": [WEATHER, TIME], "parallel_tool_calls": True}
            calls, reason = accumulate(client.chat.completions.create(**ask, stream=True))
        assert upstream.requests[0]["parallel_tool_calls"] is True
    assert reason == "tool_calls"
    assert [(call["id"], call["name"], call["fragments"]) for _, call in sorted(calls.items())] == [
        ("call_a", "get_weather", 4),
        ("call_b", "get_time", 3),
    ]
    assert json.loads(calls[0]["arguments"]) == {"city": "Oslo"}
    assert json.loads(calls[1]["arguments"]) == {"zone": "Europe/Oslo"}


def test_the_clients_own_accumulator_builds_the_calls(client, model):
    with client.chat.completions.stream(
        model=model, messages=QUESTION, tools=[WEATHER], tool_choice="required"
    ) as events:
        for _ in events:
            pass
        call = events.get_final_completion().choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)


def test_a_tools_result_goes_back_into_the_conversation(client, model):
    first = client.chat.completions.create(model=model, messages=QUESTION, tools=[WEATHER], tool_choice="required")
    message = first.choices[0].message
    call = message.tool_calls[0]
    second = client.chat.completions.create(
        model=model,
        messages=[
            *QUESTION,
            message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": '{"celsius": -3}'},
        ],
        tools=[WEATHER],
        tool_choice="none",
        max_tokens=8,
    )
    assert second.choices[0].message.content
