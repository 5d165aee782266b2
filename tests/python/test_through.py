"""The vendors' clients at the endpoints that pass through."""

import json
import subprocess

import cohere
import httpx
import openai
import pytest
from google import genai

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

[[upstreams]]
name = "gemini"
provider = "gemini"
urls = ["{upstream.url}"]
key = "env:KEPT_KEY"
health_path = ""
models = {{ gemini-x = "gemini-up" }}
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


def test_files_and_batches_are_their_tenants_own(gateway, keys, client):
    line = b'{"custom_id":"1","method":"POST","url":"/v1/embeddings","body":{"model":"m","input":"hello"}}\n'
    file = client.files.create(file=("in.jsonl", line), purpose="batch")
    assert (file.filename, file.id[:7]) == ("in.jsonl", "file-fb")
    assert client.files.content(file.id).content == line
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
    assert client.batches.retrieve(batch.id).input_file_id == file.id
    assert b"custom_id" in client.files.content(batch.output_file_id).content
    assert [one.id for one in client.files.list()] == [file.id]
    assert [one.id for one in client.batches.list()] == [batch.id]
    with openai.OpenAI(base_url=gateway.api, api_key=keys[2], max_retries=0) as other:
        assert not list(other.files.list()) and not list(other.batches.list())
        for ask in (other.files.retrieve, other.files.content, other.files.delete):
            with pytest.raises(openai.NotFoundError):
                ask(file.id)
        with pytest.raises(openai.NotFoundError):
            other.batches.cancel(batch.id)
    assert client.batches.cancel(batch.id).status == "cancelling"
    assert client.files.delete(file.id).deleted


def test_vector_stores_and_containers_are_their_tenants_own(gateway, keys, client):
    file = client.files.create(file=("a.txt", b"text"), purpose="user_data")
    store = client.vector_stores.create(name="s", file_ids=[file.id], metadata={"a": "b"})
    assert (store.id[:5], store.name, store.metadata) == ("vs_fb", "s", {"a": "b"})
    assert client.vector_stores.retrieve(store.id).id == store.id
    assert client.vector_stores.files.create(store.id, file_id=file.id).id == file.id
    found = list(client.vector_stores.search(store.id, query="what"))
    assert (found[0].file_id, found[0].filename) == (file.id, "a.txt")
    assert [one.id for one in client.vector_stores.list()] == [store.id]
    container = client.containers.create(name="c")
    assert (container.id[:7], container.name) == ("cntr_fb", "c")
    assert [one.id for one in client.containers.list()] == [container.id]
    added = client.containers.files.create(container.id, file=("a.txt", b"text"))
    assert (added.container_id, added.path, added.bytes) == (container.id, "/mnt/data/a.txt", 4)
    with openai.OpenAI(base_url=gateway.api, api_key=keys[2], max_retries=0) as other:
        assert not list(other.vector_stores.list()) and not list(other.containers.list())
        for ask in (
            lambda: other.vector_stores.retrieve(store.id),
            lambda: other.vector_stores.search(store.id, query="what"),
            lambda: other.vector_stores.files.create(store.id, file_id=file.id),
            lambda: other.vector_stores.create(file_ids=[file.id]),
            lambda: other.containers.retrieve(container.id),
            lambda: other.containers.files.create(container.id, file=("a.txt", b"text")),
            lambda: other.responses.create(
                model="m", input="x", tools=[{"type": "file_search", "vector_store_ids": [store.id]}]
            ),
        ):
            with pytest.raises(openai.NotFoundError):
                ask()
    assert client.vector_stores.delete(store.id).deleted
    client.files.delete(file.id)


def test_geminis_caches_are_their_tenants_own(gateway, keys):
    def at(key):
        return genai.Client(api_key=key, http_options={"base_url": gateway.url})

    mine, theirs = at(keys[1]), at(keys[2])
    config = {"display_name": "d", "contents": ["a long book"], "ttl": "60s"}
    cache = mine.caches.create(model="gemini-x", config=config)
    assert (cache.name[:17], cache.display_name) == ("cachedContents/fb", "d")
    assert mine.caches.get(name=cache.name).name == cache.name
    assert mine.caches.update(name=cache.name, config={"ttl": "90s"}).name == cache.name
    assert cache.name in [one.name for one in mine.caches.list()]
    assert not list(theirs.caches.list())
    for ask in (
        lambda: theirs.caches.get(name=cache.name),
        lambda: theirs.models.generate_content(model="gemini-x", contents="x", config={"cached_content": cache.name}),
    ):
        with pytest.raises(genai.errors.ClientError) as refused:
            ask()
        assert refused.value.code == 404
    mine.caches.delete(name=cache.name)


@pytest.fixture(scope="module")
def two(upstream, keys):
    """Two upstreams with a model each; the first keeps files."""
    config = f"""
[keys]
file = "{keys[0]}"
"""
    for name, model in (("first", "m"), ("second", "n")):
        config += f"""
[[upstreams]]
name = "{name}"
provider = "openai"
urls = ["{upstream.url}"]
key = "env:KEPT_KEY"
health_path = ""
models = {{ {model} = "m" }}
"""
    with Gateway(config, env={"KEPT_KEY": KEY}) as gateway:
        yield gateway


def test_a_container_that_a_provider_makes_is_its_tenants(two, keys):
    tool = {"type": "code_interpreter", "container": {"type": "auto"}}
    with openai.OpenAI(base_url=two.api, api_key=keys[1], max_retries=0) as client:
        name = client.responses.create(model="m", input="compute", tools=[tool]).output[0].container_id
        assert name.startswith("cntr_fb")
        with client.responses.create(model="m", input="again", tools=[tool], stream=True) as stream:
            told = [event.item.container_id for event in stream if event.type.startswith("response.output_item")]
        assert told == [name, name]
        assert client.containers.retrieve(name).id == name
        # The upstream checks that it gets its own name back.
        client.responses.create(model="m", input="on", tools=[{**tool, "container": name}], store=False)
    with openai.OpenAI(base_url=two.api, api_key=keys[2], max_retries=0) as other:
        with pytest.raises(openai.NotFoundError):
            other.containers.retrieve(name)


def test_what_only_another_upstream_keeps_is_said_to_be_there(two, keys):
    with openai.OpenAI(base_url=two.api, api_key=keys[1], max_retries=0) as client:
        file = client.files.create(file=("a.txt", b"text"), purpose="user_data")
        content = [{"type": "file", "file": {"file_id": file.id}}]
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="n", messages=[{"role": "user", "content": content}])
        assert 'kept at upstream "first", which does not have the model "n"' in str(refused.value)
        client.files.delete(file.id)


def test_what_can_be_got_has_a_head(gateway, keys):
    headers = {"authorization": f"Bearer {keys[1]}"}
    got = httpx.get(f"{gateway.api}/models", headers=headers)
    head = httpx.head(f"{gateway.api}/models", headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    assert httpx.head(f"{gateway.api}/chat/completions", headers=headers).status_code == 405
    assert httpx.head(f"{gateway.api}/models").status_code == 401


def test_half_of_a_surrogate_pair_is_a_replacement_character(gateway, keys):
    headers = {"x-api-key": keys[1], "anthropic-version": "2023-06-01"}
    body = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    whole = httpx.post(f"{gateway.api}/messages", headers=headers, json=body)
    assert whole.json()["content"][0]["text"] == "half \ufffd and \\ud83d"
    stream = httpx.post(f"{gateway.api}/messages", headers=headers, json={**body, "stream": True})
    events = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: ")]
    text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
    assert text == "half \ufffd and \\ud83d"
