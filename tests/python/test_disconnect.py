"""A client that leaves takes its computation with it."""

import re
import time

import openai

from forebay import Gateway, SimulatedEngine

PATIENCE = 5


def running(http, engine):
    metrics = http.get(f"{engine.url}/metrics").text
    return sum(float(value) for value in re.findall(r"^vllm:num_requests_running\S* (\S+)$", metrics, re.M))


def becomes(wanted, read):
    end = time.monotonic() + PATIENCE
    while (value := read()) != wanted and time.monotonic() < end:
        time.sleep(0.01)
    return value == wanted


def test_leaving_mid_stream_frees_the_engine(http, model):
    with SimulatedEngine() as engine, Gateway(engine=engine.url) as gateway:
        with openai.OpenAI(base_url=gateway.api, api_key="unused", max_retries=0) as client:
            chunks = client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "Talk for a long time."}],
                max_tokens=20_000,
                stream=True,
                extra_body={"ignore_eos": True},
            )
            next(chunks)
            assert becomes(1, lambda: running(http, engine))
            chunks.close()
            assert becomes(0, lambda: running(http, engine))

            after = client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Still there?"}], max_tokens=4
            )
            assert after.choices[0].message.content
