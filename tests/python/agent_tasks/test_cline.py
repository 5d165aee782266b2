"""Cline's command line finishes a task through the gateway, by the command of docs/agents.md."""

import json
import os
import signal

import pytest

from .script import Script, Use
from .workplace import Workplace, block, installed, quoted

TASK = "Write the colour of swatch.png into notes.txt."
END = "The notes name the colour now."


@pytest.fixture
def place(tmp_path):
    place = Workplace(tmp_path, {"cline": installed("@cline/cli-*/bin/cline")})
    yield place
    # The hub of its sessions outlives it.
    hub = place.home / ".cline/data/locks/hub/production.json"
    if hub.exists():
        os.kill(json.loads(hub.read_text())["pid"], signal.SIGTERM)


def steps(place):
    yield [
        Use("read_files", {"files": [{"path": str(place.notes)}]}, says=("The colour is UNKNOWN",)),
        Use("read_files", {"files": [{"path": str(place.picture)}]}, shows=place.image),
    ]
    yield [Use("run_commands", {"commands": ["cat missing.txt"]}, says=("No such file or directory",))]
    edit = {"path": str(place.notes), "old_text": "UNKNOWN", "new_text": "teal"}
    yield [Use("editor", edit, says=("(?i)edited|updated|success",))]


def test_cline_edits_a_file_after_an_image_and_a_failure(place, playing):
    script = Script(TASK, list(steps(place)), END)
    with playing(script) as gateway:
        done = place.run(block("Cline", "console"), gateway, {'"Fix the failing test"': quoted(TASK)})
        assert done.returncode == 0, done.stdout + done.stderr
    assert END in done.stdout
    assert place.notes.read_text() == "The colour is teal.\n"
