// A proxy of chat completions that is not Forebay: private values leave it as placeholders and come
// back as what they were, whole or streamed.
import { instantiate } from "../build/mask.js";
import modules from "../build/modules.js";
import { wasi } from "../build/wasi.js";
import { failure, isChat, mask, refusal, restore, restored } from "./chat.js";

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

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return failure(405, "use POST");
    const body = await request.json().catch(() => undefined);
    if (!isChat(body)) return failure(400, "the body is not a chat request for one choice");
    let exchange;
    try {
      exchange = exchangeFor(request, env);
      mask(exchange, body);
    } catch (error) {
      return refusal(reasonOf(error));
    }
    const { pathname } = new URL(request.url);
    const headers = { "content-type": "application/json" };
    const answer = await fetch(env.upstream + pathname, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) return answer;
    if (body.stream) return new Response(answer.body.pipeThrough(restored(exchange, reasonOf)), { headers: { "content-type": "text/event-stream" } });
    const whole = await answer.json();
    try {
      restore(exchange, whole);
    } catch (error) {
      return refusal(reasonOf(error));
    }
    return Response.json(whole);
  },
};
