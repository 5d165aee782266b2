"""Starts the built gateway and the simulated engine on free ports and ends them again."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("FOREBAY_BIN", ROOT / "target/release/forebay"))

# Loading compiles and snapshots three components: seconds, on a slow machine.
START_LIMIT = 60
STOP_LIMIT = 40


class Process:
    """A forebay process whose announcements on standard output are read back."""

    def __init__(self, *arguments, env=None):
        self.log = tempfile.NamedTemporaryFile(mode="w+", prefix="forebay-", suffix=".log")
        self.process = subprocess.Popen(
            [BINARY, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **self.surroundings(), **(env or {})},
        )
        self._lines = []
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def surroundings(self):
        """What is set in the environment besides the test's own."""
        return {}

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._lines.append(None)
            self._news.notify_all()

    def announced(self, pattern):
        """The first group of `pattern` in the first line that matches it."""
        end = time.monotonic() + START_LIMIT
        with self._news:
            while True:
                for line in self._lines:
                    if line is None:
                        raise RuntimeError(f"ended with {self.process.wait()} before it was ready:\n{self.logged()}")
                    if found := re.search(pattern, line):
                        return found.group(1)
                if not self._news.wait(timeout=max(0.0, end - time.monotonic())):
                    raise RuntimeError(f"no line like {pattern!r} within {START_LIMIT} s:\n{self.logged()}")

    def logged(self):
        """What it wrote to standard error."""
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        """Asks it to end, and returns how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Gateway(Process):
    """`forebay serve` on free ports; without an engine's URL it has the embedded engine."""

    def __init__(self, config="", engine=None, env=None):
        self.folder = tempfile.TemporaryDirectory(prefix="forebay-test-")
        file = pathlib.Path(self.folder.name, "forebay.toml")
        file.write_text(config.replace("FOLDER", self.folder.name))
        arguments = ["serve", "--config", file, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        super().__init__(*arguments, *(["--engine", engine] if engine else []), env=env)
        self.url = self.announced(r"forebay listening on (https?://\S+)")
        self.admin = self.announced(r"forebay admin on (http://\S+)")
        self.api = f"{self.url}/v1"

    def surroundings(self):
        # The admin token's file goes with the test.
        return {"XDG_RUNTIME_DIR": self.folder.name}


class SimulatedEngine(Process):
    """`forebay engine-sim` on a free port."""

    def __init__(self, *arguments):
        super().__init__("engine-sim", "--listen", "127.0.0.1:0", *arguments)
        self.url = self.announced(r"listening on (http://\S+)")
