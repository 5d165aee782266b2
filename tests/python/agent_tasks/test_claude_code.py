"""Claude Code finishes a task through the gateway, by the command of docs/agents.md."""

import pytest

from .script import Script, Use
from .workplace import Workplace, block, installed, quoted

TASK = "Write the colour of swatch.png into notes.txt."
END = "The notes name the colour now."


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path, {"claude": installed("@anthropic-ai/claude-code-*/claude")})


def steps(place):
    yield [
        Use("Read", {"file_path": str(place.notes)}, says=("The colour is UNKNOWN",)),
        Use("Read", {"file_path": str(place.picture)}, shows=place.image),
    ]
    failing = {"command": "cat missing.txt", "description": "Reads a file that is not there"}
    yield [Use("Bash", failing, says=("(?i)error", "No such file or directory"))]
    edit = {"file_path": str(place.notes), "old_string": "UNKNOWN", "new_string": "teal"}
    yield [Use("Edit", {**edit, "replace_all": False}, says=("(?i)updated|has been",))]


def test_claude_code_edits_a_file_after_an_image_and_a_failure(place, playing):
    script = Script(TASK, list(steps(place)), END)
    with playing(script) as gateway:
        done = place.run(block("Claude Code", "console"), gateway, {'"Fix the failing test"': quoted(TASK)})
        assert done.returncode == 0, done.stdout + done.stderr
    assert END in done.stdout
    assert place.notes.read_text() == "The colour is teal.\n"
