"""examples/cloudflare-worker, with Cloudflare's own wrangler: what a deploy would send, and `wrangler dev`.

`wrangler dev` is run with FOREBAY_FULL=1 alone: three starts of it take a minute."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))

from forebay import BINARY, SimulatedEngine  # noqa: E402

EXAMPLE = ROOT / "examples/cloudflare-worker"
WORKER = ROOT / "deploy/workers/cloudflare"
COMPONENTS = pathlib.Path(os.environ.get("FOREBAY_COMPONENTS", ROOT / "target/components"))
# What a script may weigh on Cloudflare's free plan, compressed.
FREE_PLAN_KIB = 3 * 1024
LIMIT = 240

pytestmark = pytest.mark.skipif(
    not shutil.which("node") or not (EXAMPLE / "node_modules/wrangler").is_dir(),
    reason="MISSING wrangler: npm ci in examples/cloudflare-worker brings it",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The template as a user copies it: without what was built in it."""
    folder = tmp_path_factory.mktemp("worker") / "project"
    left_out = shutil.ignore_patterns("node_modules", "build", "dist", "release", ".wrangler", ".dev.vars", "keys.toml*")
    shutil.copytree(EXAMPLE, folder, ignore=left_out)
    shutil.copytree(EXAMPLE / "node_modules", folder / "node_modules", symlinks=True)
    # The gateway's part as it is now, not as it was when npm copied it.
    for file in [*WORKER.glob("*.js"), *WORKER.glob("*.mjs")]:
        shutil.copy(file, folder / "node_modules/forebay-worker" / file.name)
    shutil.copy(folder / ".dev.vars.example", folder / ".dev.vars")
    return folder


def surroundings(folder):
    return {
        **os.environ,
        "FOREBAY_BIN": str(BINARY),
        "FOREBAY_COMPONENTS": str(COMPONENTS),
        "FOREBAY_OPEN": "1",
        "WRANGLER_SEND_METRICS": "false",
        "CI": "1",
        "NO_COLOR": "1",
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }


def wrangler(folder):
    return [shutil.which("node"), folder / "node_modules/wrangler/bin/wrangler.js"]


def test_a_deploy_would_send_a_worker_that_the_free_plan_takes(project):
    command = [*wrangler(project), "deploy", "--dry-run", "--env", "production", "--outdir", project / "dist"]
    done = subprocess.run(command, cwd=project, env=surroundings(project), capture_output=True, text=True, timeout=LIMIT)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    size = float(re.search(r"gzip: ([0-9.]+) KiB", said).group(1))
    assert size < FREE_PLAN_KIB, said
    for binding in ("env.FOREBAY (", 'env.forebay_upstream ("https://gateway.example.com")', 'env.forebay_cache_api ("on")'):
        assert binding in said, said
    assert "sixteen" not in said and "16 bytes or more" not in said, "a secret is no part of a deploy"


def test_stores_keep_what_their_settings_say():
    done = subprocess.run(
        [shutil.which("node"), "--test", "--test-reporter=spec", ROOT / "tests/node/worker-stores.test.mjs"],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests 0" not in done.stdout, "no test ran"


class Dev:
    """`wrangler dev` with variables of its own; what it stores stays in `state`."""

    def __init__(self, folder, state, **variables):
        command = [*wrangler(folder), "dev", "--env", "", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"]
        command += ["--persist-to", state, "--log-level", "info"]
        for name, value in variables.items():
            command += ["--var", f"{name}:{value}"]
        self.process = subprocess.Popen(
            list(map(str, command)), cwd=folder, env=surroundings(folder), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"Ready on (http://[0-9.:]+)", line):
                self.url = found.group(1)
                break
        else:
            raise RuntimeError("".join(said))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # workerd and the build are children of wrangler: they end together.
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)

    def cache(self, prompt):
        """Asks, and tells what the cache did."""
        body = {"model": "forebay-sim", "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": prompt}]}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["choices"]
            return re.search(r"forebay; (hit|fwd=[a-z-]+)", answer.headers["cache-status"]).group(1)


@pytest.mark.skipif(os.environ.get("FOREBAY_FULL") != "1", reason="NOT RUN: wrangler dev is started by .ci/run --full (FOREBAY_FULL=1)")
def test_wrangler_dev_serves_and_its_stores_outlive_it(project, tmp_path):
    with SimulatedEngine() as engine:
        asks = {"forebay_upstream": engine.url}
        near = {**asks, "forebay_kv_writes": "0", "forebay_cache_api": "on"}
        with Dev(project, tmp_path, **asks) as dev:
            assert [dev.cache("kept in KV"), dev.cache("kept in KV")] == ["fwd=uri-miss", "hit"]
            with urllib.request.urlopen(dev.url, timeout=20) as answer:
                assert b"this Worker answers" in answer.read(), "the Worker's own routes"
        with Dev(project, tmp_path, **near) as dev:
            assert dev.cache("kept in KV") == "hit"
            assert dev.cache("kept near") == "fwd=uri-miss"
        with Dev(project, tmp_path, **asks) as dev:
            assert dev.cache("kept near") == "fwd=uri-miss", "it was not written to KV"
