"""examples/worker-guardrails: its component in Node, and its Worker under wrangler dev.

`wrangler dev` is run with FOREBAY_FULL=1 alone."""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from wrangler import ROOT, Dev, copied, missing, surroundings

pytestmark = pytest.mark.skipif(
    missing("cloudflare-worker"), reason="MISSING wrangler: npm ci in examples/cloudflare-worker brings it"
)
in_full = pytest.mark.skipif(
    os.environ.get("FOREBAY_FULL") != "1", reason="NOT RUN: wrangler dev is started by .ci/run --full (FOREBAY_FULL=1)"
)
ADDRESS = "ann@example.org"
LIMIT = 120


class Model(http.server.BaseHTTPRequestHandler):
    """Repeats the last message. A stream comes byte by byte."""

    protocol_version = "HTTP/1.1"
    seen = []

    def do_POST(self):
        text = self.rfile.read(int(self.headers["content-length"])).decode()
        self.seen.append(text)
        body = json.loads(text)
        said = f"I heard: {body['messages'][-1]['content']}"
        if not body.get("stream"):
            return self.answer("application/json", json.dumps({"choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]}))
        deltas = [{"content": letter} for letter in said]
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.answer("text/event-stream", "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n")

    def answer(self, kind, text):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    # Its packages are those of the other example.
    return copied("worker-guardrails", tmp_path_factory.mktemp("worker") / "project", "cloudflare-worker")


@pytest.fixture(scope="module")
def worker(tmp_path_factory, project):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model) as model:
        threading.Thread(target=model.serve_forever, daemon=True).start()
        upstream = f"http://127.0.0.1:{model.server_port}"
        state = tmp_path_factory.mktemp("state")
        with Dev(project, state, upstream=upstream, mask_secret="sixteen bytes or more") as dev:
            yield dev
        model.shutdown()


def ask(worker, content, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    request = urllib.request.Request(f"{worker.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_component_keeps_its_contract_in_node(project):
    subprocess.run([shutil.which("node"), "build.mjs"], cwd=project, env=surroundings(project), check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        [shutil.which("node"), "--test", "--test-reporter=spec", ROOT / "tests/node/mask.test.mjs"],
        env={**os.environ, "FOREBAY_MASK": str(project / "build")}, capture_output=True, text=True, timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests 0" not in done.stdout, "no test ran"


@in_full
def test_private_values_stay_and_come_back(worker):
    status, text = ask(worker, f"write to {ADDRESS} twice: {ADDRESS}")
    assert status == 200, text
    assert json.loads(text)["choices"][0]["message"]["content"] == f"I heard: write to {ADDRESS} twice: {ADDRESS}"
    masks = re.findall(r"\[EMAIL_1_[0-9a-f]{8}\]", Model.seen[-1])
    assert len(masks) == 2 and len(set(masks)) == 1
    assert ADDRESS not in Model.seen[-1]


@in_full
def test_a_stream_that_cuts_placeholders_gives_them_back_whole(worker):
    status, text = ask(worker, f"to {ADDRESS} [x", stream=True)
    assert status == 200, text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == f"I heard: to {ADDRESS} [x"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop" and text.rstrip().endswith("[DONE]")
    assert ADDRESS not in Model.seen[-1]


@in_full
def test_rules_turn_prompts_and_answers_away(worker):
    before = len(Model.seen)
    status, text = ask(worker, "my key is ghp_16C7e42F292c6912E7710c838347Ae178B4a")
    assert status == 400 and "ghp_" not in text and json.loads(text)["error"]["code"], text
    assert len(Model.seen) == before, "the model did not see it"
    status, text = ask(worker, "tell me about Project Nightjar")
    assert status == 400 and "Nightjar" not in text, text
    status, text = ask(worker, "tell me about Project Nightjar", stream=True)
    assert '"error"' in text and "Nightjar" not in text and "[DONE]" not in text, text
    assert ask(worker, "hello")[0] == 200, "the instance goes on"
