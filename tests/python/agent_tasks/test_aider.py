"""Aider finishes a task through the gateway, by the command of docs/agents.md: it writes files from the model's text,
runs the test that it is given, and tells the model what failed. It brings 700 MB, so it has an environment of its own
(tests/agents/aider/requirements.txt), and .ci/run --full runs this."""

import os
import pathlib

import pytest

from clouds.brain import Answer

from .script import need
from .workplace import Workplace, block, interpreter, quoted

TASK = "Write the colour of the swatch into notes.txt."
CHECK = "grep -q teal notes.txt || { echo the colour is not teal; exit 1; }"


class Conversation:
    """A first answer that fails the test, and a second one once the failure has arrived."""

    def __init__(self):
        self.finished = False

    def __call__(self, ask):
        said = [seen.text for seen in ask.seen]
        need(any(TASK in text for text in said), "the task did not arrive")
        if not any("the colour is not teal" in text for text in said):
            return Answer(text=whole("The colour is green."))
        need(any("The colour is green." in seen.text for seen in ask.seen if seen.role == "assistant"), "the first answer is gone")
        self.finished = True
        return Answer(text=whole("The colour is teal."))


def whole(line):
    return f"notes.txt\n```\n{line}\n```\n"


@pytest.mark.skipif(os.environ.get("FOREBAY_FULL") != "1", reason="NOT RUN: Aider is installed and run by .ci/run --full (FOREBAY_FULL=1)")
def test_aider_edits_a_file_until_its_test_passes(tmp_path, playing):
    program = pathlib.Path(interpreter("FOREBAY_AIDER", "Aider")).with_name("aider")
    place = Workplace(tmp_path, {"aider": program})
    quiet = "--no-git --no-check-update --no-show-model-warnings --analytics-disable --no-pretty --yes-always"
    task = f"aider {quiet} --auto-test --test-cmd {quoted(CHECK)} --message {quoted(TASK)} notes.txt"
    with playing(Conversation()) as gateway:
        done = place.run(block("Aider", "console"), gateway, {"aider": task})
        assert done.returncode == 0, done.stdout + done.stderr
    assert place.notes.read_text() == "The colour is teal.\n", done.stdout
