"""`forebay top` and `forebay why` beside a running gateway."""

import json
import os
import subprocess

import httpx

from forebay import BINARY, Gateway, Process

BODY = {"model": "forebay-sim", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


def words_of(gateway, *words):
    file = f"{gateway.folder.name}/forebay.toml"
    return [BINARY, *words, "--config", file, "--admin", gateway.admin.removeprefix("http://")]


def environment(gateway):
    return {**os.environ, "XDG_RUNTIME_DIR": gateway.folder.name}


def told(gateway, *words):
    command = words_of(gateway, *words)
    return subprocess.run(command, env=environment(gateway), capture_output=True, text=True, timeout=60)


def test_top_and_why_tell_what_the_gateway_did():
    with Gateway() as gateway:
        headers = {"x-request-id": "mine"}
        assert httpx.post(f"{gateway.api}/chat/completions", json=BODY, headers=headers, timeout=60).status_code == 200
        done = told(gateway, "top", "--once", "--interval", "200ms", "--output", "json")
        assert done.returncode == 0, done.stderr
        rates = json.loads(done.stdout)
        assert rates["requests"] == 1 and rates["upstreams"][0]["healthy"] == 1
        done = told(gateway, "top", "--once", "--interval", "200ms")
        assert "requests/s" in done.stdout and " up " in done.stdout, done.stdout + done.stderr
        assert "\x1b" not in done.stdout, "no terminal: plain text"

        done = told(gateway, "why", "mine")
        assert "outcome   status 200" in done.stdout and "stage" not in done.stdout, done.stdout + done.stderr
        done = told(gateway, "why", "mine", "--output", "json")
        assert json.loads(done.stdout)["requests"][0]["outcome"]["output_tokens"] == 5
        assert "mine" in told(gateway, "why").stdout
        done = told(gateway, "why", "gone")
        assert done.returncode != 0 and "telemetry.recent" in done.stderr


def test_what_serves_announces_itself_as_json_too():
    with Process("engine-sim", "--listen", "127.0.0.1:0", "--output", "json") as engine:
        assert engine.announced(r'"engine": "(http://\S+)"')
    listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    with Process("serve", *listen, "--output", "json") as gateway:
        url = gateway.announced(r'"clients": "(http://\S+)"')
        assert httpx.get(f"{url}/v1/models", timeout=60).status_code == 200
        gateway.announced(r"^(\})")
        started = json.loads("".join(line for line in gateway._lines if line))
        assert started["admin"].startswith("http://") and "secrets (deny)" in started["guardrails"]
