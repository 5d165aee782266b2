// Serves a release in workerd on this machine: `node serve.mjs --release DIR [--var NAME=VALUE]…
// [--listen HOST:PORT]`. Values are kept by kv.js, in memory.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile, copyFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "./transpile.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    release: { type: "string", default: join(here, "../../../target/edge") },
    var: { type: "string", multiple: true, default: [] },
    listen: { type: "string", default: "127.0.0.1:8787" },
    store: { type: "boolean", default: true },
  },
  allowNegative: true,
});

const folder = await mkdtemp(join(tmpdir(), "forebay-worker-"));
const { scripts, modules } = await build(resolve(values.release), folder);
await copyFile(join(here, "kv.js"), join(folder, "kv.js"));
const text = JSON.stringify;
const bindings = values.var.map((pair) => {
  const at = pair.indexOf("=");
  if (at < 1) throw new Error("--var is NAME=VALUE");
  return `(name = ${text(pair.slice(0, at))}, text = ${text(pair.slice(at + 1))})`;
});
if (values.store) bindings.push(`(name = "FOREBAY", kvNamespace = "kv")`);
const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "kv", worker = .kv),
    (name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [(name = "http", address = ${text(values.listen)}, http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [
${scripts.map((name) => `    (name = ${text(name)}, esModule = embed ${text(name)}),`).join("\n")}
${modules.map((name) => `    (name = ${text(name)}, wasm = embed ${text(name)}),`).join("\n")}
  ],
  bindings = [${bindings.join(", ")}],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["enable_request_signal"],
);
const kv :Workerd.Worker = (
  modules = [(name = "kv.js", esModule = embed "kv.js")],
  compatibilityDate = "2026-04-01",
);
`;
await writeFile(join(folder, "config.capnp"), config);

const binary = createRequire(import.meta.url)("workerd").default;
const child = spawn(binary, ["serve", "--control-fd=3", join(folder, "config.capnp")], {
  stdio: ["ignore", "inherit", "inherit", "pipe"],
});
child.stdio[3].on("data", async (data) => {
  // What it serves it has read by now.
  await rm(folder, { recursive: true, force: true });
  for (const line of data.toString().split("\n").filter(Boolean)) {
    const said = JSON.parse(line);
    if (said.event === "listen") {
      const host = values.listen.slice(0, values.listen.lastIndexOf(":"));
      console.log(`forebay worker listening on http://${host}:${said.port}`);
    }
  }
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", async (code) => {
  await rm(folder, { recursive: true, force: true });
  process.exit(code ?? 1);
});
