"""An upstream with the endpoints that pass through: it checks what it is sent as its vendor would."""

import email.parser
import email.policy
import http.server
import json
import threading

KEY = "sk-upstreams-own"


class ThroughUpstream:
    """Files, batches, sound, pictures and rerank, on a free loopback port."""

    def __init__(self):
        self.files, self.batches, self.refused = {}, {}, []
        self.stores, self.containers, self.cached = {}, {}, {}
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                path = self.path.partition("?")[0]
                length = int(self.headers.get("content-length", 0))
                try:
                    own = self.headers["x-goog-api-key"] or self.headers["authorization"].removeprefix("Bearer ")
                    assert own == KEY, "another's key"
                    body = upstream.read(self.headers.get("content-type", ""), self.rfile.read(length))
                    media, content = upstream.answer(self.command, path, body)
                except AssertionError as error:
                    upstream.refused.append(f"{self.command} {self.path}: {error}")
                    return self.reply(400, "application/json", {"error": {"message": str(error), "type": "invalid_request_error"}})
                except KeyError:
                    return self.reply(404, "application/json", {"error": {"message": "none", "type": "invalid_request_error"}})
                return self.reply(200, media, content)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def reply(self, status, media, content):
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-type", media)
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

    @staticmethod
    def read(media, body):
        """A body as its fields; a file is its name and its bytes."""
        if not media.startswith("multipart/"):
            return json.loads(body or b"{}")
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        form = parser.parsebytes(b"content-type: " + media.encode() + b"\r\n\r\n" + body)
        fields = {}
        for part in form.iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            file = part.get_filename()
            fields[name] = (file, content) if file else content.decode()
        return fields

    def answer(self, method, path, body):
        """The media type and content of an answer."""
        made = {
            "/v1/responses": self.responses,
            "/v1/chat/completions": self.chat,
            "/v1/rerank": self.rerank,
            "/v2/rerank": self.rerank,
            "/v1/moderations": self.moderations,
            "/v1/images/generations": self.images,
            "/v1/images/edits": self.edits,
            "/v1/audio/speech": self.speech,
            "/v1/audio/transcriptions": self.transcriptions,
            "/v1/audio/translations": self.transcriptions,
        }
        if path in made:
            assert method == "POST", method
            return made[path](body)
        if path.startswith("/v1beta/cachedContents"):
            return "application/json", self.cache(method, path.removeprefix("/v1beta/"), body)
        kind, _, rest = path.removeprefix("/v1/").partition("/")
        if kind in ("vector_stores", "containers"):
            return "application/json", self.keep(kind, method, rest, body)
        name, _, verb = rest.partition("/")
        kept = {"files": self.files, "batches": self.batches}[kind]
        if not name and method == "POST":
            return "application/json", self.upload(body) if kind == "files" else self.batch(body)
        if not name:
            things = [thing for thing, _ in kept.values()]
            return "application/json", {"object": "list", "data": things, "has_more": False}
        thing, content = kept[name]
        if verb == "content":
            return "application/octet-stream", content
        if method == "DELETE":
            del kept[name]
            return "application/json", {"id": name, "object": "file", "deleted": True}
        if verb == "cancel":
            thing["status"] = "cancelling"
        return "application/json", thing

    def responses(self, body):
        """An answer for which the provider makes a container."""
        made = {"id": "cntr_made", "object": "container", "created_at": 1, "status": "running", "name": "auto"}
        self.containers["cntr_made"] = made
        [tool] = body["tools"]
        assert tool["container"] in ({"type": "auto"}, "cntr_made"), tool
        call = {"id": "ci_1", "type": "code_interpreter_call", "status": "completed", "code": "1", "outputs": []}
        call["container_id"] = "cntr_made"
        whole = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m"}
        whole.update(output=[call], tools=body["tools"], tool_choice="auto", parallel_tool_calls=True)
        whole["usage"] = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        if not body.get("stream"):
            return "application/json", whole
        events = [
            {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}},
            {"type": "response.output_item.added", "output_index": 0, "item": {**call, "status": "in_progress"}},
            {"type": "response.output_item.done", "output_index": 0, "item": call},
            {"type": "response.completed", "response": whole},
        ]
        return "text/event-stream", self.stream(
            (event["type"], json.dumps({**event, "sequence_number": at})) for at, event in enumerate(events)
        )

    def chat(self, body):
        """An answer with half of a surrogate pair, as engines write it that cut between two tokens."""
        text = r'"half \ud83d and \\ud83d"'
        head = '"id":"c","created":1,"model":"m"'
        if not body.get("stream"):
            message = f'{{"role":"assistant","content":{text}}}'
            choice = f'{{"index":0,"message":{message},"finish_reason":"stop"}}'
            return "application/json", f'{{{head},"object":"chat.completion","choices":[{choice}]}}'.encode()
        pieces = [f'{{"index":0,"delta":{{"content":{text}}}}}', '{"index":0,"delta":{},"finish_reason":"stop"}']
        chunks = [f'{{{head},"object":"chat.completion.chunk","choices":[{piece}]}}' for piece in pieces]
        return "text/event-stream", self.stream((None, data) for data in [*chunks, "[DONE]"])

    @staticmethod
    def stream(events):
        named = lambda name: f"event: {name}\n" if name else ""
        return "".join(f"{named(name)}data: {data}\n\n" for name, data in events).encode()

    @staticmethod
    def rerank(body):
        assert body["query"] and body["documents"], body
        results = [{"index": at, "relevance_score": 0.5} for at in range(len(body["documents"]))]
        return "application/json", {"id": "r", "results": results, "meta": {"api_version": {"version": "2"}}}

    @staticmethod
    def moderations(body):
        assert body["input"], body
        result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
        return "application/json", {"id": "modr-1", "model": body["model"], "results": [result]}

    @staticmethod
    def images(body):
        assert body["prompt"], body
        return "application/json", {"created": 1, "data": [{"b64_json": "aGk="}]}

    @staticmethod
    def edits(body):
        assert body["prompt"] and body["image"][1] == b"PNG", body
        return "application/json", {"created": 1, "data": [{"b64_json": "aGk="}]}

    @staticmethod
    def speech(body):
        assert body["input"] and body["voice"], body
        return "audio/mpeg", b"ID3" + b"\x00" * 100_000

    @staticmethod
    def transcriptions(body):
        assert body["file"][1].startswith(b"RIFF"), body
        assert body["model"] == "whisper-1", body["model"]
        if body.get("response_format") == "text":
            return "text/plain", b"hello\n"
        return "application/json", {"text": "hello", "usage": {"type": "duration", "seconds": 1}}

    def keep(self, kind, method, rest, body):
        """Vector stores and containers, and the files in them."""
        things, before = {"vector_stores": (self.stores, "vs"), "containers": (self.containers, "cntr")}[kind]
        name, _, within = rest.partition("/")
        if not name and method == "POST":
            assert all(file in self.files for file in body.get("file_ids", [])), body
            own = f"{before}_{len(things)}x"
            things[own] = {"id": own, "object": kind[:-1], "created_at": 1, "status": "completed", **body}
            return things[own]
        if not name:
            return {"object": "list", "data": list(things.values()), "has_more": False}
        thing = things[name]
        if within == "search":
            own, (file, _) = list(self.files.items())[-1]
            found = {"file_id": own, "filename": file["filename"], "score": 0.5, "attributes": {}, "content": []}
            return {"object": "vector_store.search_results.page", "search_query": [body["query"]], "data": [found]}
        if within == "files" and method == "POST" and kind == "containers":
            file, content = body["file"]
            path = f"/mnt/data/{file}"
            told = {"id": "cfile_1", "object": "container.file", "container_id": name, "created_at": 1}
            return {**told, "path": path, "bytes": len(content), "source": "user"}
        if within == "files" and method == "POST":
            assert body["file_id"] in self.files, body
            return {"id": body["file_id"], "object": "vector_store.file", "vector_store_id": name, "created_at": 1}
        assert not within, within
        if method == "DELETE":
            del things[name]
            return {"id": name, "object": f"{kind[:-1]}.deleted", "deleted": True}
        return thing | body

    def cache(self, method, name, body):
        if method == "POST":
            own = f"cachedContents/{len(self.cached)}x"
            assert body["model"] == "models/gemini-up", body
            self.cached[own] = {"name": own, "displayName": body["displayName"], "model": body["model"]}
            return self.cached[own]
        if name == "cachedContents":
            return {"cachedContents": list(self.cached.values())}
        kept = self.cached[name]
        if method == "DELETE":
            del self.cached[name]
            return {}
        return kept

    def upload(self, body):
        name, content = body["file"]
        own = f"file-{len(self.files)}x"
        thing = {"id": own, "object": "file", "bytes": len(content), "created_at": 1, "filename": name}
        thing.update(purpose=body["purpose"], status="processed")
        self.files[own] = (thing, content)
        return thing

    def batch(self, body):
        assert body["input_file_id"] in self.files, body["input_file_id"]
        own = f"batch_{len(self.batches)}x"
        output = self.upload({"file": ("output.jsonl", b'{"custom_id":"1"}\n'), "purpose": "batch_output"})
        thing = {"id": own, "object": "batch", "endpoint": body["endpoint"], "created_at": 1, "status": "completed"}
        thing.update(input_file_id=body["input_file_id"], output_file_id=output["id"])
        thing.update(metadata=body.get("metadata"), completion_window=body["completion_window"])
        self.batches[own] = (thing, b"")
        return thing
