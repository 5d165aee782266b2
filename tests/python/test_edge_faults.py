"""Edges that are set up wrongly, and stores that misbehave: what a client is told, and what the log says.

What a local platform can't be made to do is not here: Viceroy's and wasmtime's stores live in their own memory."""

import re
import shutil
import socket

import httpx
import pytest

import redis_wire
from edges import COMPONENTS, PLATFORMS, WORKER, Edge, ask, engine, needs, on, release, up  # noqa: F401

# Paths of three formats, and where each has an error's message.
DIALECTS = {
    "/v1/chat/completions": lambda body: body["error"]["message"],
    "/v1/messages": lambda body: {"error": body["error"]["message"]}[body["type"]],
    "/v1beta/models/m:generateContent": lambda body: {500: body["error"]["message"]}[body["error"]["code"]],
}


def refused(edge, path):
    """The message that a client of this path gets."""
    answer = httpx.post(f"{edge.url}{path}", json={"model": "m", "messages": []}, timeout=30)
    assert answer.status_code == 500, answer.text
    return DIALECTS[path](answer.json())


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
