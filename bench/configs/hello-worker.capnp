# The Worker that says hello, or passes on, in plain workerd.
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:LISTEN_PORT", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "hello-worker.js", esModule = embed "hello-worker.js")],
  bindings = [BINDINGS],
  compatibilityDate = "2026-04-01",
);
