"""What can go wrong with an edge, provoked on one platform: each function takes a Case, provokes its
fault, and checks what the client and the log are told."""

import contextlib
import dataclasses
import pathlib
import re
import shutil
import socket
import subprocess
import threading

import httpx
import pytest

import redis_wire
from edges import STAND_IN, WORKER, Edge, ask, needs, on, up

TEXT = [{"role": "user", "content": "hi"}]
# Paths of three formats, a request to each, and where each has an error's message.
DIALECTS = {
    "/v1/chat/completions": ({"model": "m", "messages": TEXT}, lambda body, _: body["error"]["message"]),
    "/v1/messages": ({"model": "m", "max_tokens": 9, "messages": TEXT}, lambda body, _: {"error": body["error"]["message"]}[body["type"]]),
    "/v1beta/models/m:generateContent": ({"contents": [{"parts": [{"text": "hi"}]}]}, lambda body, status: {status: body["error"]["message"]}[body["error"]["code"]]),
}
# What an edge takes unless `limits.body` says otherwise, and what Cloudflare's own front lets through
# to a Worker; the runtimes here have no limit of their own.
OURS, THEIRS = 8 << 20, 100 << 20
# A wait for a store ends after half a second; the rest is a busy machine's.
PATIENCE = 5
# Enough for an instance, too little for one with a request of 6 MB.
LITTLE_MEMORY = 8 << 20


@dataclasses.dataclass
class Case:
    """A platform with an upstream, a release and a folder of its own."""

    platform: str
    engine: object
    release: pathlib.Path
    misbehaving: pathlib.Path
    folder: pathlib.Path

    def words(self, release=None):
        """The command that serves, and what it says before its address."""
        return on(self.platform, self.engine, release or self.release, self.folder)

    def up(self, *options, edit=lambda manifest: manifest):
        """An edge under `spin up`, with options or an edited manifest."""
        return Edge(up(self.engine.url, self.release, self.folder, *options, edit=edit), "Serving")

    def up_before(self, store, *options):
        """An edge under `spin up` before a Redis at this address."""
        config = self.folder / "runtime.toml"
        config.write_text(f'[key_value_store.default]\ntype = "redis"\nurl = "{store}"\n')
        return self.up("--runtime-config-file", config, *options)


def refused(edge, path, status=500, **request):
    """The message that a client of this path gets."""
    body, message = DIALECTS[path]
    answer = httpx.post(f"{edge.url}{path}", timeout=30, **(request or {"json": body}))
    assert answer.status_code == status, answer.text
    return message(answer.json(), status)


# A variable is not set.


def without(words, folder, name):
    """The same command with one variable less."""
    file = folder / "fastly.toml"
    if file in words:
        text = file.read_text()
        assert name in text
        file.write_text(re.sub(rf"(?m)^{name} = .*$", "", text))
    at = [at for at, word in enumerate(words) if f"{name}=" in str(word)]
    kept = [word for n, word in enumerate(words) if n not in at]
    # Where the value is an argument of its own, so was its option.
    return [word for n, word in enumerate(kept) if word != "--var" or "=" in str(kept[n + 1])]


def variable_is_named_to_every_client(case):
    words, mark = case.words()
    name = "forebay_master"
    with Edge(without(words, case.folder, name), mark) as edge:
        for path in DIALECTS:
            assert f"the variable `{name}` is not set" in refused(edge, path)
        edge.logged(rf'"level":"error".*`{name}` is not set')


def variable_is_named_at_the_start(case):
    words = up(case.engine.url, case.release, case.folder)
    at = words.index("master=sixteen bytes or more")
    ended = subprocess.run(words[: at - 1] + words[at + 1 :], capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "master" in ended.stderr


# The release is of another version.


def release_asks_to_be_baked_again(case):
    """Runs a copy of the release as another version would have baked it."""
    copied = case.folder / "release"
    shutil.copytree(case.release, copied)
    files = [*copied.glob("edge-*.wasm"), copied / "release.wasm"]
    assert len(files) == 4
    for file in files:
        bytes_ = file.read_bytes()
        form = re.search(rb'"schema":(\d)', bytes_)
        file.write_bytes(bytes_[: form.start(1)] + b"9" + bytes_[form.end(1) :])
    words, mark = case.words(copied)
    with Edge(words, mark) as edge:
        for path in DIALECTS:
            assert "run `forebay bake` again with this version" in refused(edge, path)
        edge.logged(r'"level":"error".*have version 9')


# No store is bound.


def no_store_is_a_warning(case):
    words, mark = case.words()
    if case.platform == "spin-up":
        manifest = case.folder / "spin.toml"
        manifest.write_text(manifest.read_text().replace('key_value_stores = ["default"]', "key_value_stores = []"))
        said = "key_value_stores in spin.toml"
    elif case.platform == "worker":
        words, said = [*words, "--no-store"], "no KV namespace is bound as FOREBAY"
    else:
        file = case.folder / "fastly.toml"
        file.write_text(file.read_text().replace("forebay = []", "other = []"))
        said = "KV store `forebay` is not linked"
    with Edge(words, mark) as edge:
        assert ask(edge).status_code == 200
        edge.logged(rf'"level":"warn".*{said}')


def no_store_is_refused_at_the_start(case):
    words, mark = case.words()
    with pytest.raises(RuntimeError, match="wasi:keyvalue"):
        Edge([word for word in words if word != "-Skeyvalue"], mark)


# The store fails or is silent.


def store_that_refuses_connections(case):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with case.up_before(f"redis://127.0.0.1:{bound.getsockname()[1]}") as edge:
            answer = ask(edge)
            edge.logged('"level":"warn"')
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < PATIENCE


def store_that_never_answers(case):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with case.up_before(f"redis://127.0.0.1:{silent.getsockname()[1]}") as edge:
            answer = ask(edge)
            edge.logged('"level":"warn"')
    assert answer.status_code == 200
    # The store's own limit is 5 s and a request's 10 min: the edge waits half a second to read.
    assert answer.elapsed.total_seconds() < PATIENCE


def before_kv(case, script):
    """An edge in workerd whose KV namespace does this."""
    words, mark = case.words()
    folder = case.folder / "worker"
    shutil.copytree(WORKER, folder, ignore=shutil.ignore_patterns("node_modules", ".wrangler"))
    (folder / "node_modules").symlink_to((WORKER / "node_modules").resolve())
    (folder / "kv.js").write_text(f"let last, told = 0;\nexport default {{ async fetch(request) {{ {script} }} }};\n")
    return Edge([folder / "serve.mjs" if str(word).endswith("serve.mjs") else word for word in words], mark)


def misses(edge):
    """Each request asks for something else: the instance's own cache would answer before the store."""
    for seed in range(6):
        answer = ask(edge, seed=seed)
        assert answer.status_code == 200, answer.text
        assert "fwd=uri-miss" in answer.headers["cache-status"]
        assert answer.elapsed.total_seconds() < PATIENCE


def namespace_that_fails(case):
    with before_kv(case, 'return new Response("out of order", { status: 500 });') as edge:
        misses(edge)
        edge.logged('"level":"warn"')


def namespace_that_hangs(case):
    with before_kv(case, "await new Promise((resolve) => setTimeout(resolve, 60_000));") as edge:
        misses(edge)
        edge.logged('"level":"warn"')


# An entry is damaged.


def namespace_that_lies(case):
    """It gives, one after another, half of what was written for another key, all of it, and no entry."""
    script = """
        if (request.method === "PUT") {
            last = await request.arrayBuffer();
            return new Response(null, { status: 204 });
        }
        if (!last) return new Response(null, { status: 404 });
        const lies = [last.slice(0, last.byteLength / 2), last, "of another program"];
        return new Response(lies[told++ % lies.length]);"""
    with before_kv(case, script) as edge:
        misses(edge)


def torn(values):
    return {key: value[: len(value) // 2] for key, value in values.items()}


def foreign(values):
    return {key: b"of another program" for key in values}


def exchanged(values):
    keys = sorted(values)
    return dict(zip(keys, [values[key] for key in keys[1:] + keys[:1]], strict=True))


def of_a_later_form(values):
    return {key: bytes([255]) + value[1:] for key, value in values.items()}


def damaged_entries_are_written_anew(case):
    needs("redis-server")

    def until_hit():
        # An answer is stored just after its client has it.
        for _ in range(40):
            answer = ask(edge)
            assert answer.status_code == 200, answer.text
            if "hit" in answer.headers["cache-status"]:
                return answer.json()["choices"]
        raise AssertionError("it is never a hit")

    with redis_wire.serving(case.folder) as redis, case.up_before(redis.url, "--max-instance-reuse-count", "1") as edge:
        good = until_hit()
        ask(edge, seed=2)
        for damage in (torn, foreign, exchanged, of_a_later_form):
            values = {key: redis.ask("GET", key) for key in redis.ask("KEYS", "*")}
            assert len(values) > 1
            for key, value in damage(values).items():
                redis.ask("SET", key, value)
            answer = ask(edge)
            assert answer.status_code == 200, answer.text
            assert "fwd=uri-miss" in answer.headers["cache-status"], damage
            assert answer.json()["choices"] == good
            assert until_hit() == good


# The upstream is not allowed.


def upstream_outside_the_manifest(case):
    with case.up(edit=lambda manifest: manifest.replace('["{{ upstream }}"]', '["https://elsewhere.example"]')) as edge:
        for path in DIALECTS:
            assert "allowed_outbound_hosts" in refused(edge, path, 502)


def before_viceroy(case, declared, upstream=None):
    """The command for Viceroy with this table of declared backends."""
    words, mark = case.words()
    file = case.folder / "fastly.toml"
    text = file.read_text().replace(f'"{case.engine.url}"', f'"{upstream or case.engine.url}"')
    name, url = declared
    file.write_text(f'{text}\n[local_server.backends."{name}"]\nurl = "{url}"\n')
    return Edge(words, mark)


def upstream_without_a_backend(case):
    # Viceroy always has dynamic backends. It refuses one whose name is taken, which is refused alike.
    with before_viceroy(case, ("forebay-0", "http://127.0.0.1:9")) as edge:
        authority = case.engine.url.removeprefix("http://")
        for path in DIALECTS:
            assert f"declare a backend named `{authority}`" in refused(edge, path, 502)


# A body is too large.


def body_over_our_limit(case):
    words, mark = case.words()
    with Edge(words, mark) as edge:
        for path in DIALECTS:
            for body in (b" " * (OURS + 1), iter([b" " * OURS, b" "])):
                assert "limits.body" in refused(edge, path, 413, content=body, headers={"content-type": "application/json"})
        assert ask(edge).status_code == 200


def sent(edge, size, announced):
    """What a client reads while it sends a body of this size, whole or in chunks, to the end or to
    the connection's."""
    host, port = edge.url.removeprefix("http://").split(":")
    kind = f"content-length: {size}" if announced else "transfer-encoding: chunked"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{kind}\r\nconnection: close\r\n\r\n"
    piece = b" " * (1 << 20)
    framed = piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece)
    read = []

    def reading():
        with contextlib.suppress(OSError):
            while got := connection.recv(1 << 16):
                read.append(got)

    with socket.create_connection((host, int(port)), timeout=60) as connection:
        reader = threading.Thread(target=reading)
        reader.start()
        # A gateway that has said no may close before it has all.
        with contextlib.suppress(OSError):
            connection.sendall(head.encode())
            for _ in range(size // len(piece)):
                connection.sendall(framed)
            connection.sendall(b"" if announced else b"0\r\n\r\n")
        reader.join(60)
    return b"".join(read).decode()


def body_over_a_platforms_limit(case):
    words, mark = case.words()
    with Edge(words, mark) as edge:
        for announced in (True, False):
            told = sent(edge, THEIRS + (1 << 20), announced)
            # A connection that ends under what is still being sent may take the answer with it.
            assert not told or "limits.body" in told, told[:500]
            assert ask(edge).status_code == 200


# An instance ends.


def told(edge, model):
    """Status of a request for this model."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "temperature": 0}
    return httpx.post(f"{edge.url}/v1/chat/completions", json=body, timeout=30).status_code


def trap_ends_its_request_alone(case):
    words, mark = case.words(case.misbehaving)
    with Edge(words, mark) as edge:
        assert told(edge, "forebay-sim") == 200
        for _ in range(3):
            assert told(edge, "trap") >= 500
            assert told(edge, "forebay-sim") == 200


def memory_runs_out(case):
    option = {"spin-up": f"--max-instance-memory={LITTLE_MEMORY}", "wasmtime": f"-Wmax-memory-size={LITTLE_MEMORY}"}
    words, mark = case.words()
    # After the verb: wasmtime takes what comes after the component as its arguments.
    after = next(at for at, word in enumerate(words) if word in ("serve", "up", STAND_IN))
    with Edge([*words[: after + 1], option[case.platform], *words[after + 1 :]], mark) as edge:
        assert ask(edge).status_code == 200
        large = {"model": "forebay-sim", "messages": [{"role": "user", "content": "x" * 6_000_000}]}
        answer = httpx.post(f"{edge.url}/v1/chat/completions", json=large, timeout=30)
        assert answer.status_code in (500, 503)
        assert ask(edge).status_code == 200
