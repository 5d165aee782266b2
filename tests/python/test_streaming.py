"""Streamed chat completions."""

import asyncio

import openai


def stream(client, model, content="Tell me about water.", **options):
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": content}], stream=True, **options
    )


def test_a_stream_comes_in_pieces_and_ends_with_a_reason(client, model):
    chunks = list(stream(client, model, max_tokens=16))
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(texts) > 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_only_when_asked_for(client, model):
    silent = list(stream(client, model, max_tokens=4))
    assert all(chunk.usage is None for chunk in silent)
    asked = list(stream(client, model, max_tokens=4, stream_options={"include_usage": True}))
    assert asked[-1].choices == []
    assert asked[-1].usage.completion_tokens == 4


def test_a_stream_says_the_same_as_the_answer_at_once(client, model):
    streamed = "".join(
        chunk.choices[0].delta.content or ""
        for chunk in stream(client, model, "Compare.", max_tokens=24, temperature=0)
        if chunk.choices
    )
    at_once = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Compare."}], max_tokens=24, temperature=0
    )
    assert streamed == at_once.choices[0].message.content


def test_the_clients_own_accumulator_builds_the_message(client, model):
    with client.chat.completions.stream(
        model=model, messages=[{"role": "user", "content": "Gather."}]
    ) as events:
        kinds = {event.type for event in events}
        final = events.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content


def test_many_streams_at_once_do_not_mix(gateway, model):
    async def one(client, number):
        chunks = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": f"Stream {number}"}], max_tokens=12, stream=True
        )
        return [chunk.id async for chunk in chunks]

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=gateway.api, api_key="unused", max_retries=0) as client:
            return await asyncio.gather(*(one(client, number) for number in range(24)))

    answers = asyncio.run(all_of_them())
    assert all(len(set(ids)) == 1 for ids in answers)
    assert len({ids[0] for ids in answers}) == 24
