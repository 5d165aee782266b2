"""A tool loop of LlamaIndex, which runs in an environment of its own (tests/agents/requirements.txt)."""

import subprocess

from forebay import ROOT

from .script import Script
from .test_frameworks import END, STEPS, SYSTEM, TASK
from .workplace import LIMIT, block, interpreter

PROGRAM = ROOT / "tests/agents/llama_index_loop.py"


def test_a_function_agent_comes_to_its_end(playing):
    python = interpreter("FOREBAY_LLAMA_INDEX", "LlamaIndex")
    script = Script(TASK, STEPS, END)
    with playing(script) as gateway:
        address = "http://127.0.0.1:8080"
        code = block("LlamaIndex", "python")
        assert address in code
        command = [python, PROGRAM, code.replace(address, gateway.url), TASK, SYSTEM]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == END
