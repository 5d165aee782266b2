"""README's and the docs' commands, run one after the other as a reader would; what is not run has its reason here."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import httpx
import pytest

from edges import COMPONENTS
from forebay import BINARY, ROOT, Gateway
from test_pages import BLOCK, PAGES, lines

# Programs that are not Forebay's. Those with a reason are run by other tests.
OTHERS = {
    "cargo": "the project's own verbs: .ci/run runs them",
    "spin": "tests/conformance and test_spin_guardrails.py start Spin",
    "wasmtime": "tests/conformance starts it",
    "node": "tests/conformance starts it",
    "viceroy": "tests/conformance starts it",
    "npm": "setup runs it",
    "npx": "tests/deploy runs wrangler and Fastly's CLI; a deploy needs an account",
    "wash": "test_wasmcloud.py starts it",
    "cp": "needs the example's folder: tests/deploy copies the file",
    "claude": "agent_tasks runs it",
    "codex": "agent_tasks runs it",
    "cline": "agent_tasks runs it",
    "aider": "agent_tasks runs it",
    "vllm": "needs a model and a GPU",
    "kubectl": "needs a cluster; tests/deploy checks the manifests",
    "helm": "needs a cluster; tests/deploy checks the chart",
    "skopeo": "needs a registry; tests/deploy reads the image",
}
# Commands of Forebay that are run elsewhere.
ELSEWHERE = {
    "serve": "every test starts it",
    "policies push": "tests/suites/artefacts.rs has a registry",
    "policies pull": "tests/suites/artefacts.rs has a registry",
    "bake": "cargo xtask components and the tests of the examples run it",
}
# What is printed here is what the page shows, word for word.
SAME = {"catalogue check", "prefix verify"}
KEY_ID = re.compile(r"\b4f1c2a9b\b")


def word_lists(text):
    """Each command of a console block: its words, its variables, what the page shows below it."""
    shown = {}
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            shown[line[2:]] = []
        elif shown:
            shown[list(shown)[-1]].append(line)
    for line in lines(text):
        for part in line.split(" && "):
            words = shlex.split(part, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words = words[1:]
            yield words, shown[line]


def commands():
    for page in PAGES:
        found = [it for language, text in BLOCK.findall(page.read_text()) if language == "console" for it in word_lists(text)]
        if found:
            yield pytest.param(page, found, id=str(page.relative_to(ROOT)))


def name_of(words):
    """`keys create` and the like."""
    plain = [word for word in words[1:3] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
    nested = {"keys", "policies", "catalogue", "prefix"}
    return " ".join(plain[: 2 if plain and plain[0] in nested else 1])


@pytest.fixture(scope="module")
def gateway():
    """What the pages' addresses stand for; it has answered one request, under the pages' id."""
    upstream = '[[upstreams]]\nname = "own-vllm"\nurls = ["URL"]\n'
    with Gateway() as engine, Gateway(upstream.replace("URL", engine.url)) as gateway:
        body = {"model": "forebay-sim", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
        headers = {"x-request-id": "req-5a1f9c0e2b7d4c36a8e1f0d2c3b4a596"}
        assert httpx.post(f"{gateway.api}/chat/completions", json=body, headers=headers, timeout=60).status_code == 200
        yield gateway


def prepare(folder, page, gateway):
    """The files that pages name."""
    (folder / "crates").symlink_to(ROOT / "crates")
    (folder / "deploy/edge").mkdir(parents=True)
    shutil.copy(COMPONENTS / "guardrails.wasm", folder / "my-guardrails.wasm")
    shutil.copy(ROOT / "host/tests/litellm/quickstart.yaml", folder / "config.yaml")
    (folder / "request.json").write_text(json.dumps({"model": "m", "prompt": "a prompt " * 100}))
    request = {"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}
    (folder / "mooncake-conversation.jsonl").write_text(f"{json.dumps(request)}\n" * 3)
    blocks = [text for language, text in BLOCK.findall(page.read_text()) if language == "toml"]
    (folder / "mine.toml").write_text("\n".join(text for text in blocks if text.startswith("# mine.toml")))
    admin = gateway.admin.removeprefix("http://")
    if "forebay init" not in page.read_text():
        (folder / "forebay.toml").write_text(f'[server]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "{admin}"\n')


@pytest.mark.parametrize(("page", "found"), list(commands()))
def test_a_pages_commands_run(page, found, gateway, tmp_path):
    prepare(tmp_path, page, gateway)
    admin, key = gateway.admin.removeprefix("http://"), "4f1c2a9b"
    token = next(pathlib.Path(gateway.folder.name).rglob("*token*")).read_text().strip()
    env = {**os.environ, "XDG_RUNTIME_DIR": gateway.folder.name, "TOKEN": token, "OPENAI_API_KEY": "a-key-for-a-test", "ANTHROPIC_API_KEY": "a-key-for-a-test"}
    for words, shown in found:
        program, name = words[0], name_of(words)
        if program in ("export", "cd") or program in OTHERS or name in ELSEWHERE:
            continue
        assert program in ("forebay", "curl"), f"{program} is neither run nor listed"
        text = [word.replace("127.0.0.1:8080", gateway.url.removeprefix("http://")).replace("127.0.0.1:8081", admin) for word in words]
        text = [word.replace("http://10.0.0.7:8000", gateway.url).replace("$TOKEN", token).replace("5s", "200ms") for word in text]
        text = [KEY_ID.sub(key, word) for word in text]
        if name == "top" and "--once" not in text:
            text.append("--once")
        command = [BINARY, *text[1:]] if program == "forebay" else ["curl", "-sS", "--fail-with-body", *text[1:]]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        said = f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
        # A page's clouds can't be reached from a test; what doctor finds is its own tests' matter.
        assert done.returncode in ((0, 1) if name == "doctor" else (0,)), said
        assert "panicked" not in said, said
        if name == "keys create":
            key = done.stdout.split("-")[1]
        if name == "keys rotate":
            key = done.stdout.split("-")[1]
        if name in SAME:
            assert done.stdout.splitlines() == shown, said


def test_commands_in_sentences_exist():
    wrong = []
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for line in re.findall(r"`(forebay [a-z][^`]*)`", text):
            words = shlex.split(line)
            path = name_of(words).split()
            helped = subprocess.run([BINARY, *path, "--help"], capture_output=True, text=True)
            missing = [word for word in words if word.startswith("--") and word.split("=")[0] not in helped.stdout]
            if helped.returncode != 0 or missing:
                wrong.append(f"{page.name}: {line}")
    assert wrong == []
