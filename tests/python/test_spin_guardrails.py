"""examples/spin-guardrails and spin-guardrails-js: built with the command of their manifests, and served by Spin's rules."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib

import pytest

import echo_model
from edges import COMPONENTS, STAND_IN, Edge
from forebay import BINARY, ROOT

# A cold build of the example takes minutes on two cores.
pytestmark = pytest.mark.timeout(600)

EXAMPLES = {"rust": ROOT / "examples/spin-guardrails", "js": ROOT / "examples/spin-guardrails-js"}
LIMIT = 600
SPIN = shutil.which("spin")


def served_by(program, manifest, upstream, secret="sixteen bytes or more"):
    """The app under a program that reads manifests, and what the program says before its address."""
    own = [f"SPIN_VARIABLE_UPSTREAM={upstream}", f"SPIN_VARIABLE_MASK_SECRET={secret}"]
    up = [SPIN, "up"] if program == "spin" else [STAND_IN]
    return [*own, *up, "--listen", "127.0.0.1:0", "--from", manifest], "Serving"


def missing(language):
    """What its build needs and is not there."""
    if language == "js" and not (shutil.which("node") and (EXAMPLES["js"] / "node_modules/.bin/j2w").exists()):
        return "MISSING @spinframework/build-tools: npm ci in examples/spin-guardrails-js brings it"
    return None


@pytest.fixture(scope="module", params=EXAMPLES)
def manifest(request, tmp_path_factory):
    """An example, built: its manifest with the release and the program in other places."""
    if lack := missing(request.param):
        pytest.skip(lack)
    example = EXAMPLES[request.param]
    text = (example / "spin.toml").read_text()
    component = tomllib.loads(text)["component"]["app"]
    # j2w ends with 0 when it fails.
    shutil.rmtree(example / "build", ignore_errors=True)
    subprocess.run(shlex.split(component["build"]["command"]), cwd=example, check=True, timeout=LIMIT)
    folder = tmp_path_factory.mktemp(example.name)
    bake = [BINARY, "bake", "--config", EXAMPLES["rust"] / "rules.toml", "--open", "--out", folder / "release"]
    bake += ["--compose", COMPONENTS / "mask.wasm"]
    subprocess.run(bake, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "FOREBAY_COMPONENTS": str(COMPONENTS)})
    file = folder / "spin.toml"
    file.write_text(text.replace(component["source"], str(built(example, component["source"]))))
    return file


def built(example, source):
    """Where the build of a manifest puts its component."""
    if not source.startswith("../../target/"):
        return example / source
    # Where cargo puts it, whatever the target folder is called.
    target = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=example, check=True, capture_output=True, text=True)
    (target,) = re.findall(r'"target_directory":"([^"]+)"', target.stdout)
    return source.replace("../../target", target, 1)


@pytest.fixture(scope="module", params=["stand-in", pytest.param("spin", marks=pytest.mark.skipif(not SPIN, reason="MISSING spin: no registry carries it"))])
def app(request, manifest):
    with echo_model.serving() as upstream:
        words, mark = served_by(request.param, manifest, upstream)
        with Edge(words, mark) as app:
            yield app


def test_private_values_stay_and_come_back(app):
    echo_model.private_values_stay_and_come_back(app)


def test_a_stream_that_cuts_placeholders_gives_them_back_whole(app):
    echo_model.a_stream_that_cuts_placeholders_gives_them_back_whole(app)


def test_rules_turn_prompts_and_answers_away(app):
    echo_model.rules_turn_prompts_and_answers_away(app)


def test_what_is_no_chat_is_told(app):
    status, text = echo_model.ask(app, "hello", n=2)
    assert status == 400 and "one choice" in text
    status, text = echo_model.ask(app, "x" * (5 << 20))
    assert status == 413 and "too large" in text


def test_a_short_secret_is_the_apps_own_mistake(manifest):
    with echo_model.serving() as upstream:
        words, mark = served_by("stand-in", manifest, upstream, secret="short")
        with Edge(words, mark) as app:
            status, text = echo_model.ask(app, "hello")
    assert status == 500 and "short-secret" in text
