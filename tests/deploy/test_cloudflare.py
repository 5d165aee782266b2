"""examples/cloudflare-worker, with Cloudflare's own wrangler: what a deploy would send, and `wrangler dev`.

`wrangler dev` is run with FOREBAY_FULL=1 alone: three starts of it take a minute."""

import json
import os
import re
import shutil
import subprocess
import urllib.request

import pytest

from wrangler import ROOT, Dev, copied, missing, surroundings, wrangler  # noqa: I001
from forebay import SimulatedEngine

# What a script may weigh on Cloudflare's free plan, compressed.
FREE_PLAN_KIB = 3 * 1024
LIMIT = 240

pytestmark = pytest.mark.skipif(
    missing("cloudflare-worker"), reason="MISSING wrangler: npm ci in examples/cloudflare-worker brings it"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = copied("cloudflare-worker", tmp_path_factory.mktemp("worker") / "project")
    shutil.copy(folder / ".dev.vars.example", folder / ".dev.vars")
    return folder


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


def cache(dev, prompt):
    """Asks, and tells what the cache did."""
    body = {"model": "forebay-sim", "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": prompt}]}
    request = urllib.request.Request(f"{dev.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["choices"]
        return re.search(r"forebay; (hit|fwd=[a-z-]+)", answer.headers["cache-status"]).group(1)


@pytest.mark.skipif(os.environ.get("FOREBAY_FULL") != "1", reason="NOT RUN: wrangler dev is started by .ci/run --full (FOREBAY_FULL=1)")
def test_wrangler_dev_serves_and_its_stores_outlive_it(project, tmp_path):
    with SimulatedEngine() as engine:
        asks = {"forebay_upstream": engine.url}
        near = {**asks, "forebay_kv_writes": "0", "forebay_cache_api": "on"}
        with Dev(project, tmp_path, **asks) as dev:
            assert [cache(dev, "kept in KV"), cache(dev, "kept in KV")] == ["fwd=uri-miss", "hit"]
            with urllib.request.urlopen(dev.url, timeout=20) as answer:
                assert b"this Worker answers" in answer.read(), "the Worker's own routes"
        with Dev(project, tmp_path, **near) as dev:
            assert cache(dev, "kept in KV") == "hit"
            assert cache(dev, "kept near") == "fwd=uri-miss"
        with Dev(project, tmp_path, **asks) as dev:
            assert cache(dev, "kept near") == "fwd=uri-miss", "it was not written to KV"
