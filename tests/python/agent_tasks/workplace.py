"""Where an agent works: a folder with a task in it, a home of its own, and the commands of docs/agents.md."""

import os
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import zlib

import pytest

from forebay import ROOT

PAGE = (ROOT / "docs/agents.md").read_text()
INSTALLED = ROOT / "tests/agents/node_modules"
# Seconds; a run takes two.
LIMIT = 60
# What the agents would tell or ask of others than the gateway.
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLINE_NO_AUTO_UPDATE": "1",
    "NO_COLOR": "1",
}


def installed(name):
    """The program; where it is not there, the test says what is missing, and fails on a build server."""
    found = sorted(INSTALLED.glob(name))
    if not found:
        lacking(f"tests/agents/node_modules/{name}: run npm ci in tests/agents")
    return found[0]


def interpreter(variable, what):
    """The interpreter of an agent's own Python environment, which `cargo xtask test` makes and names."""
    found = os.environ.get(variable)
    if not found:
        lacking(f"{what}: cargo xtask test installs it and sets {variable}")
    return found


def lacking(what):
    (pytest.fail if os.environ.get("CI", "") not in ("", "0", "false") else pytest.skip)(f"MISSING {what}")


def section(title):
    """The text of a section of the page."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL).group(1)


def block(title, language):
    """The section's first block in that language."""
    return re.search(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL).group(1)


def png(colour, size=32):
    """A square of one colour."""
    rows = (b"\0" + bytes(colour) * size) * size
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


class Workplace:
    """`notes.txt` names no colour, `swatch.png` shows one, and `missing.txt` is not there."""

    def __init__(self, folder, programs):
        self.home, self.folder, self.bin = folder / "home", folder / "work", folder / "bin"
        for each in (self.home, self.folder, self.bin):
            each.mkdir()
        self.notes, self.picture = self.folder / "notes.txt", self.folder / "swatch.png"
        self.notes.write_text("The colour is UNKNOWN.\n")
        self.image = png((0, 128, 128))
        self.picture.write_bytes(self.image)
        for name, program in programs.items():
            (self.bin / name).symlink_to(program)

    def run(self, console, gateway, replaced):
        """Runs a page's console block at the gateway, with `replaced` texts, as a user would paste it."""
        lines = [line[2:] for line in console.replace("\\\n", " ").splitlines() if line.startswith("$ ")]
        script = "\n".join(lines).replace("http://127.0.0.1:8080", gateway.url)
        for old, new in replaced.items():
            assert old in script, f"the page's commands lack {old!r}"
            script = script.replace(old, new)
        path = f"{self.bin}:{pathlib.Path(shutil.which('node')).parent}:{os.environ['PATH']}"
        env = {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", **QUIET}
        return subprocess.run(
            ["sh", "-ec", script], cwd=self.folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT
        )


def quoted(text):
    return shlex.quote(str(text))
