"""The engine part: the gateway before a real engine that --engine URL names, vLLM or llama.cpp.

What one engine has and the other has not (chat templates, counters) is asked of the engine first, and skipped by name.
"""

import re
import time
import uuid

import httpx
import openai
import pytest

from forebay import Gateway

pytestmark = pytest.mark.engine

# A small model on two busy cores.
PATIENCE = 30


class Engine:
    """The engine as it shows itself, without the gateway."""

    def __init__(self, url):
        self.url = url.rstrip("/").removesuffix("/v1")
        self.http = httpx.Client(timeout=PATIENCE)
        self.model = self.http.get(f"{self.url}/v1/models").json()["data"][0]["id"]

    def metric(self, *names):
        """The sum of the first of these metrics that the engine has; None where it has none of them."""
        answer = self.http.get(f"{self.url}/metrics")
        for name in names if answer.status_code == 200 else ():
            values = re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", answer.text, re.M)
            if values:
                return sum(map(float, values))
        return None

    def running(self):
        """How many requests the engine computes at the moment."""
        return self.metric("vllm:num_requests_running", "llamacpp:requests_processing")

    def chats(self):
        """Whether the model has a chat template. Any error says no; the completions tests then carry the proof."""
        body = {"model": self.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        return self.http.post(f"{self.url}/v1/chat/completions", json=body).status_code == 200


@pytest.fixture(scope="module")
def engine(request):
    url = request.config.getoption("--engine")
    if url is None:
        pytest.skip("no --engine URL")
    return Engine(url)


@pytest.fixture(scope="module")
def before(engine):
    with Gateway(engine=engine.url) as gateway:
        yield gateway


@pytest.fixture
def real(before):
    with openai.OpenAI(base_url=before.api, api_key="unused", max_retries=0, timeout=PATIENCE) as client:
        yield client


def eventually(holds):
    end = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def fresh(text):
    return f"{uuid.uuid4()}. {text}"


def test_the_engines_model_is_listed(real, engine):
    assert engine.model in [entry.id for entry in real.models.list()]


def test_a_completion_counts_its_tokens(real, engine):
    answer = real.completions.create(model=engine.model, prompt="The capital of France is", max_tokens=8, temperature=0)
    assert answer.choices[0].text
    assert 1 <= answer.usage.completion_tokens <= 8
    assert answer.usage.prompt_tokens >= 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_gateway_says_what_the_engine_says(real, engine):
    ask = {"model": engine.model, "prompt": fresh("Water flows"), "max_tokens": 12, "temperature": 0, "seed": 7}
    direct = engine.http.post(f"{engine.url}/v1/completions", json=ask).json()
    through = real.completions.create(**ask)
    assert through.choices[0].text == direct["choices"][0]["text"]
    assert through.usage.prompt_tokens == direct["usage"]["prompt_tokens"]


def test_a_completion_streams_with_usage(real, engine):
    chunks = list(
        real.completions.create(
            model=engine.model,
            prompt=fresh("Once upon a time"),
            max_tokens=16,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [chunk.choices[0].text for chunk in chunks if chunk.choices and chunk.choices[0].text]
    assert len(pieces) > 1
    usage = [chunk.usage for chunk in chunks if chunk.usage]
    assert 1 <= usage[-1].completion_tokens <= 16


def test_a_chat_streams(real, engine):
    if not engine.chats():
        pytest.skip("this model has no chat template")
    chunks = list(
        real.chat.completions.create(
            model=engine.model, messages=[{"role": "user", "content": fresh("Hello")}], max_tokens=12, stream=True
        )
    )
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) > 1
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_a_repeat_does_not_reach_the_engine(real, engine):
    ask = {"model": engine.model, "prompt": fresh("Repeat"), "max_tokens": 8, "temperature": 0}
    first = real.completions.with_raw_response.create(**ask)
    before = engine.metric("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total")
    second = real.completions.with_raw_response.create(**ask)
    assert "hit" in second.headers["cache-status"].split("; ")
    assert second.parse().choices[0].text == first.parse().choices[0].text
    assert engine.metric("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total") == before


def test_leaving_mid_stream_cancels_in_the_engine(real, engine):
    if engine.running() is None:
        pytest.skip("this engine shows no count of running requests")
    assert eventually(lambda: engine.running() == 0)
    chunks = real.completions.create(
        model=engine.model,
        prompt=fresh("Count for ever:"),
        max_tokens=1500,
        stream=True,
        extra_body={"ignore_eos": True},
    )
    next(chunks)
    assert eventually(lambda: engine.running() == 1)
    left = time.monotonic()
    chunks.close()
    assert eventually(lambda: engine.running() == 0)
    # Fifteen hundred tokens would take far longer, on the fastest of these engines too.
    assert time.monotonic() - left < 2


def test_a_shared_prefix_is_found_in_the_engines_cache(real, engine):
    hits = "vllm:prefix_cache_hits_total"
    if engine.metric(hits) is None:
        pytest.skip("this engine shows no prefix cache counters")
    prefix = fresh("The quick brown fox jumps over the lazy dog. " * 20)
    real.completions.create(model=engine.model, prompt=f"{prefix} First?", max_tokens=2)
    before = engine.metric(hits)
    answer = real.completions.create(model=engine.model, prompt=f"{prefix} Second?", max_tokens=2)
    assert engine.metric(hits) > before
    details = answer.usage.prompt_tokens_details
    assert details is None or details.cached_tokens is None or details.cached_tokens > 0


def test_an_unknown_model_is_the_clients_not_found(real, engine):
    body = {"model": "no-such-model", "prompt": "Hello", "max_tokens": 1}
    if engine.http.post(f"{engine.url}/v1/completions", json=body).status_code == 200:
        pytest.skip("this engine answers to every name")
    with pytest.raises(openai.NotFoundError):
        real.completions.create(model="no-such-model", prompt="Hello", max_tokens=1)
