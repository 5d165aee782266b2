"""The platforms of the edge, started as the README says but for ports, paths and the upstream.

`spin up` is run with the stand-in in tests/spin, which composes by Spin's own rules."""

import itertools
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import threading

import httpx
import pytest

from forebay import BINARY, ROOT, SimulatedEngine

COMPONENTS = pathlib.Path(os.environ.get("FOREBAY_COMPONENTS", ROOT / "target/components"))
CACHE = os.environ.get("FOREBAY_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"), "forebay"
)
PATH = f"{os.environ['PATH']}:{CACHE}/tools/bin"
STAND_IN = pathlib.Path(BINARY).parent / "spin-stand-in"
WORKER = ROOT / "deploy/workers/cloudflare"
# The last lines that are kept of what a platform writes.
LINES = 1000
PLATFORMS = ["spin-up", "wasmtime", "worker", "viceroy"]


@pytest.fixture(scope="module")
def engine():
    with SimulatedEngine() as engine:
        yield engine


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """What `cargo xtask components --compose --open` writes into target/edge."""
    out = tmp_path_factory.mktemp("edge")
    command = [BINARY, "bake", "--config", ROOT / "deploy/edge/forebay.toml", "--out", out, "--open"]
    for edge in ("wasi", "worker", "fastly"):
        command += ["--compose", COMPONENTS / f"edge-{edge}.wasm"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory):
    """A release whose guardrail does what the model's name says: `trap`, `loop`, `grow`."""
    out = tmp_path_factory.mktemp("misbehaving")
    guard = ROOT / "tests/guests/misbehaving-guardrail.wasm"
    config = out / "forebay.toml"
    own = (ROOT / "deploy/edge/forebay.toml").read_text()
    config.write_text(f'{own}\n[policies.guardrails]\ncomponent = "{guard}"\n')
    command = [BINARY, "bake", "--config", config, "--out", out / "release", "--open"]
    for edge in ("wasi", "worker", "fastly"):
        command += ["--compose", COMPONENTS / f"edge-{edge}.wasm"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out / "release"


def command(holding):
    """The README's one command that holds this text, as words."""
    text = (ROOT / "README.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("$ ") and holding in line]
    return shlex.split(line[2:])


def is_assignment(word):
    return re.fullmatch(r"[A-Z_]+=.*", word)


class Edge:
    """A platform that serves an edge."""

    def __init__(self, words, mark, cwd=ROOT):
        # As in a shell: what comes first may be the environment.
        own = dict(word.split("=", 1) for word in itertools.takewhile(is_assignment, map(str, words)))
        words = words[len(own) :]
        self.process = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd,
            env={**os.environ, "PATH": PATH, "RUST_LOG": "info", **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = []
        self.news = threading.Condition()
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.search(rf"{mark} ?(http://[0-9.:]+)", line):
                self.url = found.group(1)
                break
        else:
            raise RuntimeError("".join(self.said))
        # Its output is read on, so that it never waits for a reader.
        threading.Thread(target=self.read_on, daemon=True).start()

    def read_on(self):
        for line in self.process.stdout:
            with self.news:
                self.said = [*self.said[-LINES:], line]
                self.news.notify_all()

    def logged(self, pattern):
        """Waits for a line like this among what it writes."""
        def found():
            return any(re.search(pattern, line) for line in self.said)

        with self.news:
            assert self.news.wait_for(found, timeout=20), "".join(self.said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def needs(program):
    if not shutil.which(program, path=PATH):
        pytest.skip(f"MISSING {program}: cargo xtask test conformance installs it")


def with_engine(words, engine, release):
    swap = {"http://127.0.0.1:8000": engine.url, "target/edge": str(release), "target/release/forebay": str(BINARY)}
    for text, real in swap.items():
        words = [word.replace(text, real) for word in words]
    return words


def spin_app(folder, release, edit=lambda manifest: manifest):
    """A folder with spin.toml as it ships and what it names; gives the manifest."""
    target = folder / "target"
    target.mkdir()
    (target / "components").symlink_to(COMPONENTS.resolve())
    (target / "edge").symlink_to(release)
    file = folder / "spin.toml"
    file.write_text(edit((ROOT / "spin.toml").read_text()))
    return file


def on(platform, engine, release, folder):
    """The README's command for a platform, and what it says before its address."""
    if platform == "spin-up":
        words = with_engine(command("spin up"), engine, release)
        assert words[-2:] == ["spin", "up"]
        words = [*words[:-2], STAND_IN, "--from", spin_app(folder, release)]
        return [*words, "--listen", "127.0.0.1:0"], "Serving"
    if platform == "wasmtime":
        needs("wasmtime")
        words = with_engine(command("wasmtime serve"), engine, release)
        return [*words[:2], "--addr", "127.0.0.1:0", *words[2:]], "Serving HTTP on"
    if platform == "worker":
        needs("node")
        if not (WORKER / "node_modules/workerd").is_dir():
            pytest.skip("MISSING workerd: npm ci in deploy/workers/cloudflare brings it")
        words = with_engine(command("serve.mjs"), engine, release)
        return [*words, "--listen", "127.0.0.1:0"], "listening on"
    needs("viceroy")
    file = folder / "fastly.toml"
    config = (ROOT / "deploy/workers/fastly/fastly.toml").read_text()
    file.write_text(config.replace("http://127.0.0.1:8000", engine.url))
    words = with_engine(command("viceroy serve"), engine, release)
    words = [file if word.endswith("fastly.toml") else word for word in words]
    # Viceroy does not tell the port it was given, so a free one is taken and named.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [*words, "--addr", f"127.0.0.1:{port}"], "Listening on"


def up(engine, release, folder, *options, edit=lambda manifest: manifest):
    """The words that serve spin.toml with this release, edited."""
    file = spin_app(folder, release, edit)
    variables = ["--variable", f"upstream={engine}", "--variable", "master=sixteen bytes or more"]
    return [STAND_IN, "--listen", "127.0.0.1:0", *variables, *options, "--from", file]


def ask(edge, seed=1):
    """The answer to a chat request."""
    body = {"model": "forebay-sim", "messages": [{"role": "user", "content": "hello"}], "temperature": 0, "seed": seed}
    answer = httpx.post(f"{edge.url}/v1/chat/completions", json=body, timeout=30)
    return answer
