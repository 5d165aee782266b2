"""examples/worker-guardrails: its component in Node, and its Worker under wrangler dev.

`wrangler dev` is run with FOREBAY_FULL=1 alone."""

import os
import shutil
import subprocess

import pytest

from wrangler import ROOT, Dev, copied, missing, surroundings  # noqa: I001
import echo_model

pytestmark = pytest.mark.skipif(
    missing("cloudflare-worker"), reason="MISSING wrangler: npm ci in examples/cloudflare-worker brings it"
)
in_full = pytest.mark.skipif(
    os.environ.get("FOREBAY_FULL") != "1", reason="NOT RUN: wrangler dev is started by .ci/run --full (FOREBAY_FULL=1)"
)
LIMIT = 120


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    # Its packages are those of the other example.
    return copied("worker-guardrails", tmp_path_factory.mktemp("worker") / "project", "cloudflare-worker")


@pytest.fixture(scope="module")
def worker(tmp_path_factory, project):
    with echo_model.serving() as upstream:
        state = tmp_path_factory.mktemp("state")
        with Dev(project, state, upstream=upstream, mask_secret="sixteen bytes or more") as dev:
            yield dev


def test_the_component_keeps_its_contract_in_node(project):
    subprocess.run([shutil.which("node"), "build.mjs"], cwd=project, env=surroundings(project), check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        [shutil.which("node"), "--test", "--test-reporter=spec", ROOT / "tests/node/mask.test.mjs"],
        env={**os.environ, "FOREBAY_MASK": str(project / "build")}, capture_output=True, text=True, timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests 0" not in done.stdout, "no test ran"


@in_full
def test_private_values_stay_and_come_back(worker):
    echo_model.private_values_stay_and_come_back(worker)


@in_full
def test_a_stream_that_cuts_placeholders_gives_them_back_whole(worker):
    echo_model.a_stream_that_cuts_placeholders_gives_them_back_whole(worker)


@in_full
def test_rules_turn_prompts_and_answers_away(worker):
    echo_model.rules_turn_prompts_and_answers_away(worker)
