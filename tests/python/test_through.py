"""The vendors' clients at the endpoints that pass through."""

import subprocess

import cohere
import openai
import pytest

from forebay import BINARY, Gateway
from through_upstream import KEY, ThroughUpstream

WAV = ("hello.wav", b"RIFF" + b"\x00" * 200_000, "audio/wav")


@pytest.fixture(scope="module")
def upstream():
    with ThroughUpstream() as upstream:
        yield upstream
        assert upstream.refused == []


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.toml"

    def create(tenant):
        command = [BINARY, "keys", "--file", file, "create", "--tenant", tenant]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return file, create("acme"), create("other")


@pytest.fixture(scope="module")
def gateway(upstream, keys):
    config = f"""
[keys]
file = "{keys[0]}"

[[upstreams]]
name = "kept"
urls = ["{upstream.url}"]
key = "env:KEPT_KEY"
health_path = ""
"""
    with Gateway(config, env={"KEPT_KEY": KEY}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway, keys):
    with openai.OpenAI(base_url=gateway.api, api_key=keys[1], max_retries=0) as client:
        yield client


def test_openai_hears_and_speaks(client):
    heard = client.audio.transcriptions.create(model="whisper-1", file=WAV)
    assert heard.text == "hello"
    text = client.audio.transcriptions.create(model="whisper-1", file=WAV, response_format="text")
    assert text == "hello\n"
    assert client.audio.translations.create(model="whisper-1", file=WAV).text == "hello"
    spoken = client.audio.speech.create(model="tts-1", input="hello", voice="alloy")
    assert len(spoken.content) == 100_003
    with client.audio.speech.with_streaming_response.create(model="tts-1", input="hi", voice="alloy") as streamed:
        assert sum(len(piece) for piece in streamed.iter_bytes()) == 100_003


def test_openai_draws_and_moderates(client):
    assert client.images.generate(model="gpt-image-1", prompt="a cat").data[0].b64_json == "aGk="
    image = ("cat.png", b"PNG", "image/png")
    assert client.images.edit(model="gpt-image-1", image=image, prompt="a hat").data[0].b64_json == "aGk="
    assert not client.moderations.create(model="omni-moderation-latest", input="hello").results[0].flagged


def test_cohere_ranks(gateway, keys):
    client = cohere.ClientV2(api_key=keys[1], base_url=gateway.url)
    ranked = client.rerank(model="rerank-v3.5", query="which", documents=["a", "b"])
    assert [result.index for result in ranked.results] == [0, 1]
    ranked = cohere.Client(api_key=keys[1], base_url=gateway.url).rerank(
        model="rerank-v3.5", query="which", documents=["a", "b"]
    )
    assert len(ranked.results) == 2


def test_what_is_wrong_is_told_as_openai_does(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.speech.create(model="..", input="hello", voice="alloy")
    assert refused.value.body["param"] == "model"
    with pytest.raises(openai.NotFoundError):
        client.post("/fine_tuning/jobs", body={}, cast_to=object)
