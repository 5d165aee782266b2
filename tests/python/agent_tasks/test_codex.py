"""Codex CLI finishes a task through the gateway, by the command of docs/agents.md: with OpenAI's own model names, whose
tools stand in namespaces and take free text, and with a name that it does not know."""

import json

import pytest

from .script import Script, Use
from .workplace import Workplace, block, installed, quoted

TASK = "Write the colour of swatch.png into notes.txt."
END = "The notes name the colour now."
PATCH = """*** Begin Patch
*** Update File: notes.txt
@@
-The colour is UNKNOWN.
+The colour is teal.
*** End Patch
"""


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path, {"codex": installed("@openai/codex/bin/codex.js")})


def by_code(place):
    """Codex's own models write JavaScript that calls its tools."""

    def shell(command):
        return f"text(await tools.exec_command({json.dumps({'cmd': command})}))"

    view = f"image(await tools.view_image({json.dumps({'path': str(place.picture)})}))"
    yield [Use("exec", shell("cat notes.txt"), says=("The colour is UNKNOWN",))]
    yield [Use("exec", view, shows=place.image)]
    yield [Use("exec", shell("cat missing.txt"), says=("No such file or directory", r'exit_code\W+1'))]
    yield [Use("exec", f"text(await tools.apply_patch({json.dumps(PATCH)}))")]


def by_functions(place):
    """Any other model calls functions, and shows two results at once."""
    yield [
        Use("exec_command", {"cmd": "cat notes.txt"}, says=("The colour is UNKNOWN",)),
        Use("view_image", {"path": str(place.picture)}, shows=place.image),
    ]
    yield [Use("exec_command", {"cmd": "cat missing.txt"}, says=("No such file or directory", "exited with code 1"))]
    yield [Use("exec_command", {"cmd": "sed -i s/UNKNOWN/teal/ notes.txt && cat notes.txt"}, says=("is teal",))]


@pytest.mark.parametrize("model, steps", [("gpt-6.2-sol", by_code), ("coder", by_functions)])
def test_codex_edits_a_file_after_an_image_and_a_failure(model, steps, place, playing):
    home = place.home / ".codex"
    home.mkdir()
    script = Script(TASK, list(steps(place)), END, shows=place.image)
    # A container has its own walls, and the sandbox of Codex may not be had within.
    task = f"--dangerously-bypass-approvals-and-sandbox -m {model} {quoted(TASK)} -i swatch.png"
    with playing(script) as gateway:
        (home / "config.toml").write_text(block("Codex", "toml").replace("http://127.0.0.1:8080", gateway.url))
        done = place.run(block("Codex", "console"), gateway, {'"Fix the failing test"': task})
        assert done.returncode == 0, done.stdout + done.stderr
    assert END in done.stdout
    assert place.notes.read_text() == "The colour is teal.\n"
