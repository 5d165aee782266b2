"""The README's commands for edges, and what comes of them when something is amiss."""

import socket
import subprocess

import httpx
import openai
import pytest

import redis_wire
from edges import COMPONENTS, PLATFORMS, Edge, ask, engine, needs, on, release, up  # noqa: F401
from forebay import BINARY, ROOT


def serves(edge):
    """The official client gets an answer, and a stream of it to the end."""
    with openai.OpenAI(base_url=f"{edge.url}/v1", api_key="unused", max_retries=0, timeout=60) as client:
        ask = {"model": "forebay-sim", "messages": [{"role": "user", "content": "hello"}], "temperature": 0, "seed": 1}
        whole = client.chat.completions.create(**ask).choices[0].message.content
        pieces = list(client.chat.completions.create(**ask, stream=True))
        assert whole
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == whole
        assert pieces[-1].choices == [] or pieces[-1].choices[0].finish_reason


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_readmes_command_serves(platform, engine, release, tmp_path):
    words, mark = on(platform, engine, release, tmp_path)
    with Edge(words, mark) as edge:
        serves(edge)


def test_a_missing_variable_is_named_before_anything_is_served(engine, release, tmp_path):
    words = up(engine.url, release, tmp_path)
    at = words.index("master=sixteen bytes or more")
    ended = subprocess.run(words[: at - 1] + words[at + 1 :], capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "master" in ended.stderr


def test_forebay_names_spins_own_program(tmp_path):
    ended = subprocess.run([BINARY, "spin", "up", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "`spin up`" in ended.stderr


def test_the_release_that_ships_masks_and_denies(engine, release, tmp_path):
    words, mark = on("spin-up", engine, release, tmp_path)
    with Edge(words, mark) as edge:
        body = {"model": "forebay-sim", "temperature": 0, "messages": [{"role": "user", "content": "echo ann@example.org"}]}
        masked = httpx.post(f"{edge.url}/v1/chat/completions", json=body, timeout=30)
        body["messages"][0]["content"] = "my key is AKIAIOSFODNN7EXAMPLQ"
        denied = httpx.post(f"{edge.url}/v1/chat/completions", json=body, timeout=30)
    assert masked.status_code == 200, masked.text
    assert denied.status_code == 400, denied.text
    assert "secrets" in denied.json()["error"]["message"]


def test_an_upstream_that_is_not_allowed_is_named_as_such(engine, release, tmp_path):
    def elsewhere(manifest):
        return manifest.replace('["{{ upstream }}"]', '["https://elsewhere.example"]')

    with Edge(up(engine.url, release, tmp_path, edit=elsewhere), "Serving") as edge:
        answer = ask(edge)
    assert answer.status_code == 502
    assert "allowed_outbound_hosts" in answer.json()["error"]["message"]


def test_without_a_store_requests_are_served(engine, release, tmp_path):
    def unbound(manifest):
        return manifest.replace('key_value_stores = ["default"]', "key_value_stores = []")

    with Edge(up(engine.url, release, tmp_path, edit=unbound), "Serving") as edge:
        assert ask(edge).status_code == 200


def test_a_store_that_never_answers_costs_a_bounded_wait(engine, release, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        config = tmp_path / "runtime.toml"
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        config.write_text(f'[key_value_store.default]\ntype = "redis"\nurl = "{url}"\n')
        words = up(engine.url, release, tmp_path, "--runtime-config-file", config)
        with Edge(words, "Serving") as edge:
            answer = ask(edge)
    assert answer.status_code == 200
    # The store's own limit is 5 s and a request's 10 min: the edge waits half a second to read.
    assert answer.elapsed.total_seconds() < 5


def test_answers_outlive_instances_in_a_real_redis(engine, release, tmp_path):
    needs("redis-server")
    with redis_wire.serving(tmp_path) as redis:
        config = tmp_path / "runtime.toml"
        config.write_text(f'[key_value_store.default]\ntype = "redis"\nurl = "{redis.url}"\n')
        options = ["--runtime-config-file", config, "--max-instance-reuse-count", "1"]
        with Edge(up(engine.url, release, tmp_path, *options), "Serving") as edge:
            states = []
            # An answer is stored just after its client has it: a few repeats, each with a new instance.
            while len(states) < 20 and not (states and "hit" in states[-1]):
                states.append(ask(edge).headers["cache-status"])
    assert "hit" in states[-1], states


def test_an_instance_without_memory_left_ends_and_is_not_used_again(engine, release, tmp_path):
    words = up(engine.url, release, tmp_path, "--max-instance-memory", str(8 << 20))
    with Edge(words, "Serving") as edge:
        assert ask(edge).status_code == 200
        large = {"model": "forebay-sim", "messages": [{"role": "user", "content": "x" * 6_000_000}]}
        answer = httpx.post(f"{edge.url}/v1/chat/completions", json=large, timeout=30)
        assert answer.status_code in (500, 503)
        assert ask(edge).status_code == 200


def test_the_worker_serves_without_a_store(engine, release, tmp_path):
    words, mark = on("worker", engine, release, tmp_path)
    with Edge([*words, "--no-store"], mark) as edge:
        first, second = ask(edge), ask(edge)
    assert first.status_code == 200
    assert "hit" in second.headers["cache-status"], "kept in the isolate"


def test_a_request_that_takes_too_long_is_cut(release, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        upstream = f"http://127.0.0.1:{silent.getsockname()[1]}"
        words = up(upstream, release, tmp_path, "--request-timeout", "1s")
        with Edge(words, "Serving") as edge:
            answer = ask(edge)
    assert answer.status_code in (500, 503, 504)
    # The upstream's own limit is 60 s.
    assert answer.elapsed.total_seconds() < 10


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory):
    """A release whose guardrail does what the model's name says: `trap`, `loop`, `grow`."""
    out = tmp_path_factory.mktemp("misbehaving")
    guard = ROOT / "tests/guests/misbehaving-guardrail.wasm"
    config = out / "forebay.toml"
    own = (ROOT / "deploy/edge/forebay.toml").read_text()
    config.write_text(f'{own}\n[policies.guardrails]\ncomponent = "{guard}"\n')
    command = [BINARY, "bake", "--config", config, "--out", out / "release", "--open"]
    for edge in ("wasi", "worker", "fastly"):
        command += ["--compose", COMPONENTS / f"edge-{edge}.wasm"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out / "release"


def told(edge, model):
    """Status of a request for this model."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "temperature": 0}
    return httpx.post(f"{edge.url}/v1/chat/completions", json=body, timeout=30).status_code


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_trap_ends_its_request_and_the_next_is_served(platform, engine, misbehaving, tmp_path):
    words, mark = on(platform, engine, misbehaving, tmp_path)
    with Edge(words, mark) as edge:
        assert told(edge, "forebay-sim") == 200
        for _ in range(3):
            assert told(edge, "trap") >= 500
            assert told(edge, "forebay-sim") == 200


def test_a_loop_is_cut_at_the_deadline(engine, misbehaving, tmp_path):
    with Edge(up(engine.url, misbehaving, tmp_path, "--request-timeout", "2s"), "Serving") as edge:
        assert told(edge, "loop") >= 500
        assert told(edge, "forebay-sim") == 200
