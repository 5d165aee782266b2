// Chat requests of apps that are not Forebay, whatever serves them: where text stands in a request
// and its answer, an answer's stream with the values put back, and errors in OpenAI's form.

/** Whether this app can take it. One streamed text is put back at a time, so only one choice is asked for. */
export const isChat = (body) => Array.isArray(body?.messages) && (body.n ?? 1) === 1;

/** The places of a chat request that this app lets a model read, each as an object and the name of a member. */
export function* places(body) {
  for (const message of body.messages) {
    if (typeof message?.content === "string") yield [message, "content"];
    else if (Array.isArray(message?.content)) {
      for (const part of message.content) if (typeof part?.text === "string") yield [part, "text"];
    }
  }
}

/** The places of a whole answer. */
export function* answers(body) {
  for (const { message } of body.choices ?? []) if (typeof message?.content === "string") yield [message, "content"];
}

/** The texts of a request, masked in one call. */
export function mask(exchange, body) {
  const found = [...places(body)];
  const masked = exchange.mask(found.map(([holder, name]) => holder[name]));
  found.forEach(([holder, name], n) => (holder[name] = masked[n]));
}

/** The texts of a whole answer, with the values put back. */
export function restore(exchange, body) {
  for (const [holder, name] of answers(body)) holder[name] = exchange.restore(holder[name]);
}

/**
 * A stream of events with the values put back; the last text goes out before the event that ends it.
 * `reasonOf` makes a reason, with a code and a detail, of what was thrown.
 */
export function restored(exchange, reasonOf) {
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

/** An error as OpenAI's clients read it. */
export function failure(status, message, code = null) {
  const type = status >= 500 ? "server_error" : "invalid_request_error";
  return Response.json({ error: { message, type, param: null, code } }, { status });
}

/** What the rules turn away. A secret that is too short, or a trap, is this app's own mistake. */
export function refusal({ code, detail }) {
  return failure(code === "internal_error" || code === "short-secret" ? 500 : 400, detail, code);
}
