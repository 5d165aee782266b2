// A KV namespace in memory, for local runs: what workerd asks of one, and no more.
const LARGEST = 64 * 1024 * 1024;
const kept = new Map();
let weight = 0;

function forget(key) {
  const entry = kept.get(key);
  if (!entry) return;
  weight -= entry.value.byteLength;
  kept.delete(key);
}

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const key = decodeURIComponent(url.pathname.slice(1));
    if (request.method === "GET") {
      const entry = kept.get(key);
      if (!entry || entry.until <= Date.now()) {
        forget(key);
        return new Response(null, { status: 404 });
      }
      return new Response(entry.value);
    }
    if (request.method === "PUT") {
      const value = await request.arrayBuffer();
      const ttl = Number(url.searchParams.get("expiration_ttl") ?? Infinity);
      forget(key);
      kept.set(key, { value, until: Date.now() + ttl * 1000 });
      weight += value.byteLength;
      for (const oldest of kept.keys()) {
        if (weight <= LARGEST) break;
        forget(oldest);
      }
      return new Response(null, { status: 204 });
    }
    return new Response(null, { status: 405 });
  },
};
