// A proxy of chat completions that is not Forebay: private values leave it as placeholders and come
// back as what they were, whole or streamed.
import { instantiate } from "../build/mask.js";
import modules from "../build/modules.js";
import { wasi } from "../build/wasi.js";

let component;

/** One request and its answer. After a trap the instance is thrown away. */
function exchangeFor(request, env) {
  component ??= instantiate((name) => modules[name], wasi).mask;
  const caller = { tenant: "app", key: "app", route: new URL(request.url).pathname };
  return new component.Exchange(caller, new TextEncoder().encode(env.mask_secret ?? ""));
}

/** The interface's own errors are reasons, with a code and a detail. Anything else is a trap. */
function reasonOf(error) {
  if (typeof error?.detail === "string") return error;
  component = undefined;
  console.error(`the guard rules failed: ${error?.message}`);
  return { code: "internal_error", detail: "the guard rules could not be applied" };
}

function refusal(error) {
  const { code, detail } = reasonOf(error);
  const ours = code === "internal_error" || code === "short-secret";
  const type = ours ? "server_error" : "invalid_request_error";
  return Response.json({ error: { message: detail, type, param: null, code } }, { status: ours ? 500 : 400 });
}

/** The places of a chat request that this app lets a model read, each as a getter and a setter. */
function* places(body) {
  for (const message of body.messages) {
    if (typeof message.content === "string") yield [message, "content"];
    else if (Array.isArray(message.content)) {
      for (const part of message.content) if (typeof part.text === "string") yield [part, "text"];
    }
  }
}

/** A stream of events with the values put back; the last text goes out before the event that ends it. */
function restored(exchange) {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let held = "";
  const event = (data) => encoder.encode(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
  return new TransformStream({
    transform(bytes, out) {
      held += decoder.decode(bytes, { stream: true });
      const events = held.split(/\r?\n\r?\n/);
      held = events.pop();
      try {
        for (const text of events) {
          const data = text.replace(/^data: ?/, "");
          if (data === "[DONE]") {
            out.enqueue(event(data));
            continue;
          }
          const chunk = JSON.parse(data);
          const [choice] = chunk.choices ?? [];
          if (choice) {
            choice.delta ??= {};
            let said = exchange.push(choice.delta.content ?? "");
            if (choice.finish_reason) said += exchange.finish();
            if (said || choice.delta.content !== undefined) choice.delta.content = said;
          }
          out.enqueue(event(chunk));
        }
      } catch (error) {
        const { code, detail } = reasonOf(error);
        out.enqueue(event({ error: { message: detail, code } }));
        out.terminate();
      }
    },
  });
}

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("POST /v1/chat/completions\n", { status: 405 });
    const body = await request.json().catch(() => undefined);
    if (!Array.isArray(body?.messages)) return Response.json({ error: { message: "the body is not a chat request" } }, { status: 400 });
    const found = [...places(body)];
    let exchange;
    try {
      exchange = exchangeFor(request, env);
      const masked = exchange.mask(found.map(([holder, name]) => holder[name]));
      found.forEach(([holder, name], n) => (holder[name] = masked[n]));
    } catch (error) {
      return refusal(error);
    }
    const { pathname } = new URL(request.url);
    const headers = { "content-type": "application/json" };
    const answer = await fetch(env.upstream + pathname, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) return answer;
    if (body.stream) return new Response(answer.body.pipeThrough(restored(exchange)), { headers: { "content-type": "text/event-stream" } });
    const whole = await answer.json();
    try {
      for (const { message } of whole.choices) {
        if (typeof message.content === "string") message.content = exchange.restore(message.content);
      }
    } catch (error) {
      return refusal(error);
    }
    return Response.json(whole);
  },
};
