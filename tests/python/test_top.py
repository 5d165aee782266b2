"""`forebay top` and `forebay why` beside a running gateway."""

import json
import os
import subprocess

import httpx

from forebay import BINARY, Gateway

BODY = {"model": "forebay-sim", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


def told(gateway, *words):
    file = f"{gateway.folder.name}/forebay.toml"
    command = [BINARY, *words, "--config", file, "--admin", gateway.admin.removeprefix("http://")]
    env = {**os.environ, "XDG_RUNTIME_DIR": gateway.folder.name}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


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

        done = told(gateway, "why", "mine")
        assert "outcome   status 200" in done.stdout and "stage" not in done.stdout, done.stdout + done.stderr
        done = told(gateway, "why", "mine", "--output", "json")
        assert json.loads(done.stdout)["requests"][0]["outcome"]["output_tokens"] == 5
        assert "mine" in told(gateway, "why").stdout
        done = told(gateway, "why", "gone")
        assert done.returncode != 0 and "telemetry.recent" in done.stderr
