"""Repeated work is answered from the store."""

import uuid

import openai

MISS, HIT = "fwd=", "hit"


def status(raw):
    return raw.headers["cache-status"]


def ask(client, model, content, **options):
    return client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": content}], max_tokens=8, temperature=0, **options
    )


def fresh(text):
    """A prompt that no other test has asked."""
    return f"{text} {uuid.uuid4()}"


def test_a_repeat_is_a_hit_with_the_same_answer(client, model):
    prompt = fresh("Repeat this.")
    first, second = ask(client, model, prompt), ask(client, model, prompt)
    assert MISS in status(first) and HIT not in status(first).split("; ")
    assert HIT in status(second).split("; ")
    assert second.parse().choices[0].message == first.parse().choices[0].message
    assert int(second.headers["age"]) >= 0


def test_a_streamed_repeat_is_a_hit_with_the_same_chunks(client, model):
    prompt = fresh("Repeat this stream.")

    def streamed():
        raw = ask(client, model, prompt, stream=True)
        return status(raw), [chunk.choices[0].delta.content for chunk in raw.parse() if chunk.choices]

    (first, chunks), (second, replayed) = streamed(), streamed()
    assert MISS in first
    assert HIT in second.split("; ")
    assert replayed == chunks


def test_no_store_leaves_nothing_behind(client, model):
    prompt = fresh("Forget this.")
    ask(client, model, prompt, extra_headers={"cache-control": "no-store"})
    assert HIT not in status(ask(client, model, prompt)).split("; ")


def test_another_prompt_is_no_hit(client, model):
    ask(client, model, fresh("This."))
    assert HIT not in status(ask(client, model, fresh("That."))).split("; ")


def test_only_if_cached_without_an_entry_is_a_gateway_timeout(client, model):
    try:
        ask(client, model, fresh("Never asked."), extra_headers={"cache-control": "only-if-cached"})
    except openai.APIStatusError as error:
        assert error.status_code == 504
    else:
        raise AssertionError("an uncached prompt was answered")


def test_server_timing_names_the_stages(client, model):
    raw = ask(client, model, fresh("Time this."))
    assert "dur=" in raw.headers["server-timing"]
