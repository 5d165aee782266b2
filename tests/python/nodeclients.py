"""Runs the JavaScript clients' tests (tests/node) against a URL."""

import os
import pathlib
import shutil
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "node"
LIMIT = 300
SUITES = ("openai", "ai-openai", "ai-anthropic")


def run(suite, url, key, models, lacks=()):
    """Runs one suite and fails with its report; `lacks` names claims to pass over as MODEL:WHAT; skips where Node or its packages are not there."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules").is_dir():
        pytest.skip("needs node, and npm ci in tests/node")
    env = {**os.environ, "FOREBAY_URL": url, "FOREBAY_KEY": key, "FOREBAY_MODELS": ",".join(models), "NO_COLOR": "1"}
    env["FOREBAY_LACKS"] = ",".join(lacks)
    command = [node, "--test", "--test-reporter=spec", f"test/{suite}.test.mjs"]
    done = subprocess.run(command, cwd=FOLDER, env=env, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "tests 0" not in done.stdout, "no test ran"
