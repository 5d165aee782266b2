"""Prefix routing before real engines: hit share from their own counters.

Two vLLM servers with KV events, the gateway before them, and the same prompts once through the
gateway and once in turns, straight to the engines:

    python bench/real_engines.py --forebay target/release/forebay --model FOLDER \\
        --engine http://127.0.0.1:8101 --events tcp://127.0.0.1:5601 --replay tcp://127.0.0.1:5602 \\
        --engine http://127.0.0.1:8102 --events tcp://127.0.0.1:5611 --replay tcp://127.0.0.1:5612

Start each engine with `--enable-prefix-caching --block-size 32` and
`--kv-events-config '{"enable_kv_cache_events": true, "publisher": "zmq", "endpoint": …}'`.
Between runs the engines' caches are told apart by a word that begins every prompt.

The ceiling is computed: what one engine with room for all would hit, block by block, over the same
prompts in the same order.
"""

import argparse
import json
import random
import re
import subprocess
import tempfile
import threading
import time
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
    args = parser.parse_args()

    def body(prompt):
        return {"model": args.served, "prompt": prompt, "max_tokens": 4, "temperature": 0}

    def tokens_of(prompt):
        return post(args.engine[0] + "/tokenize", {"model": args.served, "prompt": prompt})["tokens"]

    process, gateway, folder = start(args, args.rule)
    try:
        rows = []
        for name, make in (("shared prefixes", shared_prefixes), ("turns", turns)):
            for way in ("gateway", "in turns"):
                mark = f"{name} {way} {time.time_ns()}"
                prompts = make(mark, random.Random(7))
                best = ceiling(prompts, tokens_of)
                places = iter(range(10**9))

                def straight(prompt):
                    post(args.engine[next(places) % len(args.engine)] + "/v1/completions", body(prompt))

                def through(prompt):
                    post(gateway + "/v1/completions", body(prompt))

                before = counters(args.engine)
                began = time.monotonic()
                drive(prompts, through if way == "gateway" else straight, args.concurrency)
                took = time.monotonic() - began
                after = counters(args.engine)
                share = (after[1] - before[1]) / max(after[0] - before[0], 1)
                rows.append((name, way, share, best, share / best, took))
        print(f"{'prompts':16} {'way':10} {'hit share':>9} {'ceiling':>8} {'of it':>6} {'seconds':>8}")
        for name, way, share, best, part, took in rows:
            print(f"{name:16} {way:10} {share:9.3f} {best:8.3f} {part:6.3f} {took:8.1f}")
    finally:
        process.terminate()
        process.wait(30)
        print("its log:", folder / "log")


main()
