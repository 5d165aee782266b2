"""A wrangler project of examples/, copied as a user would, and `wrangler dev` on it."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))

from forebay import BINARY  # noqa: E402

WORKER = ROOT / "deploy/workers/cloudflare"
COMPONENTS = pathlib.Path(os.environ.get("FOREBAY_COMPONENTS", ROOT / "target/components"))


def missing(example):
    return not shutil.which("node") or not (ROOT / "examples" / example / "node_modules/wrangler").is_dir()


def copied(example, folder, modules=None):
    """The project without what was built in it; `modules` names another with the same packages."""
    left_out = shutil.ignore_patterns("node_modules", "build", "dist", "release", ".wrangler", ".dev.vars", "keys.toml*")
    shutil.copytree(ROOT / "examples" / example, folder, ignore=left_out)
    (folder / "node_modules").mkdir()
    for package in (ROOT / "examples" / (modules or example) / "node_modules").iterdir():
        if package.name != "forebay-worker":
            (folder / "node_modules" / package.name).symlink_to(package)
    # The gateway's part as it is now, not as it was when npm copied it.
    own = folder / "node_modules/forebay-worker"
    own.mkdir()
    for file in [*WORKER.glob("*.js"), *WORKER.glob("*.mjs"), WORKER / "package.json"]:
        shutil.copy(file, own / file.name)
    return folder


def surroundings(folder):
    return {
        **os.environ,
        "FOREBAY_BIN": str(BINARY),
        "FOREBAY_COMPONENTS": str(COMPONENTS),
        "FOREBAY_OPEN": "1",
        "WRANGLER_SEND_METRICS": "false",
        "CI": "1",
        "NO_COLOR": "1",
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }


def wrangler(folder):
    return [shutil.which("node"), folder / "node_modules/wrangler/bin/wrangler.js"]


class Dev:
    """`wrangler dev` with variables of its own; what it stores stays in `state`."""

    def __init__(self, folder, state, **variables):
        command = [*wrangler(folder), "dev", "--env", "", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"]
        command += ["--persist-to", state, "--log-level", "info"]
        for name, value in variables.items():
            command += ["--var", f"{name}:{value}"]
        self.process = subprocess.Popen(
            list(map(str, command)), cwd=folder, env=surroundings(folder), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"Ready on (http://[0-9.:]+)", line):
                self.url = found.group(1)
                break
        else:
            raise RuntimeError("".join(said))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # workerd and the build are children of wrangler: they end together.
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)
