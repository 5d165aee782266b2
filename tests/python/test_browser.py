"""Web pages in a real browser: those of server.origins can use the gateway, no others can."""

import http.server
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import threading

import pytest

from forebay import Gateway

NODE = pathlib.Path(__file__).resolve().parents[1] / "node"
LIMIT = 120

# What a chat page does: it lists models, asks with headers that need a preflight, reads headers of the
# answer, and follows a stream.
PAGE = """<!doctype html><script type="module">
const url = %(url)s, key = %(key)s;
const headers = {"content-type": "application/json", "x-forebay-explain": "true", "x-stainless-lang": "js"};
if (key) headers.authorization = `Bearer ${key}`;
const ask = (stream) => fetch(`${url}/v1/chat/completions`, {
  method: "POST", headers,
  body: JSON.stringify({model: "forebay-sim", stream, max_tokens: 5, messages: [{role: "user", content: "hi"}]}),
});
const told = {};
try {
  told.models = (await (await fetch(`${url}/v1/models`, {headers: key ? {authorization: headers.authorization} : {}})).json()).object;
  const whole = await ask(false);
  told.status = whole.status;
  told.object = (await whole.json()).object;
  for (const name of ["x-request-id", "x-forebay-upstream", "x-forebay-route", "cache-status"]) told[name] = whole.headers.get(name) !== null;
  const refused = await fetch(`${url}/v1/chat/completions`, {method: "POST", headers, body: "{"});
  told.refused = refused.status;
  told.message = (await refused.json()).error.message.length > 0;
  const reader = (await ask(true)).body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let piece; !(piece = await reader.read()).done;) text += piece.value;
  told.stream = text.includes("[DONE]");
} catch (error) {
  told.failed = String(error);
}
await fetch("/told", {method: "POST", body: JSON.stringify(told)});
</script>"""


@pytest.fixture(scope="module")
def browser():
    """Chromium's program with the environment it needs, out of the npm package."""
    node = shutil.which("node")
    assert node and (NODE / "node_modules/@sparticuz/chromium").is_dir(), "run npm ci in tests/node"
    script = (
        'import("@sparticuz/chromium").then(async ({default: c}) => '
        "console.log(JSON.stringify([await c.executablePath(), process.env.LD_LIBRARY_PATH ?? ''])))"
    )
    # The package unpacks the libraries that a bare system lacks only where it takes it for a cloud function's.
    env = {**os.environ, "AWS_LAMBDA_JS_RUNTIME": "nodejs22.x"}
    done = subprocess.run([node, "-e", script], cwd=NODE, env=env, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    program, libraries = json.loads(done.stdout)
    return program, {**os.environ, "LD_LIBRARY_PATH": libraries}


class Site(http.server.ThreadingHTTPServer):
    """A web site of one page, at an origin of its own, which the page tells how it went."""

    daemon_threads = True

    def __init__(self):
        site = self
        self.page = b""
        self.told = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(site.page)

            def do_POST(self):
                site.told.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.answer(b"")

            def answer(self, body):
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *parts):
        self.shutdown()
        super().__exit__(*parts)

    def visited(self, browser, folder, gateway, key=""):
        """What the page tells after a browser has opened it."""
        self.page = (PAGE % {"url": json.dumps(gateway), "key": json.dumps(key)}).encode()
        program, env = browser
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}"]
        opened = subprocess.Popen(
            [program, *flags, self.origin], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            return self.told.get(timeout=LIMIT)
        finally:
            os.killpg(opened.pid, signal.SIGKILL)
            opened.wait()


GOOD = {
    "models": "list",
    "status": 200,
    "object": "chat.completion",
    "x-request-id": True,
    "x-forebay-upstream": True,
    "x-forebay-route": True,
    "cache-status": True,
    "refused": 400,
    "message": True,
    "stream": True,
}


def test_only_pages_of_listed_origins_can_use_a_gateway_without_keys(browser, tmp_path):
    with Site() as listed, Site() as foreign:
        with Gateway(f'[server]\norigins = ["{listed.origin}"]\n') as gateway:
            assert listed.visited(browser, tmp_path / "a", gateway.url) == GOOD
            told = foreign.visited(browser, tmp_path / "b", gateway.url)
            assert "Failed to fetch" in told["failed"] and "status" not in told


def test_a_page_needs_its_key_as_well(browser, tmp_path):
    with Site() as listed, Site() as foreign:
        keys = tmp_path / "keys.toml"
        made = subprocess.run(
            [os.environ.get("FOREBAY_BIN", "forebay"), "keys", "create", "--tenant", "web", "--file", keys],
            capture_output=True, text=True, timeout=LIMIT, check=True,
        )
        key = made.stdout.strip()
        config = f'[server]\norigins = ["{listed.origin}"]\n[keys]\nfile = "{keys}"\n'
        with Gateway(config) as gateway:
            assert listed.visited(browser, tmp_path / "a", gateway.url, key) == GOOD
            # A refusal can be read by the page that may ask.
            assert listed.visited(browser, tmp_path / "b", gateway.url)["status"] == 401
            told = foreign.visited(browser, tmp_path / "c", gateway.url, key)
            assert "Failed to fetch" in told["failed"]
