"""Edges that are set up wrongly, and stores that misbehave: what a client is told, and what the log says.

What a local platform can't be made to do is not here: Viceroy's and wasmtime's stores live in their own memory."""

import contextlib
import json
import re
import select
import shutil
import socket
import threading

import httpx
import pytest

import redis_wire
from edges import COMPONENTS, PLATFORMS, WORKER, Edge, ask, engine, needs, on, release, up  # noqa: F401

TEXT = [{"role": "user", "content": "hi"}]
# Paths of three formats, a request to each, and where each has an error's message.
DIALECTS = {
    "/v1/chat/completions": ({"model": "m", "messages": TEXT}, lambda body, _: body["error"]["message"]),
    "/v1/messages": ({"model": "m", "max_tokens": 9, "messages": TEXT}, lambda body, _: {"error": body["error"]["message"]}[body["type"]]),
    "/v1beta/models/m:generateContent": ({"contents": [{"parts": [{"text": "hi"}]}]}, lambda body, status: {status: body["error"]["message"]}[body["error"]["code"]]),
}


def refused(edge, path, status=500, **request):
    """The message that a client of this path gets."""
    body, message = DIALECTS[path]
    answer = httpx.post(f"{edge.url}{path}", timeout=30, **(request or {"json": body}))
    assert answer.status_code == status, answer.text
    return message(answer.json(), status)


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


@pytest.mark.parametrize("platform", ["wasmtime", "worker", "viceroy"])
def test_a_missing_variable_is_named_to_every_client(platform, engine, release, tmp_path):
    words, mark = on(platform, engine, release, tmp_path)
    name = "forebay_master"
    with Edge(without(words, tmp_path, name), mark) as edge:
        for path in DIALECTS:
            assert f"the variable `{name}` is not set" in refused(edge, path)
        edge.logged(rf'"level":"error".*`{name}` is not set')


def test_a_short_master_secret_is_told_without_its_value(engine, release, tmp_path):
    words, mark = on("wasmtime", engine, release, tmp_path)
    words = [str(word).replace("sixteen bytes or more", "tiny-secret") for word in words]
    with Edge(words, mark) as edge:
        message = refused(edge, "/v1/chat/completions")
        edge.logged("shorter than 16 bytes")
        said = "".join(edge.said)
    assert "shorter than 16 bytes" in message
    assert "tiny-secret" not in message + said


def of_another_version(release, folder):
    """A copy of the release as another version would have baked it."""
    copied = folder / "release"
    shutil.copytree(release, copied)
    changed = 0
    for file in [*copied.glob("edge-*.wasm"), copied / "release.wasm"]:
        bytes_ = file.read_bytes()
        form = re.search(rb'"schema":(\d)', bytes_)
        file.write_bytes(bytes_[: form.start(1)] + b"9" + bytes_[form.end(1) :])
        changed += 1
    assert changed == 4
    return copied


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_release_of_another_version_asks_to_be_baked_again(platform, engine, release, tmp_path):
    words, mark = on(platform, engine, of_another_version(release, tmp_path), tmp_path)
    with Edge(words, mark) as edge:
        for path in DIALECTS:
            assert "run `forebay bake` again with this version" in refused(edge, path)
        edge.logged(r'"level":"error".*have version 9')


def test_wasmtime_without_a_store_does_not_start(engine, release, tmp_path):
    words, mark = on("wasmtime", engine, release, tmp_path)
    with pytest.raises(RuntimeError, match="wasi:keyvalue"):
        Edge([word for word in words if word != "-Skeyvalue"], mark)


@pytest.mark.parametrize("platform", ["spin-up", "worker", "viceroy"])
def test_a_store_that_is_not_bound_is_named_in_the_log(platform, engine, release, tmp_path):
    if platform == "spin-up":
        edit = lambda manifest: manifest.replace('key_value_stores = ["default"]', "key_value_stores = []")  # noqa: E731
        words, mark = up(engine.url, release, tmp_path, edit=edit), "Serving"
        said = "key_value_stores in spin.toml"
    elif platform == "worker":
        words, mark = on(platform, engine, release, tmp_path)
        words, said = [*words, "--no-store"], "no KV namespace is bound as FOREBAY"
    else:
        words, mark = on(platform, engine, release, tmp_path)
        file = tmp_path / "fastly.toml"
        file.write_text(file.read_text().replace("forebay = []", "other = []"))
        said = "KV store `forebay` is not linked"
    with Edge(words, mark) as edge:
        assert ask(edge).status_code == 200
        edge.logged(rf'"level":"warn".*{said}')


def test_a_store_that_refuses_connections_costs_a_warning(engine, release, tmp_path):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = tmp_path / "runtime.toml"
        config.write_text(f'[key_value_store.default]\ntype = "redis"\nurl = "redis://127.0.0.1:{bound.getsockname()[1]}"\n')
        with Edge(up(engine.url, release, tmp_path, "--runtime-config-file", config), "Serving") as edge:
            answer = ask(edge)
            edge.logged('"level":"warn"')
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 5


def before_viceroy(engine, release, folder, declared, upstream=None):
    """The command for Viceroy with this table of declared backends."""
    words, mark = on("viceroy", engine, release, folder)
    file = folder / "fastly.toml"
    text = file.read_text().replace(f'"{engine.url}"', f'"{upstream or engine.url}"')
    name, url = declared
    file.write_text(f'{text}\n[local_server.backends."{name}"]\nurl = "{url}"\n')
    return words, mark


def test_a_declared_backend_of_fastly_serves_its_upstream(engine, release, tmp_path):
    # Nothing else knows this host.
    words, mark = before_viceroy(engine, release, tmp_path, ("engine.invalid", engine.url), "http://engine.invalid")
    with Edge(words, mark) as edge:
        assert ask(edge).status_code == 200


def test_an_upstream_without_a_backend_of_fastly_is_named(engine, release, tmp_path):
    # Viceroy always has dynamic backends. It refuses one whose name is taken, which is refused alike.
    words, mark = before_viceroy(engine, release, tmp_path, ("forebay-0", "http://127.0.0.1:9"))
    with Edge(words, mark) as edge:
        authority = engine.url.removeprefix("http://")
        for path in DIALECTS:
            assert f"declare a backend named `{authority}`" in refused(edge, path, 502)


# What an edge takes unless `limits.body` says otherwise, and what Cloudflare's own front lets through
# to a Worker; the runtimes here have no limit of their own.
OURS, THEIRS = 8 << 20, 100 << 20


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


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_body_over_a_limit_is_told_and_costs_nothing_but_its_request(platform, engine, release, tmp_path):
    words, mark = on(platform, engine, release, tmp_path)
    with Edge(words, mark) as edge:
        for path in DIALECTS:
            for body in (b" " * (OURS + 1), iter([b" " * OURS, b" "])):
                assert "limits.body" in refused(edge, path, 413, content=body, headers={"content-type": "application/json"})
        for announced in (True, False):
            told = sent(edge, THEIRS + (1 << 20), announced)
            # A connection that ends under what is still being sent may take the answer with it.
            assert not told or "limits.body" in told, told[:500]
            assert ask(edge).status_code == 200


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_small_body_that_comes_late_is_served(platform, engine, release, tmp_path):
    words, mark = on(platform, engine, release, tmp_path)
    body = json.dumps({"model": "forebay-sim", "messages": TEXT}).encode()
    with Edge(words, mark) as edge:
        host, port = edge.url.removeprefix("http://").split(":")
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head.encode() + body[:9])
            # Longer than a Worker waits for it before it begins.
            assert not select.select([connection], [], [], 1.5)[0]
            connection.sendall(body[9:])
            told = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert told.startswith(b"HTTP/1.1 200 "), told[:500]


# What a KV namespace does instead of keeping values. The last gives, one after another, half of what
# was written for another key, all of it, and what is no entry.
FAULTS = {
    "fails": 'return new Response("out of order", { status: 500 });',
    "hangs": "await new Promise((resolve) => setTimeout(resolve, 60_000));",
    "lies": """
        if (request.method === "PUT") {
            last = await request.arrayBuffer();
            return new Response(null, { status: 204 });
        }
        if (!last) return new Response(null, { status: 404 });
        const lies = [last.slice(0, last.byteLength / 2), last, "of another program"];
        return new Response(lies[told++ % lies.length]);""",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_kv_namespace_that_misbehaves_is_a_miss(fault, engine, release, tmp_path):
    words, mark = on("worker", engine, release, tmp_path)
    folder = tmp_path / "worker"
    shutil.copytree(WORKER, folder, ignore=shutil.ignore_patterns("node_modules", ".wrangler"))
    (folder / "node_modules").symlink_to((WORKER / "node_modules").resolve())
    (folder / "kv.js").write_text(f"let last, told = 0;\nexport default {{ async fetch(request) {{ {FAULTS[fault]} }} }};\n")
    words = [folder / "serve.mjs" if str(word).endswith("serve.mjs") else word for word in words]
    with Edge(words, mark) as edge:
        # Each asks for something else: the instance's own cache would answer before the store.
        for seed in range(6):
            answer = ask(edge, seed=seed)
            assert answer.status_code == 200, answer.text
            assert "fwd=uri-miss" in answer.headers["cache-status"]
            # Half a second for the store, the rest is a busy machine's.
            assert answer.elapsed.total_seconds() < 5
        if fault != "lies":
            edge.logged('"level":"warn"')


def torn(values):
    return {key: value[: len(value) // 2] for key, value in values.items()}


def foreign(values):
    return {key: b"of another program" for key in values}


def exchanged(values):
    keys = sorted(values)
    return dict(zip(keys, [values[key] for key in keys[1:] + keys[:1]], strict=True))


def of_a_later_form(values):
    return {key: bytes([255]) + value[1:] for key, value in values.items()}


def test_what_is_damaged_in_a_shared_store_is_a_miss_and_is_written_anew(engine, release, tmp_path):
    needs("redis-server")
    with redis_wire.serving(tmp_path) as redis:
        config = tmp_path / "runtime.toml"
        config.write_text(f'[key_value_store.default]\ntype = "redis"\nurl = "{redis.url}"\n')
        options = ["--runtime-config-file", config, "--max-instance-reuse-count", "1"]

        def until_hit():
            # An answer is stored just after its client has it.
            for _ in range(40):
                answer = ask(edge)
                assert answer.status_code == 200, answer.text
                if "hit" in answer.headers["cache-status"]:
                    return answer.json()["choices"]
            raise AssertionError("it is never a hit")

        with Edge(up(engine.url, release, tmp_path, *options), "Serving") as edge:
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
