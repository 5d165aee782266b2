"""A model that repeats what it was told, for apps that are not Forebay, and what they must do before it."""

import contextlib
import http.server
import json
import re
import threading
import urllib.error
import urllib.request

ADDRESS = "ann@example.org"


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


@contextlib.contextmanager
def serving():
    """The model on a free port; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model) as model:
        threading.Thread(target=model.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{model.server_port}"
        model.shutdown()


def ask(app, content, **more):
    """Status and text of a chat request to an app."""
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    request = urllib.request.Request(f"{app.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def private_values_stay_and_come_back(app):
    status, text = ask(app, f"write to {ADDRESS} twice: {ADDRESS}")
    assert status == 200, text
    assert json.loads(text)["choices"][0]["message"]["content"] == f"I heard: write to {ADDRESS} twice: {ADDRESS}"
    masks = re.findall(r"\[EMAIL_1_[0-9a-f]{8}\]", Model.seen[-1])
    assert len(masks) == 2 and len(set(masks)) == 1
    assert ADDRESS not in Model.seen[-1]


def a_stream_that_cuts_placeholders_gives_them_back_whole(app):
    status, text = ask(app, f"to {ADDRESS} [x", stream=True)
    assert status == 200, text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == f"I heard: to {ADDRESS} [x"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop" and text.rstrip().endswith("[DONE]")
    assert ADDRESS not in Model.seen[-1]


def rules_turn_prompts_and_answers_away(app):
    before = len(Model.seen)
    status, text = ask(app, "my key is ghp_16C7e42F292c6912E7710c838347Ae178B4a")
    assert status == 400 and "ghp_" not in text and json.loads(text)["error"]["code"], text
    assert len(Model.seen) == before, "the model did not see it"
    status, text = ask(app, "tell me about Project Nightjar")
    assert status == 400 and "Nightjar" not in text, text
    status, text = ask(app, "tell me about Project Nightjar", stream=True)
    assert '"error"' in text and "Nightjar" not in text and "[DONE]" not in text, text
    assert ask(app, "hello")[0] == 200, "the instance goes on"
