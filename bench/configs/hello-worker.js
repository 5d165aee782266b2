// Says hello, or passes its request on: what workerd costs by itself.
export default {
  fetch(request, env) {
    if (!env.UPSTREAM) return new Response("hello");
    const { pathname, search } = new URL(request.url);
    return fetch(env.UPSTREAM + pathname + search, request);
  },
};
