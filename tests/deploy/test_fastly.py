"""deploy/workers/fastly with Fastly's own CLI: build, pack, validate and serve."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import tomllib
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))

from forebay import BINARY, SimulatedEngine  # noqa: E402

FOLDER = ROOT / "deploy/workers/fastly"
CLI = FOLDER / "node_modules/.bin/fastly"
COMPONENTS = pathlib.Path(os.environ.get("FOREBAY_COMPONENTS", ROOT / "target/components"))
LIMIT = 120
VICEROY = shutil.which("viceroy")

pytestmark = pytest.mark.skipif(
    not shutil.which("node") or not CLI.exists(), reason="MISSING fastly: npm ci in deploy/workers/fastly brings it"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project with its build script's last step alone: the release is baked here, not built."""
    folder = tmp_path_factory.mktemp("fastly")
    release = folder / "release"
    command = [BINARY, "bake", "--config", ROOT / "deploy/edge/forebay.toml", "--out", release, "--open"]
    command += ["--compose", COMPONENTS / "edge-fastly.wasm"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "FOREBAY_COMPONENTS": str(COMPONENTS)})
    text = (FOLDER / "fastly.toml").read_text()
    first = "cargo xtask components --compose && "
    assert first in text and "../../../target/edge/" in text
    (folder / "fastly.toml").write_text(text.replace(first, "").replace("../../../target/edge/", f"{release}/"))
    return folder


def fastly(folder, *words):
    env = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    env.pop("FASTLY_API_TOKEN", None)
    done = subprocess.run([CLI, "compute", *words, "--non-interactive"], cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT)
    return done.returncode, done.stdout + done.stderr


def test_the_cli_builds_packs_and_validates_the_package(project):
    code, said = fastly(project, "build")
    assert code == 0, said
    if "error downloading the wasm-tools" in said:
        print("MISSING wasm-tools: the CLI fetches it from GitHub; the package is built without annotations")
    package = project / "pkg/forebay.tar.gz"
    code, said = fastly(project, "validate", "--package", str(package))
    assert code == 0 and "Validated package" in said, said
    built = package.read_bytes()
    code, said = fastly(project, "pack", "--wasm-binary", "bin/main.wasm")
    assert code == 0, said
    code, said = fastly(project, "validate", "--package", str(package))
    assert code == 0, said
    assert abs(len(built) - package.stat().st_size) < 4096
    # What the CLI takes for a package that is none.
    package.write_bytes(built[: len(built) // 2])
    assert fastly(project, "validate", "--package", str(package))[0] != 0


def cache(url, prompt):
    """Asks, and tells what the cache did."""
    body = {"model": "forebay-sim", "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": prompt}]}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["choices"]
        return re.search(r"forebay; (hit|fwd=[a-z-]+)", answer.headers["cache-status"]).group(1)


@pytest.mark.skipif(not VICEROY, reason="MISSING viceroy: cargo xtask setup --runtimes installs it; the CLI's own comes from GitHub")
def test_the_cli_serves_the_program_with_the_viceroy_of_this_machine(project):
    code, said = fastly(project, "build")
    assert code == 0, said
    with SimulatedEngine() as engine, socket.socket() as free:
        manifest = project / "fastly.toml"
        text = manifest.read_text()
        assert "http://127.0.0.1:8000" in text
        manifest.write_text(text.replace("http://127.0.0.1:8000", engine.url))
        # Viceroy does not tell the port it was given, so a free one is taken and named.
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % free.getsockname()[1]
        free.close()
        words = ["serve", "--skip-build", "--viceroy-path", VICEROY, "--addr", address, "--non-interactive"]
        env = {**os.environ, "HOME": str(project), "XDG_CONFIG_HOME": str(project)}
        serve = subprocess.Popen(
            [CLI, "compute", *words], cwd=project, env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            said = []
            for line in serve.stdout:
                said.append(line)
                if "Listening on" in line:
                    break
            else:
                pytest.fail("".join(said))
            threading.Thread(target=serve.stdout.read, daemon=True).start()
            assert [cache(f"http://{address}", "kept"), cache(f"http://{address}", "kept")] == ["fwd=uri-miss", "hit"]
        finally:
            # Viceroy is a child of the CLI: they end together.
            os.killpg(serve.pid, signal.SIGTERM)
            serve.wait(20)


def test_setup_names_every_store_that_the_program_reads():
    manifest = tomllib.loads((FOLDER / "fastly.toml").read_text())
    setup, local = manifest["setup"], manifest["local_server"]
    assert set(setup["kv_stores"]) == set(local["kv_stores"]) == {"forebay"}
    asked = {*setup["config_stores"]["forebay"]["items"], *setup["secret_stores"]["forebay"]["entries"]}
    assert asked == set(local["config_stores"]["forebay"]["contents"])
