#!/usr/bin/env python3
"""Regression cases made from public bug reports against LLM gateways.

Each file of cases/ has TITLE, SOURCE, RIGHT, UPSTREAM (a table of forebay.toml), STEPS (client
requests and what the scripted upstream answers) and check(run). One gateway serves all of them:
each case is an upstream of its own with a model of its own, before a fake of its own.

    run_cases.py --forebay PATH [--only NN,NN] [--losses drop] [--show]

Prints a line a case. PASS: the check held. REFUSED: the gateway itself answered 4xx where the case
wants an answer. FAIL: anything else. Exit 1 where any case is not PASS.
Standard library only.
"""
import argparse, http.client, http.server, importlib.util, json, os, pathlib, re, signal
import socket, struct, subprocess, sys, tempfile, threading, types, time, traceback, zlib

HERE = pathlib.Path(__file__).resolve().parent


# ---- what cases are written with -------------------------------------------------------------

def sse(*payloads, done=True, names=False):
    """A list of chunks, one an event. Strings go as they are."""
    out = []
    for p in payloads:
        if isinstance(p, str):
            out.append(p)
            continue
        head = f"event: {p['type']}\n" if names else ""
        out.append(f"{head}data: {json.dumps(p)}\n\n")
    if done:
        out.append("data: [DONE]\n\n")
    return {"sse": out}


def chat_chunk(delta=None, finish=None, usage=None, **more):
    c = {"id": "chatcmpl-x", "object": "chat.completion.chunk", "created": 1790000000, "model": "up"}
    c["choices"] = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    if usage:
        c["usage"] = usage
    c.update(more)
    return c


def chat_answer(message, finish="stop", usage=None):
    return {"json": {"id": "chatcmpl-x", "object": "chat.completion", "created": 1790000000, "model": "up",
                     "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
                     "usage": usage or {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}}


def claude_answer(content, stop="end_turn", usage=None):
    return {"json": {"id": "msg_x", "type": "message", "role": "assistant", "model": "claude", "content": content,
                     "stop_reason": stop, "stop_sequence": None,
                     "usage": usage or {"input_tokens": 10, "output_tokens": 5}}}


def claude_stream(blocks, stop="end_turn", usage=None, start_usage=None):
    """blocks: (content_block, [deltas])."""
    events = [{"type": "message_start", "message": {"id": "msg_x", "type": "message", "role": "assistant",
               "model": "claude", "content": [], "stop_reason": None, "stop_sequence": None,
               "usage": start_usage or {"input_tokens": 10, "output_tokens": 1}}}]
    for i, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": i, "content_block": block})
        events.append({"type": "ping"})
        events += [{"type": "content_block_delta", "index": i, "delta": d} for d in deltas]
        events.append({"type": "content_block_stop", "index": i})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
                   "usage": usage or {"output_tokens": 7}})
    events.append({"type": "message_stop"})
    return sse(*events, done=False, names=True)


def frames(*events):
    """AWS event-stream frames: (event type, payload)."""
    out = []
    for kind, payload in events:
        headers = b""
        for k, v in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
            k, v = k.encode(), v.encode()
            headers += bytes([len(k)]) + k + b"\x07" + struct.pack(">H", len(v)) + v
        body = json.dumps(payload).encode()
        prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
        prelude += struct.pack(">I", zlib.crc32(prelude))
        message = prelude + headers + body
        out.append(message + struct.pack(">I", zlib.crc32(message)))
    return {"frames": out}


class Wrong(AssertionError):
    """What was seen is not what is right."""


def want(condition, said):
    if not condition:
        raise Wrong(said if isinstance(said, str) else json.dumps(said)[:700])


def fold_chat(events):
    """A streamed chat completion as one message."""
    m = {"content": "", "reasoning": "", "calls": {}, "finish": None, "usage": None, "errors": []}
    for _, d in events:
        if d == "[DONE]":
            continue
        if "error" in d:
            m["errors"].append(d["error"])
        if d.get("usage"):
            m["usage"] = d["usage"]
        for c in d.get("choices") or []:
            delta = c.get("delta") or {}
            m["content"] += delta.get("content") or ""
            m["reasoning"] += delta.get("reasoning_content") or delta.get("reasoning") or ""
            for t in delta.get("tool_calls") or []:
                call = m["calls"].setdefault(t["index"], {"id": None, "name": "", "arguments": ""})
                call["id"] = call["id"] or t.get("id")
                f = t.get("function") or {}
                call["name"] += f.get("name") or ""
                call["arguments"] += f.get("arguments") or ""
            m["finish"] = c.get("finish_reason") or m["finish"]
    return m


def fold_claude(events):
    """A streamed message as Anthropic's SDK builds it; raises Wrong where it would stumble."""
    m = {"content": {}, "stop": None, "usage": {}, "errors": [], "ended": False, "types": []}
    open_, text = set(), {}
    for name, d in events:
        t = d.get("type") if isinstance(d, dict) else None
        m["types"].append(t)
        want(name == t, f"event name {name!r} before data of type {t!r}")
        if t == "message_start":
            m["usage"].update(d["message"]["usage"])
        elif t == "content_block_start":
            want(d["index"] == len(m["content"]), f"block {d['index']} begins as number {len(m['content'])}")
            m["content"][d["index"]] = dict(d["content_block"])
            text[d["index"]] = ""
            open_.add(d["index"])
        elif t == "content_block_delta":
            want(d["index"] in open_, f"a delta of block {d['index']}, which is not open")
            b, x = m["content"][d["index"]], d["delta"]
            if x["type"] == "text_delta":
                b["text"] += x["text"]
            elif x["type"] == "thinking_delta":
                b["thinking"] += x["thinking"]
            elif x["type"] == "signature_delta":
                b["signature"] = b.get("signature", "") + x["signature"]
            elif x["type"] == "input_json_delta":
                text[d["index"]] += x["partial_json"]
        elif t == "content_block_stop":
            open_.discard(d["index"])
            if m["content"][d["index"]]["type"] == "tool_use" and text[d["index"]]:
                m["content"][d["index"]]["input"] = json.loads(text[d["index"]])
        elif t == "message_delta":
            m["stop"] = d["delta"]["stop_reason"]
            m["usage"].update({k: v for k, v in d["usage"].items() if v is not None})
        elif t == "message_stop":
            m["ended"] = True
        elif t == "error":
            m["errors"].append(d["error"])
    m["content"] = [m["content"][i] for i in sorted(m["content"])]
    if m["ended"]:
        want(not open_, f"blocks {open_} are open at the end")
    return m


# ---- the fake upstream ------------------------------------------------------------------------

class Fake:
    """Answers each POST with the next reply (the last one again and again), and keeps what it got."""

    def __init__(self, replies):
        self.got, self.replies, self.lock = [], list(replies), threading.Lock()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.whole(200, b'{"object":"list","data":[]}', {})

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                try:
                    body = json.loads(raw)
                except ValueError:
                    body = None
                with fake.lock:
                    fake.got.append({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                                     "json": body, "raw": raw})
                    reply = fake.replies.pop(0) if len(fake.replies) > 1 else fake.replies[0]
                if callable(reply):
                    try:
                        reply = reply(fake.got[-1])
                    except Exception as error:
                        reply = {"status": 500, "json": {"error": {"message": f"the fake can't answer this: {error!r}"}}}
                try:
                    self.reply(reply)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def reply(self, r):
                more = r.get("headers", {})
                if "json" in r:
                    return self.whole(r.get("status", 200), json.dumps(r["json"]).encode(), more)
                if "body" in r:
                    return self.whole(r.get("status", 200), r["body"].encode(), more)
                kind = "application/vnd.amazon.eventstream" if "frames" in r else "text/event-stream"
                self.send_response(200)
                self.send_header("content-type", more.get("content-type", kind))
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in r.get("frames") or r["sse"]:
                    if isinstance(piece, (int, float)):
                        time.sleep(piece)
                        continue
                    piece = piece.encode() if isinstance(piece, str) else piece
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    self.wfile.flush()
                if r.get("cut"):
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.wfile.write(b"0\r\n\r\n")

            def whole(self, status, content, more):
                self.send_response(status)
                for k, v in {"content-type": "application/json", **more}.items():
                    self.send_header(k, v)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()


# ---- the gateway ------------------------------------------------------------------------------

def toml_value(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, (int, float)):
        return str(v)
    if isinstance(v, str):
        return json.dumps(v)
    if isinstance(v, list):
        return "[" + ", ".join(map(toml_value, v)) + "]"
    return "{ " + ", ".join(f"{json.dumps(k)} = {toml_value(x)}" for k, x in v.items()) + " }"


# The rules that forebay.toml ships with.
SHIPPED = """
[[policies.guardrails.config.rules]]
name = "secrets"
kind = "secrets"
action = "deny"
apply = ["input"]
[[policies.guardrails.config.rules]]
name = "personal-data"
kind = "pii"
action = "mask"
apply = ["input"]
entities = ["EMAIL", "CREDIT_CARD", "IBAN"]
[[policies.guardrails.config.rules]]
name = "prompt-attacks"
kind = "prompt-attack"
shadow = true
"""


class Gateway:
    def __init__(self, binary, config):
        self.folder = tempfile.mkdtemp(prefix="bugsA-")
        file = pathlib.Path(self.folder, "forebay.toml")
        file.write_text(config)
        self.log = open(pathlib.Path(self.folder, "log"), "w")
        env = {**os.environ, "XDG_RUNTIME_DIR": self.folder, "FAKE_KEY": "sk-fake-upstream"}
        self.process = subprocess.Popen(
            [binary, "serve", "--config", str(file), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, text=True, env=env)
        self.port, end = None, time.monotonic() + 120
        for line in self.process.stdout:
            found = re.search(r"forebay listening on https?://[^:]+:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
            if time.monotonic() > end:
                break
        if not self.port:
            self.process.kill()
            raise SystemExit("the gateway did not start:\n" + pathlib.Path(self.folder, "log").read_text()[-3000:])
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Answer:
    """What a client got."""

    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw
        self.text = raw.decode("utf-8", "replace")
        self.json, self.events = None, []
        kind = headers.get("content-type", "")
        if "event-stream" in kind and "amazon" not in kind:
            for block in re.split(r"\r?\n\r?\n", self.text):
                name, data = None, []
                for line in block.splitlines():
                    if line.startswith("event:"):
                        name = line[6:].strip()
                    elif line.startswith("data:"):
                        data.append(line[5:].lstrip())
                if data:
                    said = "\n".join(data)
                    self.events.append((name, said if said == "[DONE]" else json.loads(said)))
        else:
            try:
                self.json = json.loads(raw)
            except ValueError:
                pass

    @property
    def refused(self):
        """The gateway's own refusal, in any client's shape."""
        return 400 <= self.status < 500

    def message(self):
        e = (self.json or {}).get("error") if isinstance(self.json, dict) else None
        if isinstance(e, dict):
            return e.get("message", "")
        return ((self.json or {}).get("message") if isinstance(self.json, dict) else None) or self.text[:300]


class Run:
    def __init__(self):
        self.answers, self.upstream = [], []

    @property
    def last(self):
        return self.answers[-1]

    @property
    def sent(self):
        """The last body the upstream got."""
        want(self.upstream, "nothing reached the upstream")
        return self.upstream[-1]["json"]


def ask(port, step, timeout=20):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    body = json.dumps(step["body"]).encode()
    c.request("POST", step["path"], body, {"content-type": "application/json", **step.get("headers", {})})
    r = c.getresponse()
    raw = b""
    try:
        while piece := r.read1(65536):
            raw += piece
    except (http.client.IncompleteRead, ConnectionResetError):
        pass
    c.close()
    return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, raw)


def load(file):
    spec = importlib.util.spec_from_file_location("case_" + file.stem.replace("-", "_"), file)
    module = importlib.util.module_from_spec(spec)
    for name in ("sse", "chat_chunk", "chat_answer", "claude_answer", "claude_stream", "frames", "want",
                 "fold_chat", "fold_claude", "json", "Wrong", "case"):
        setattr(module, name, globals()[name])
    spec.loader.exec_module(module)
    return module


def cases_of(file):
    """The cases of a file: it is one itself, or has a table of them."""
    module = load(file)
    if not hasattr(module, "CASES"):
        module.FILE, module.MODEL = file.stem, "m" + file.stem.split("-")[0]
        return [module]
    for number, case in enumerate(module.CASES):
        case.FILE, case.MODEL = f"{file.stem}-{case.NAME}", f"r{file.stem}{number}"
    return module.CASES


def all_cases():
    files = sorted(HERE.glob("cases/*.py")) + sorted(HERE.glob("reports/*.py"))
    return [case for file in files for case in cases_of(file)]


PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses",
         "ollama": "/api/chat", "cohere": "/v2/chat", "embeddings": "/v1/embeddings",
         "gemini": "/v1beta/models/MODEL:generateContent", "converse": "/model/MODEL/converse",
         "gemini-stream": "/v1beta/models/MODEL:streamGenerateContent?alt=sse", "converse-stream": "/model/MODEL/converse-stream"}
UPSTREAMS = {
    "openai": {"provider": "openai", "key": "env:FAKE_KEY", "model": "gpt-5.1", "speaks": ["chat"]},
    "responses": {"provider": "openai", "key": "env:FAKE_KEY", "model": "gpt-5.1", "speaks": ["responses"]},
    "compatible": {"provider": "compatible"},
    "vllm": {"provider": "vllm", "speaks": ["chat"]},
    "mistral": {"provider": "mistral", "key": "env:FAKE_KEY", "model": "mistral-large-latest"},
    "cohere": {"provider": "cohere", "key": "env:FAKE_KEY", "model": "command-a-03-2025"},
    "claude": {"provider": "anthropic", "key": "env:FAKE_KEY", "model": "claude-sonnet-4-5"},
    "opus": {"provider": "anthropic", "key": "env:FAKE_KEY", "model": "claude-opus-4-8"},
    "converse": {"provider": "bedrock", "region": "us-east-1", "key": "env:FAKE_KEY", "options": {"api": "converse"},
                 "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
    "gemini": {"provider": "gemini", "key": "env:FAKE_KEY", "model": "gemini-2.5-flash"},
    "gemini3": {"provider": "gemini", "key": "env:FAKE_KEY", "model": "gemini-3-pro-preview"},
}
GEMINI = {"json": {"candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}],
                   "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}}}
# What an upstream answers where a case says nothing of it.
ANSWERS = {
    "claude": claude_answer([{"type": "text", "text": "ok"}]),
    "opus": claude_answer([{"type": "text", "text": "ok"}]),
    "converse": {"json": {"output": {"message": {"role": "assistant", "content": [{"text": "ok"}]}},
                          "stopReason": "end_turn", "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}}},
    "gemini": GEMINI, "gemini3": GEMINI,
    "cohere": {"json": {"id": "x", "finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 3, "output_tokens": 1}},
                        "message": {"role": "assistant", "content": [{"type": "text", "text": "ok"}]}}},
}


def case(name, source, client, upstream, body, check, reply=None):
    """A row of a table: a client's request before an upstream, and what has to hold of the run."""
    body = {"max_tokens": 4096, **body} if client == "messages" else body
    body = {"store": False, **body} if client == "responses" else body
    step = {"path": PATHS[client], "body": body, "reply": reply or ANSWERS.get(upstream) or chat_answer({"content": "ok"})}
    return types.SimpleNamespace(NAME=name, SOURCE=source, UPSTREAM=UPSTREAMS[upstream], STEPS=[step], check=check)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--forebay", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--losses", default="")
    parser.add_argument("--show", action="store_true", help="print what was sent up and what came back")
    options = parser.parse_args()
    only = [o for o in options.only.split(",") if o]
    cases, config = [], ["[admin]\nlisten = \"127.0.0.1:0\"\n[retries]\nattempts = 1\n"]
    for case in all_cases():
        if only and not any(case.FILE.startswith(o) for o in only):
            continue
        case.FAKE = Fake([s["reply"] for s in case.STEPS])
        table = dict(case.UPSTREAM)
        if options.losses:
            table["losses"] = options.losses
        up = table.pop("model", "up")
        table = {"name": "u" + case.MODEL, "urls": [f"http://127.0.0.1:{case.FAKE.port}"],
                 "models": {case.MODEL: up}, **table}
        config.append("[[upstreams]]\n" + "".join(f"{k} = {toml_value(v)}\n" for k, v in table.items()))
        cases.append(case)
    gateway = Gateway(options.forebay, "\n".join(config) + SHIPPED)
    bad = 0
    try:
        for case in cases:
            run, verdict, said = Run(), "PASS", ""
            try:
                for step in case.STEPS:
                    step = dict(step)
                    if callable(step["body"]):
                        step["body"] = step["body"](run)
                    if "MODEL" in step["path"]:
                        step["path"] = step["path"].replace("MODEL", case.MODEL)
                    else:
                        step["body"] = {"model": case.MODEL, **step["body"]}
                    before = len(case.FAKE.got)
                    run.answers.append(ask(gateway.port, step))
                    run.upstream = case.FAKE.got
                    run.reached = len(case.FAKE.got) > before
                    if run.last.refused and not run.reached and not getattr(case, "MAY_REFUSE", False):
                        verdict, said = "REFUSED", f"{run.last.status}: {run.last.message()}"
                        break
                if verdict == "PASS":
                    said = case.check(run) or "as it should be"
            except Wrong as wrong:
                verdict, said = "FAIL", str(wrong)
            except Exception as error:
                verdict, said = "FAIL", f"{type(error).__name__}: {error}"
                if options.show:
                    traceback.print_exc()
            bad += verdict != "PASS"
            lost = run.answers[-1].headers.get("x-forebay-lost") if run.answers else None
            print(f"{verdict:8}{case.FILE}: {' '.join(said.split())[:600]}" + (f"  [lost: {lost}]" if lost else ""))
            if options.show:
                for got in case.FAKE.got:
                    print("   up  <", got["path"], json.dumps(got["json"])[:3000])
                for answer in run.answers:
                    print("   back>", answer.status, {k: v for k, v in answer.headers.items() if k.startswith(("x-forebay-l", "cache-s", "retry"))})
                    print("        ", answer.text[:3500])
    finally:
        gateway.stop()
    print(f"{len(cases) - bad} of {len(cases)} pass")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
