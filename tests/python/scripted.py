"""An upstream that says exactly what a test wrote down, for what the simulated engine does not do by itself."""

import http.server
import json
import threading


class ScriptedUpstream:
    """Answers every POST with the same stream of chunks, or the same body, on a free loopback port."""

    def __init__(self, *, chunks=None, body=None):
        self.requests = []
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.reply("application/json", b'{"object": "list", "data": [{"id": "scripted", "object": "model"}]}')

            def do_POST(self):
                upstream.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                if chunks is None:
                    self.reply("application/json", json.dumps(body).encode())
                    return
                events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
                self.reply("text/event-stream", "".join(events).encode())

            def reply(self, kind, content):
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def chunk(delta, finish_reason=None):
    """One chat completion chunk."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "scripted",
        "choices": [choice],
    }
