"""`forebay top` and `forebay why` beside a running gateway."""

import contextlib
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time

import httpx

from forebay import BINARY, Gateway, Process

BODY = {"model": "forebay-sim", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


def words_of(gateway, *words):
    file = f"{gateway.folder.name}/forebay.toml"
    return [BINARY, *words, "--config", file, "--admin", gateway.admin.removeprefix("http://")]


def environment(gateway):
    return {**os.environ, "XDG_RUNTIME_DIR": gateway.folder.name}


def told(gateway, *words):
    command = words_of(gateway, *words)
    return subprocess.run(command, env=environment(gateway), capture_output=True, text=True, timeout=60)


def test_top_and_why_tell_what_the_gateway_did():
    with Gateway() as gateway:
        headers = {"x-request-id": "mine"}
        assert httpx.post(f"{gateway.api}/chat/completions", json=BODY, headers=headers, timeout=60).status_code == 200
        done = told(gateway, "top", "--once", "--interval", "200ms", "--output", "json")
        assert done.returncode == 0, done.stderr
        rates = json.loads(done.stdout)
        assert rates["requests"] == 1 and rates["upstreams"][0]["healthy"] == 1
        done = told(gateway, "top", "--once", "--interval", "200ms")
        assert "requests/s" in done.stdout and " up " in done.stdout, done.stdout + done.stderr
        assert "\x1b" not in done.stdout, "no terminal: plain text"

        done = told(gateway, "why", "mine")
        assert "outcome   status 200" in done.stdout and "stage" not in done.stdout, done.stdout + done.stderr
        done = told(gateway, "why", "mine", "--output", "json")
        assert json.loads(done.stdout)["requests"][0]["outcome"]["output_tokens"] == 5
        assert "mine" in told(gateway, "why").stdout
        done = told(gateway, "why", "gone")
        assert done.returncode != 0 and "telemetry.recent" in done.stderr


class Terminal:
    """A program on a terminal of 100 columns and 30 rows."""

    def __init__(self, command, env):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            command, env={**env, "TERM": "xterm-256color"}, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def until(self, *texts, seconds=60):
        """Reads until all the texts were drawn."""
        end = time.monotonic() + seconds
        while not all(text in self.seen for text in texts):
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{texts} were not drawn: {self.seen!r}"
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # Linux says EIO when nobody holds the other end.
                piece = b""
            assert piece, f"it ended before {texts} were drawn: {self.seen!r}"
            self.seen += piece

    def press(self, keys):
        os.write(self.master, keys)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_top_is_a_live_screen_on_a_terminal_and_gives_it_back():
    with Gateway() as gateway:
        terminal = Terminal(words_of(gateway, "top", "--interval", "200ms"), environment(gateway))
        with contextlib.closing(terminal):
            # The alternate screen, then what is on it.
            terminal.until(b"\x1b[?1049h", b"forebay top", b"requests/s", b"Upstreams", b"q quit")
            terminal.press(b"\x1b[B")
            terminal.press(b"q")
            terminal.until(b"\x1b[?1049l")
            assert terminal.process.wait(20) == 0


def test_what_serves_announces_itself_as_json_too():
    with Process("engine-sim", "--listen", "127.0.0.1:0", "--output", "json") as engine:
        assert engine.announced(r'"engine": "(http://\S+)"')
    listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    with Process("serve", *listen, "--output", "json") as gateway:
        url = gateway.announced(r'"clients": "(http://\S+)"')
        assert httpx.get(f"{url}/v1/models", timeout=60).status_code == 200
        gateway.announced(r"^(\})")
        started = json.loads("".join(line for line in gateway._lines if line))
        assert started["admin"].startswith("http://") and "secrets (deny)" in started["guardrails"]
