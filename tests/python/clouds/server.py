"""The server under every fake cloud: routes, strict reading of requests, streams cut anywhere, refusals remembered."""

import contextvars
import http.server
import json
import re
import sys
import threading
import traceback
import urllib.parse
from dataclasses import dataclass, field

# Sizes of the pieces a stream is written in, in turns: no reader may count on an event for each read.
PIECES = (1, 700, 3, 64, 7, 1900, 16)
BODY_LIMIT = 32 * 1024 * 1024
# What thinks in place of the usual brain, where a test has a model of its own: a function from an Ask to an Answer.
MIND = contextvars.ContextVar("mind", default=None)


@dataclass
class Request:
    """What arrived, as bytes on the wire: the target is not decoded, and header names are in lower case."""

    method: str
    target: str
    headers: dict
    body: bytes
    captured: tuple = ()
    cloud: object = None

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return dict(urllib.parse.parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    def json(self):
        """The body as JSON; anything else, and a wrong content type, is refused."""
        if self.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refusal(400, "invalid", f"content-type is {self.headers.get('content-type')!r}, not application/json")
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refusal(400, "invalid", f"the body is not JSON: {error}") from error


@dataclass
class Reply:
    """An answer: bytes, or an iterator of bytes that goes out in ragged pieces."""

    body: object = b""
    status: int = 200
    headers: dict = field(default_factory=dict)
    # How many bytes of the body do not go out although they are announced: an answer that breaks off.
    missing: int = 0

    @classmethod
    def json(cls, value, status=200, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(json.dumps(value).encode(), status, {"content-type": "application/json", **headers})


class Refusal(Exception):
    """A request that the vendor would not take. `kind` is neutral: invalid, auth, denied, missing, rate, server,
    overloaded, context. Each cloud says it in its own words."""

    def __init__(self, status, kind, message, asked_for=False):
        super().__init__(message)
        self.status, self.kind, self.message, self.asked_for = status, kind, message, asked_for


class BreakOff(Exception):
    """Raised by a stream's iterator: the connection closes without an end."""


class Cloud:
    """A fake cloud on a free loopback port. Subclasses give `routes`, `authenticate` and `error`."""

    # (method, pattern of the whole undecoded path, name of the method that answers)
    routes = ()
    # What thinks in place of the usual brain; see `MIND`.
    mind = None

    def __init__(self):
        self.requests, self.refusals = [], []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.authority = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.authority}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def authenticate(self, request):
        """Raises a Refusal unless the caller is known."""

    def error(self, refusal):
        """The refusal in the vendor's shape."""
        return Reply.json({"error": {"message": refusal.message}}, refusal.status)

    def answer(self, request):
        with self._lock:
            self.requests.append(request)
        minded = MIND.set(self.mind)
        try:
            for method, pattern, name in self.routes:
                if method == request.method and (found := re.fullmatch(pattern, request.path)):
                    request.captured = tuple(urllib.parse.unquote(group) for group in found.groups())
                    self.authenticate(request)
                    return getattr(self, name)(request, *request.captured)
            raise Refusal(404, "missing", f"no such resource: {request.method} {request.path}")
        except Refusal as refusal:
            if not refusal.asked_for:
                self.remember(f"{request.method} {request.target}: {refusal.status} {refusal.message}")
            return self.error(refusal)
        except Exception:
            self.remember(traceback.format_exc())
            return self.error(Refusal(500, "server", "the fake itself failed, see its refusals"))
        finally:
            MIND.reset(minded)

    def remember(self, what):
        with self._lock:
            self.refusals.append(what)

    def refused(self):
        """What was refused since the last call; taking it says that the test expected it."""
        with self._lock:
            taken, self.refusals = self.refusals, []
        return taken

    def check(self):
        """Fails if anything was refused that nobody expected."""
        refused = self.refused()
        assert not refused, f"{type(self).__name__} refused:\n" + "\n".join(refused)

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close()
        if kind is None:
            self.check()


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that resets its connection is none of the server's errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(cloud):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def respond(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.read_chunked() if "transfer-encoding" in headers else self.read_counted(headers)
            self.write(cloud.answer(Request(self.command, self.path, headers, body, cloud=cloud)))

        do_GET = do_POST = do_PUT = respond

        def read_counted(self, headers):
            length = int(headers.get("content-length", 0))
            assert length <= BODY_LIMIT, f"a body of {length} bytes"
            return self.rfile.read(length)

        def read_chunked(self):
            body = b""
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                assert len(body) + size <= BODY_LIMIT, "a chunked body without bound"
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body

        def write(self, reply):
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, str(value))
            whole = isinstance(reply.body, bytes)
            if whole:
                self.send_header("content-length", str(len(reply.body)))
            else:
                self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            try:
                if whole:
                    self.wfile.write(reply.body[: len(reply.body) - reply.missing])
                else:
                    self.write_pieces(reply.body)
                self.close_connection = self.close_connection or bool(reply.missing)
            except BreakOff:
                self.close_connection = True
            except OSError:
                # The client left, which is its right.
                self.close_connection = True
            except Exception:
                cloud.remember(traceback.format_exc())
                self.close_connection = True

        def write_pieces(self, stream):
            count = 0
            for payload in stream:
                while payload:
                    size = PIECES[count % len(PIECES)]
                    count += 1
                    piece, payload = payload[:size], payload[size:]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_):
            pass

    return Handler
