// A proxy of chat completions as a Spin app that is not Forebay: private values leave it as
// placeholders and come back as what they were, whole or streamed.
import { Exchange } from "forebay:mask/mask@0.2.0";
import { get } from "wasi:config/store@0.2.0-draft-2024-09-27";
import { failure, isChat, mask, refusal, restore, restored } from "../../worker-guardrails/src/chat.js";

/** The largest prompt, in bytes. */
const LIMIT = 4 << 20;

/** An error of the component's interface carries a reason, with a code and a detail. */
function reasonOf(error) {
  const reason = error?.payload ?? error;
  if (typeof reason?.detail === "string") return reason;
  console.error(`the guard rules failed: ${error?.message}`);
  return { code: "internal_error", detail: "the guard rules could not be applied" };
}

/** One request and its answer. The rules see the tenant `app`, and the path as the route. */
function exchangeFor(route) {
  const secret = new TextEncoder().encode(get("mask_secret") ?? "");
  return new Exchange({ tenant: "app", key: "app", route }, secret);
}

/** A body's text; nothing when it is over the limit. */
async function read(body) {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (const reader = body.getReader(); ; ) {
    const { value, done } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > LIMIT) return undefined;
    text += decoder.decode(value, { stream: true });
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function proxy(request) {
  if (request.method !== "POST") return failure(405, "use POST");
  const text = await read(request.body);
  if (text === undefined) return failure(413, "the body is too large");
  const body = parsed(text);
  if (!isChat(body)) return failure(400, "the body is not a chat request for one choice");

  const { pathname } = new URL(request.url);
  let exchange;
  try {
    exchange = exchangeFor(pathname);
    mask(exchange, body);
  } catch (error) {
    return refusal(reasonOf(error));
  }
  const sent = JSON.stringify(body);
  // Not every model takes a body in chunks.
  const headers = { "content-type": "application/json", "content-length": String(new TextEncoder().encode(sent).length) };
  let answer;
  try {
    answer = await fetch(get("upstream") + pathname, { method: "POST", headers, body: sent });
  } catch (error) {
    console.error(`the model can't be asked: ${error?.message}`);
    return failure(502, "the model can't be reached");
  }
  if (!answer.ok) return new Response(answer.body, { status: answer.status, headers: { "content-type": "application/json" } });
  if (body.stream) {
    return new Response(answer.body.pipeThrough(restored(exchange, reasonOf)), { headers: { "content-type": "text/event-stream" } });
  }
  const whole = parsed(await answer.text());
  if (whole === undefined) return failure(502, "the model's answer is not JSON");
  try {
    restore(exchange, whole);
  } catch (error) {
    return refusal(reasonOf(error));
  }
  return Response.json(whole);
}

addEventListener("fetch", (event) => event.respondWith(proxy(event.request)));
