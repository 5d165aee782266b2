"""Prefix routing before real engines: hit share from their own counters.

Two vLLM servers with KV events, and the same prompts in the same order by each way in the same run:
through the gateway, through SMG's cache-aware rule where `--peer smg` asks for it, and in turns,
straight to the engines:

    python bench/real_engines.py --forebay target/release/forebay --model FOLDER \\
        --engine http://127.0.0.1:8101 --events tcp://127.0.0.1:5601 --replay tcp://127.0.0.1:5602 \\
        --engine http://127.0.0.1:8102 --events tcp://127.0.0.1:5611 --replay tcp://127.0.0.1:5612

Start each engine with `--enable-prefix-caching --block-size 32` and
`--kv-events-config '{"enable_kv_cache_events": true, "publisher": "zmq", "endpoint": …}'`. SMG comes
from PyPI (`pip install smg`); `--smg` says where its program is.
Between runs the engines' caches are told apart by a word that begins every prompt.

The ceiling is computed: what one engine with room for all would hit, block by block, over the same
prompts in the same order.
"""

import argparse
import json
import random
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

BLOCK = 32


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def post(url, body):
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.loads(answer.read())


def counters(engines):
    """Tokens that were looked up in the engines' prefix caches, and those that were hits."""
    looked, hits = 0.0, 0.0
    for engine in engines:
        for line in get(engine + "/metrics").splitlines():
            name, _, value = line.rpartition(" ")
            if re.match(r"vllm:prefix_cache_queries_total\b", name):
                looked += float(value)
            elif re.match(r"vllm:prefix_cache_hits_total\b", name):
                hits += float(value)
    return looked, hits


def ceiling(prompts, tokens_of):
    """What one engine with room for all would hit."""
    held, looked, hits = set(), 0, 0
    for prompt in prompts:
        tokens = tokens_of(prompt)
        looked += len(tokens)
        whole = len(tokens) // BLOCK
        names = [hash(tuple(tokens[: (n + 1) * BLOCK])) for n in range(whole)]
        usable = (len(tokens) - 1) // BLOCK
        for name in names[:usable]:
            if name not in held:
                break
            hits += BLOCK
        held.update(names)
    return hits / looked


def words(rng, count):
    return " ".join(rng.choice("the a of to in it is on for with as by at from".split()) for _ in range(count))


def shared_prefixes(mark, rng):
    """64 prompts of 8 prefixes, in any order."""
    prefixes = [f"{mark} prefix {n}: {words(rng, 400)}" for n in range(8)]
    prompts = [f"{prefix} question {q}: {words(rng, 20)}" for prefix in prefixes for q in range(8)]
    rng.shuffle(prompts)
    return prompts


def turns(mark, rng, conversations=16, length=6):
    """Conversations with two system prompts, their turns in between each other."""
    systems = [f"{mark} system {n}: {words(rng, 200)}" for n in range(2)]
    said = [systems[n % 2] for n in range(conversations)]
    prompts = []
    for turn in range(length):
        for n in rng.sample(range(conversations), conversations):
            said[n] += f" [{n}.{turn}] {words(rng, 60)}"
            prompts.append(said[n])
    return prompts


def drive(prompts, send, concurrency):
    """Sends the prompts in their order, so many at a time."""
    waiting = iter(list(prompts))
    lock, failed = threading.Lock(), []

    def work():
        while True:
            with lock:
                prompt = next(waiting, None)
            if prompt is None:
                return
            try:
                send(prompt)
            except Exception as error:  # told at the end: one failure spoils the figure
                failed.append(repr(error))

    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"{len(failed)} requests failed: {failed[0]}")


def start(args, rule):
    config = [
        "[policies.cloud_selector.config]",
        f'workers = {{ rule = "{rule}" }}',
        "[[upstreams]]",
        'name = "engines"',
        'provider = "vllm"',
        f"urls = {json.dumps(args.engine)}",
        f'tokenizer = {{ dir = "{args.model}" }}',
        f"kv_events = {{ endpoint = {json.dumps(args.events)}, replay = {json.dumps(args.replay)}, block_size = {BLOCK} }}",
    ]
    folder = Path(tempfile.mkdtemp())
    (folder / "forebay.toml").write_text("\n".join(config) + "\n")
    process = subprocess.Popen(
        [args.forebay, "serve", "--config", str(folder / "forebay.toml"), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
    )
    for line in process.stdout:
        found = re.search(r"http://[0-9.:]+", line)
        if found:
            return process, found[0], folder
    raise SystemExit((folder / "log").read_text())


def start_smg(args):
    """SMG before the same engines, by its cache-aware rule with its defaults."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(str(free.getsockname()[1]))
    command = [args.smg, "launch", "--host", "127.0.0.1", "--port", ports[0]]
    command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", ports[1]]
    command += ["--policy", "cache_aware", "--log-level", "warn", "--worker-urls", *args.engine]
    folder = Path(tempfile.mkdtemp())
    log = (folder / "log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{ports[0]}"
    ask = {"model": args.served, "prompt": "ready?", "max_tokens": 1}
    for _ in range(240):
        # It answers before it has found its workers.
        try:
            post(url + "/v1/completions", ask)
            return process, url
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None:
                break
            time.sleep(0.5)
    process.kill()
    raise SystemExit((folder / "log").read_text())


def measure(args, name, make, way, send):
    """One row: the prompts by one way, and what the engines counted."""
    mark = f"{name} {way} {time.time_ns()}"
    prompts = make(mark, random.Random(7))

    def tokens_of(prompt):
        return post(args.engine[0] + "/tokenize", {"model": args.served, "prompt": prompt})["tokens"]

    best = ceiling(prompts, tokens_of)
    before = counters(args.engine)
    began = time.monotonic()
    drive(prompts, send, args.concurrency)
    took = time.monotonic() - began
    after = counters(args.engine)
    share = (after[1] - before[1]) / max(after[0] - before[0], 1)
    return name, way, share, best, share / best, took


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--forebay", required=True)
    parser.add_argument("--model", required=True, help="the model's folder, for its tokenizer")
    parser.add_argument("--served", default="tiny", help="the model's name at the engines")
    parser.add_argument("--engine", action="append", required=True)
    parser.add_argument("--events", action="append", required=True)
    parser.add_argument("--replay", action="append", required=True)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--rule", default="forebay")
    parser.add_argument("--peer", choices=["smg"], action="append", default=[])
    parser.add_argument("--smg", default="smg", help="SMG's program")
    args = parser.parse_args()

    def through(url):
        def send(prompt):
            body = {"model": args.served, "prompt": prompt, "max_tokens": 4, "temperature": 0}
            post(url() + "/v1/completions", body)

        return send

    places = iter(range(10**9))
    ways = {"in turns": through(lambda: args.engine[next(places) % len(args.engine)])}
    process, gateway, folder = start(args, args.rule)
    started = [process]
    ways["gateway"] = through(lambda: gateway)
    try:
        if "smg" in args.peer:
            peer, url = start_smg(args)
            started.append(peer)
            ways["SMG"] = through(lambda: url)
        print(f"{'prompts':16} {'way':10} {'hit share':>9} {'ceiling':>8} {'of it':>6} {'seconds':>8}")
        for name, make in (("shared prefixes", shared_prefixes), ("turns", turns)):
            for way in sorted(ways):
                name, way, share, best, part, took = measure(args, name, make, way, ways[way])
                print(f"{name:16} {way:10} {share:9.3f} {best:8.3f} {part:6.3f} {took:8.1f}", flush=True)
    finally:
        for process in started:
            process.terminate()
            process.wait(30)
        print("its log:", folder / "log")


main()
