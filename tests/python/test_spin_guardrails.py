"""examples/spin-guardrails: built with the command of its manifest, and served by Spin's rules."""

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

EXAMPLE = ROOT / "examples/spin-guardrails"
LIMIT = 600
SPIN = shutil.which("spin")


def served_by(program, manifest, upstream, secret="sixteen bytes or more"):
    """The app under a program that reads manifests, and what the program says before its address."""
    own = [f"SPIN_VARIABLE_UPSTREAM={upstream}", f"SPIN_VARIABLE_MASK_SECRET={secret}"]
    up = [SPIN, "up"] if program == "spin" else [STAND_IN]
    return [*own, *up, "--listen", "127.0.0.1:0", "--from", manifest], "Serving"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """The example, built: its manifest with the release and the program in other places."""
    text = (EXAMPLE / "spin.toml").read_text()
    component = tomllib.loads(text)["component"]["app"]
    subprocess.run(shlex.split(component["build"]["command"]), cwd=EXAMPLE, check=True, timeout=LIMIT)
    folder = tmp_path_factory.mktemp("spin-guardrails")
    bake = [BINARY, "bake", "--config", EXAMPLE / "rules.toml", "--open", "--out", folder / "release"]
    bake += ["--compose", COMPONENTS / "mask.wasm"]
    subprocess.run(bake, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "FOREBAY_COMPONENTS": str(COMPONENTS)})
    # Where cargo puts it, whatever the target folder is called.
    target = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=EXAMPLE, check=True, capture_output=True, text=True)
    (target,) = re.findall(r'"target_directory":"([^"]+)"', target.stdout)
    assert component["source"].startswith("../../target/")
    file = folder / "spin.toml"
    file.write_text(text.replace("../../target/", f"{target}/"))
    return file


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
