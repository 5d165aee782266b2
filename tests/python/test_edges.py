"""The README's commands for edges, and what comes of them when something is amiss."""

import json
import select
import socket
import subprocess

import httpx
import openai
import pytest

import redis_wire
from edge_faults import told
from edges import PLATFORMS, Edge, ask, engine, misbehaving, needs, on, release, up  # noqa: F401
from forebay import BINARY


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


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_small_body_that_comes_late_is_served(platform, engine, release, tmp_path):
    words, mark = on(platform, engine, release, tmp_path)
    body = json.dumps({"model": "forebay-sim", "messages": [{"role": "user", "content": "hi"}]}).encode()
    with Edge(words, mark) as edge:
        host, port = edge.url.removeprefix("http://").split(":")
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head.encode() + body[:9])
            # Longer than a Worker waits for it before it begins.
            assert not select.select([connection], [], [], 1.5)[0]
            connection.sendall(body[9:])
            told = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert told.startswith(b"HTTP/1.1 200 "), told[:500]


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


def test_a_loop_is_cut_at_the_deadline(engine, misbehaving, tmp_path):
    with Edge(up(engine.url, misbehaving, tmp_path, "--request-timeout", "2s"), "Serving") as edge:
        assert told(edge, "loop") >= 500
        assert told(edge, "forebay-sim") == 200
