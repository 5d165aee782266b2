// Forebay as a Worker. The component decides; this performs what it asks for: it fetches, reads,
// keeps values (stores.js), and writes the answer piece by piece.
//
// One instance serves many requests at a time, in turns that never wait. After a trap it is
// thrown away with the exchanges in it, and the next request gets a new one.
import { instantiate } from "./edge.js";
import modules from "./modules.js";
import { Stores } from "./stores.js";
import { wasi } from "./wasi.js";

/** A body up to this size is read at once, which costs less than a stream of it. */
const SMALL = 64 * 1024;

/** How many milliseconds a client's small body may take until its exchange begins without it. */
const PATIENCE = 1000;

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
    ...wasi,
  }) };
  return edge;
}

const ok = (val) => ({ tag: "ok", val });
const err = (val) => ({ tag: "err", val });

/** Header fields of lines, as an array of names and values. */
function fields(lines) {
  const all = [];
  let from = 0;
  for (let end; (end = lines.indexOf("\n", from)) >= 0; from = end + 1) {
    const colon = lines.indexOf(":", from);
    all.push([lines.slice(from, colon), lines.slice(colon + 1, end)]);
  }
  return all;
}

/** Header fields as lines. */
function lines(headers) {
  let text = "";
  for (const [name, value] of headers) text += `${name}:${value}\n`;
  return text;
}

/** A response of this status with these header fields. */
function respond(status, headers, body) {
  const bare = status === 204 || status === 304;
  return new Response(bare ? null : body, { status, headers });
}

/** A piece of a body, or its end. */
const piece = (id, bytes) => ({ tag: "piece", val: [id, ok(bytes)] });

/** A body that is read when it is asked for. */
class Source {
  constructor(message) {
    this.message = message;
    const { headers } = message;
    const size = headers.get("content-length");
    // What is decoded on its way may be any size.
    this.small = size !== null && size <= SMALL && !headers.has("content-encoding");
  }

  /** All of a small one. */
  whole() {
    return (this.reading ??= this.message.arrayBuffer().then((bytes) => new Uint8Array(bytes)));
  }

  /** The next piece of a large one. */
  next() {
    return (this.reader ??= this.message.body.getReader()).read();
  }

  cancel() {
    this.reader?.cancel().catch(() => {});
  }
}

class Exchange {
  constructor(request, env, context) {
    this.edge = component();
    this.request = request;
    this.env = env;
    this.context = context;
    this.bodies = new Map();
    this.aborts = new Map();
    this.happened = [];
    this.running = false;
    this.over = false;
  }

  /** Begins; gives the answer, or what will be it. */
  async begin() {
    const { body, signal } = this.request;
    if (body) {
      const source = new Source(this.request);
      this.bodies.set(0, source);
      if (source.small) await this.inTime(source.whole());
    }
    this.turn();
    if (this.over) return this.answered;
    // It takes longer than its first turn.
    this.context.waitUntil(new Promise((resolve) => (this.finish = resolve)));
    if (signal?.aborted) this.happen({ tag: "gone" });
    else signal?.addEventListener("abort", () => this.happen({ tag: "gone" }));
    return this.answered ?? new Promise((resolve) => (this.answer = resolve));
  }

  /** Waits for the client's small body, unless it is late or broken: then it is read when it is asked for. */
  inTime(reading) {
    return new Promise((resolve) => {
      const late = setTimeout(resolve, PATIENCE);
      const done = (bytes) => {
        clearTimeout(late);
        this.begun = bytes;
        resolve();
      };
      reading.then(done, () => done());
    });
  }

  /** The answer within the first turn; later it goes to whoever waits for it. */
  answer(response) {
    this.answered ??= response;
  }

  /** Nothing is left to do. */
  finish() {}

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
      return this.inner ? this.inner.step(Date.now(), this.happened.splice(0)) : this.first();
    } catch (error) {
      // Its memory can't be trusted any longer.
      this.edge.trapped = true;
      if (edge === this.edge) edge = undefined;
      throw error;
    }
  }

  first() {
    const { method, url, headers } = this.request;
    const path = url.indexOf("/", url.indexOf("//") + 2);
    const target = path < 0 ? "/" : url.slice(path);
    const body = this.begun;
    if (body) this.bodies.delete(0);
    const { begin } = this.edge.exports.exchange;
    const [turn, inner] = begin(Date.now(), method, target, lines(headers), body);
    this.inner = inner;
    return turn;
  }

  finishUp() {
    this.over = true;
    clearTimeout(this.timer);
    this.inner?.[Symbol.dispose ?? Symbol.for("dispose")]?.();
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
      const { status, headers } = effects[head].val;
      const pieces = effects.filter(({ tag }) => tag === "chunk").map(({ val }) => val);
      const body = pieces.length > 1 ? new Blob(pieces) : (pieces[0] ?? null);
      this.answer(respond(status, fields(headers), body));
      effects = effects.filter(({ tag }) => tag !== "head" && tag !== "chunk" && tag !== "end");
    }
    for (const { tag, val } of effects) this[tag](val);
  }

  async fetch({ id, method, url, headers, body }) {
    const abort = new AbortController();
    this.aborts.set(id, abort);
    const framed = ([name]) => name === "content-length" || name === "host";
    try {
      const response = await fetch(url, {
        method,
        headers: fields(headers).filter((field) => !framed(field)),
        body: method === "GET" || method === "HEAD" ? undefined : body,
        redirect: "manual",
        signal: abort.signal,
      });
      if (response.body) this.bodies.set(id, new Source(response));
      this.happen({
        tag: "fetched",
        val: [id, ok({ status: response.status, headers: lines(response.headers) })],
      });
    } catch (error) {
      // Which stage failed is not told; the words are all there is.
      const detail = String(error?.message ?? error);
      const stage = /refused|resolve|DNS|connect/i.test(detail) ? "connect" : "reset";
      this.happen({ tag: "fetched", val: [id, err({ stage, detail })] });
    }
  }

  async read(id) {
    const source = this.bodies.get(id);
    if (!source) return this.later(piece(id));
    try {
      if (source.small) {
        const bytes = await source.whole();
        this.bodies.delete(id);
        this.happened.push(piece(id, bytes));
        return this.happen(piece(id));
      }
      const { value, done } = await source.next();
      this.happen(piece(id, done ? undefined : value));
    } catch (error) {
      this.happen({ tag: "piece", val: [id, err(String(error?.message ?? error))] });
    }
  }

  cancel(id) {
    this.aborts.get(id)?.abort();
    this.bodies.get(id)?.cancel();
    this.aborts.delete(id);
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

  get stores() {
    return (this.kept ??= new Stores(this.env.FOREBAY, variable, () => caches.default));
  }

  head({ status, headers }) {
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
    const framed = ([name]) => name === "content-length";
    this.answer(respond(status, fields(headers).filter((field) => !framed(field)), body));
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

  pass({ id, head: { status, headers } }) {
    this.answer(respond(status, fields(headers), this.bodies.get(id)?.message.body ?? null));
  }

  /** For the turn that is running. */
  later(happening) {
    this.happened.push(happening);
    if (!this.running) this.turn();
  }
}

export default {
  fetch(request, env, context) {
    bindings = env;
    return new Exchange(request, env, context).begin();
  },
};
