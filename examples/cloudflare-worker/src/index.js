// Your Worker. Forebay answers what clients of OpenAI, Anthropic, Gemini or Bedrock ask; whatever
// else the Worker does is up to you.
import forebay from "../build/worker.js";

export default {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response("this Worker answers /v1/chat/completions\n");
    return forebay.fetch(request, env, context);
  },
};
