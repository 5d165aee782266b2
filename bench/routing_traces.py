"""Traces of traffic that public traces lack, for `forebay simulate`: hot prompts, bursts, siblings.

    python bench/routing_traces.py FOLDER
    forebay simulate --trace FOLDER/bursts.jsonl --cache-tokens 2400000 --speed 0.5 --policy all

Each is in Mooncake's format, with blocks of 512 tokens, and the same with every run.
"""

import json
import math
import random
import sys
from pathlib import Path

BLOCK = 512


class Trace:
    def __init__(self, seed):
        self.rng, self.blocks, self.requests = random.Random(seed), 0, []

    def fresh(self, count):
        self.blocks += count
        return list(range(self.blocks - count, self.blocks))

    def ask(self, at, chain, tail, output):
        ids = list(chain)
        tokens = len(ids) * BLOCK + tail
        if tail > 0:
            ids += self.fresh(1)
        self.requests.append((at * 1000, max(1, tokens), max(1, output), ids))

    def about(self, median, sigma):
        return self.rng.lognormvariate(math.log(median), sigma)

    def popular(self, count):
        weights = [1 / (place + 1) for place in range(count)]
        return self.rng.choices(range(count), weights)[0]

    def write(self, path):
        self.requests.sort(key=lambda request: request[0])
        with path.open("w") as file:
            for at, tokens, output, ids in self.requests:
                line = {"timestamp": int(at), "input_length": tokens, "output_length": output, "hash_ids": ids}
                file.write(json.dumps(line) + "\n")


def hot(prompts, blocks, rate, seconds, tail, output=200):
    """Few long system prompts, and short questions that differ."""
    trace, at = Trace(1), 0
    begins = [trace.fresh(blocks) for _ in range(prompts)]
    while at < seconds:
        at += trace.rng.expovariate(rate)
        chain = begins[trace.popular(prompts)]
        tokens = max(1, int(trace.about(tail, 0.9)))
        trace.ask(at, chain + trace.fresh(tokens // BLOCK), tokens % BLOCK, int(trace.about(output, 0.8)))
    return trace


def mixed(prompts, blocks, rate, others, seconds, burst=1, tail=1500):
    """Hot prompts, one by one or in bursts, beside conversations that grow."""
    trace, at, live = Trace(3), 0, []
    begins = [trace.fresh(blocks) for _ in range(prompts)]
    while at < seconds:
        at += trace.rng.expovariate(rate / burst)
        chain = begins[trace.popular(prompts)]
        for _ in range(burst):
            tokens = max(1, int(trace.about(tail, 0.9)))
            when = at + trace.rng.random() * 0.5 * (burst > 1)
            trace.ask(when, chain + trace.fresh(tokens // BLOCK), tokens % BLOCK, int(trace.about(250, 0.8)))
    at = 0
    while at < seconds:
        at += trace.rng.expovariate(others)
        if live and trace.rng.random() < 0.6:
            chain = trace.rng.choice(live[-200:])
            chain += trace.fresh(max(1, int(trace.about(4, 1))))
        else:
            chain = trace.fresh(max(1, int(trace.about(10, 1))))
            live.append(chain)
        trace.ask(at, chain, trace.rng.randrange(1, BLOCK), int(trace.about(250, 0.8)))
        if len(chain) > 150:
            live = [other for other in live if other is not chain]
    return trace


def siblings(context, fan, every, seconds, spread):
    """Agents that ask for several things at once, in rounds, each time with the same context."""
    trace, at = Trace(1), 0
    while at < seconds:
        at += trace.rng.expovariate(1 / every)
        chain = trace.fresh(max(4, int(trace.about(context, 0.5))))
        when = at
        for _ in range(6):
            for _ in range(trace.rng.randint(max(1, fan // 2), fan * 3 // 2)):
                tokens = int(trace.about(700, 0.6))
                start = when + trace.rng.random() * spread
                trace.ask(start, chain + trace.fresh(tokens // BLOCK), tokens % BLOCK, int(trace.about(250, 0.8)))
            when += trace.about(20, 0.5)
            chain = chain + trace.fresh(trace.rng.randint(1, 8))
    return trace


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    traces = {
        "hot-prompts": hot(8, 60, 20, 400, 1500),
        "hot-prompts-busy": hot(8, 60, 40, 300, 3000, output=100),
        "hot-beside-conversations": mixed(4, 60, 10, 7, 600),
        "bursts": mixed(6, 40, 8, 7, 600, burst=40),
        "short-bursts": mixed(6, 10, 20, 7, 600, burst=60, tail=600),
        "siblings": siblings(40, 10, 10, 600, 0.0),
        "siblings-light": siblings(40, 8, 40, 1800, 0.1),
    }
    for name, trace in traces.items():
        trace.write(folder / f"{name}.jsonl")


main()
