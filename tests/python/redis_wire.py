"""A real Redis on a free port, and its commands in its own protocol: what a test needs and no more."""

import contextlib
import socket
import subprocess

from edges import PATH


class Redis:
    """Commands of one connection; answers are bytes, numbers, lists or None."""

    def __init__(self, port):
        self.url = f"redis://127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.stream = self.socket.makefile("rb")

    def ask(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self.read()

    def read(self):
        line = self.stream.readline().rstrip()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        value = self.stream.read(int(rest))
        self.stream.read(2)
        return value


@contextlib.contextmanager
def serving(folder):
    """A server whose data ends with the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PATH": PATH})
    try:
        assert any("Ready to accept connections" in line for line in server.stdout)
        yield Redis(port)
    finally:
        server.terminate()
        server.wait(20)
