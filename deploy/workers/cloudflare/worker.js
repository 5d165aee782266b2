// Forebay as a Worker. The component decides; this performs what it asks for: it fetches, reads,
// keeps values (stores.js), and writes the answer piece by piece.
//
// One instance serves many requests at a time, in turns that never wait. After a trap it is
// thrown away with the exchanges in it, and the next request gets a new one.
import { instantiate } from "./edge.js";
import modules from "./modules.js";
import * as cli from "./cli.js";
import * as clocks from "./clocks.js";
import * as io from "./io.js";
import * as random from "./random.js";
import { Stores } from "./stores.js";

/** A client's body up to this size is read at once, which costs less than a stream of it. */
const SMALL = 64 * 1024;

let bindings = {};

/** The instance, and whether it trapped: then nothing in it is called again. */
let edge;

function variable(name) {
  const value = bindings[name] ?? bindings[name.toUpperCase()];
  return typeof value === "string" ? value : undefined;
}

function component() {
  edge ??= { trapped: false, exports: instantiate((name) => modules[name], {
    "forebay:shell/variables": {
      get: variable,
    },
    "wasi:cli/environment": cli.environment,
    "wasi:cli/exit": cli.exit,
    "wasi:cli/stderr": cli.stderr,
    "wasi:cli/stdin": cli.stdin,
    "wasi:cli/stdout": cli.stdout,
    "wasi:cli/terminal-input": cli.terminalInput,
    "wasi:cli/terminal-output": cli.terminalOutput,
    "wasi:cli/terminal-stderr": cli.terminalStderr,
    "wasi:cli/terminal-stdin": cli.terminalStdin,
    "wasi:cli/terminal-stdout": cli.terminalStdout,
    "wasi:clocks/monotonic-clock": clocks.monotonicClock,
    "wasi:clocks/wall-clock": clocks.wallClock,
    "wasi:io/error": io.error,
    "wasi:io/poll": io.poll,
    "wasi:io/streams": io.streams,
    "wasi:random/insecure-seed": random.insecureSeed,
    "wasi:random/random": random.random,
  }) };
  return edge;
}

const ok = (val) => ({ tag: "ok", val });
const err = (val) => ({ tag: "err", val });

/** A response of this head. */
function respond(head, body) {
  const headers = new Headers();
  for (const [name, value] of head.headers) headers.append(name, value);
  const bare = head.status === 204 || head.status === 304;
  return new Response(bare ? null : body, { status: head.status, headers });
}

class Exchange {
  constructor(request, env) {
    this.edge = component();
    this.stores = new Stores(env.FOREBAY, variable, () => caches.default);
    this.bodies = new Map([[0, request.body]]);
    this.small = Number(request.headers.get("content-length") ?? Infinity) <= SMALL ? request : undefined;
    this.readers = new Map();
    this.aborts = new Map();
    this.happened = [];
    this.running = false;
    this.over = false;
    this.response = new Promise((resolve) => (this.answer = resolve));
    this.finished = new Promise((resolve) => (this.finish = resolve));
    this.request = request;
    request.signal?.addEventListener("abort", () => this.happen({ tag: "gone" }));
  }

  /** Takes note of what happened and takes a turn. */
  happen(happening) {
    this.happened.push(happening);
    this.turn();
  }

  turn() {
    if (this.running || this.over) return;
    this.running = true;
    try {
      for (;;) {
        const { effects, wake, done } = this.step();
        this.perform(effects);
        if (done) return this.finishUp();
        if (this.happened.length === 0) {
          clearTimeout(this.timer);
          if (wake !== undefined) this.timer = setTimeout(() => this.turn(), wake);
          return;
        }
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.running = false;
    }
  }

  step() {
    if (this.edge.trapped) throw new Error("the instance trapped in another request");
    try {
      this.inner ??= this.begin();
      return this.inner.step(this.happened.splice(0));
    } catch (error) {
      // Its memory can't be trusted any longer.
      this.edge.trapped = true;
      if (edge === this.edge) edge = undefined;
      throw error;
    }
  }

  begin() {
    const { method, url, headers } = this.request;
    const { pathname, search } = new URL(url);
    return new this.edge.exports.exchange.Exchange(method, pathname + search, [...headers]);
  }

  finishUp() {
    this.over = true;
    clearTimeout(this.timer);
    this.inner[Symbol.dispose ?? Symbol.for("dispose")]?.();
    this.finish();
  }

  fail(error) {
    console.error(JSON.stringify({ level: "error", message: `an exchange failed: ${error?.message}` }));
    this.over = true;
    clearTimeout(this.timer);
    for (const abort of this.aborts.values()) abort.abort();
    this.onStream((stream) => stream.error(new Error("the gateway failed")));
    const message = "a part of this gateway failed; the request can be sent again";
    const body = { error: { message, type: "server_error", param: null, code: "internal_error" } };
    this.answer(Response.json(body, { status: 500, headers: { "cache-control": "private, no-store" } }));
    this.finish();
  }

  perform(effects) {
    // An answer that begins and ends in one turn needs no stream.
    const whole = effects.findIndex(({ tag }) => tag === "end");
    const head = effects.findIndex(({ tag }) => tag === "head");
    if (head >= 0 && whole > head) {
      const pieces = effects.slice(head, whole).filter(({ tag }) => tag === "chunk");
      const body = pieces.length === 1 ? pieces[0].val : new Blob(pieces.map(({ val }) => val));
      this.answer(respond(effects[head].val, pieces.length === 0 ? null : body));
      effects.splice(head, whole - head + 1);
    }
    for (const { tag, val } of effects) this[tag](val);
  }

  async fetch({ id, method, url, headers, body, connect }) {
    const abort = new AbortController();
    this.aborts.set(id, abort);
    const fields = new Headers();
    for (const [name, value] of headers) {
      if (name !== "content-length" && name !== "host") fields.append(name, value);
    }
    try {
      const response = await fetch(url, {
        method,
        headers: fields,
        body: method === "GET" || method === "HEAD" ? undefined : body,
        redirect: "manual",
        signal: abort.signal,
      });
      this.bodies.set(id, response.body);
      this.happen({
        tag: "fetched",
        val: [id, ok({ status: response.status, headers: [...response.headers] })],
      });
    } catch (error) {
      // Which stage failed is not told; the words are all there is.
      const detail = String(error?.message ?? error);
      const stage = /refused|resolve|DNS|connect/i.test(detail) ? "connect" : "reset";
      this.happen({ tag: "fetched", val: [id, err({ stage, detail })] });
    }
  }

  async read(id) {
    if (id === 0 && this.small) return this.readSmall();
    let reader = this.readers.get(id);
    if (!reader) {
      const body = this.bodies.get(id);
      if (!body) return this.later({ tag: "piece", val: [id, ok(undefined)] });
      reader = body.getReader();
      this.readers.set(id, reader);
    }
    try {
      const { value, done } = await reader.read();
      this.happen({ tag: "piece", val: [id, ok(done ? undefined : value)] });
    } catch (error) {
      this.happen({ tag: "piece", val: [id, err(String(error?.message ?? error))] });
    }
  }

  async readSmall() {
    const request = this.small;
    this.small = undefined;
    this.bodies.delete(0);
    try {
      const bytes = new Uint8Array(await request.arrayBuffer());
      this.happen({ tag: "piece", val: [0, ok(bytes)] });
    } catch (error) {
      this.happen({ tag: "piece", val: [0, err(String(error?.message ?? error))] });
    }
  }

  cancel(id) {
    this.aborts.get(id)?.abort();
    this.readers.get(id)?.cancel().catch(() => {});
    this.aborts.delete(id);
    this.readers.delete(id);
    this.bodies.delete(id);
  }

  async get([id, key]) {
    try {
      this.happen({ tag: "got", val: [id, ok(await this.stores.get(key))] });
    } catch (error) {
      this.happen({ tag: "got", val: [id, err(String(error?.message ?? error))] });
    }
  }

  async put({ id, key, value, keep }) {
    try {
      await this.stores.put(key, value, keep);
      this.happen({ tag: "written", val: [id, ok()] });
    } catch (error) {
      this.happen({ tag: "written", val: [id, err(String(error?.message ?? error))] });
    }
  }

  head(head) {
    const fields = head.headers.filter(([name]) => name !== "content-length");
    const body = new ReadableStream(
      {
        start: (controller) => (this.stream = controller),
        // Asked for more: the piece before has been taken.
        pull: () => {
          if (!this.waiting) return;
          this.waiting = false;
          this.happen({ tag: "taken" });
        },
        cancel: () => this.happen({ tag: "gone" }),
      },
      { highWaterMark: 1 },
    );
    this.answer(respond({ status: head.status, headers: fields }, body));
  }

  chunk(piece) {
    this.onStream((stream) => {
      stream.enqueue(piece);
      if (stream.desiredSize > 0) this.later({ tag: "taken" });
      else this.waiting = true;
    });
  }

  end() {
    this.onStream((stream) => stream.close());
  }

  abort() {
    this.onStream((stream) => stream.error(new Error("the answer broke off")));
  }

  /** Does it to the answer's stream, unless the client has cancelled that. */
  onStream(act) {
    try {
      if (this.stream) act(this.stream);
    } catch {
      this.later({ tag: "gone" });
    }
  }

  pass({ id, head }) {
    this.answer(respond(head, this.bodies.get(id)));
  }

  /** For the turn that is running. */
  later(happening) {
    this.happened.push(happening);
    if (!this.running) this.turn();
  }
}

export default {
  async fetch(request, env, context) {
    bindings = env;
    const exchange = new Exchange(request, env);
    exchange.turn();
    context.waitUntil(exchange.finished);
    return exchange.response;
  },
};
