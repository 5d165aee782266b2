// Where a Worker keeps answers: the KV namespace FOREBAY, which all places share, and before it the
// Cache API, which is nearer, free, and each place's own.
//
// forebay_cache_api = "on" uses the Cache API. forebay_kv_writes is the share of answers that are
// written to KV, 0 to 1: an answer that is asked for often is written sooner or later.

/** KV keeps nothing for less than a minute; an entry knows its own end. */
const LEAST_TTL = 60;

/** No page has this address, so nobody can ask a cache for an entry from outside. */
const ADDRESS = "https://forebay.invalid/";

export class Stores {
  /** `setting` gives a variable's text. `cache` is `caches.default`, asked for when it is needed. */
  constructor(kv, setting, cache, chance = Math.random) {
    this.kv = kv;
    this.setting = setting;
    this.openCache = cache;
    this.chance = chance;
  }

  /** A value's bytes, or undefined. */
  async get(key) {
    const cache = this.cache();
    if (!cache && !this.kv) throw new Error("no KV namespace is bound as FOREBAY");
    const near = await cache?.match(ADDRESS + encodeURIComponent(key));
    if (near) return new Uint8Array(await near.arrayBuffer());
    const value = await this.kv?.get(key, "arrayBuffer");
    return value ? new Uint8Array(value) : undefined;
  }

  /** Keeps a value for so many seconds. */
  async put(key, value, keep) {
    const cache = this.cache();
    if (!cache && !this.kv) throw new Error("no KV namespace is bound as FOREBAY");
    const writes = [];
    if (cache) {
      const headers = { "cache-control": `max-age=${keep}`, "content-type": "application/octet-stream" };
      writes.push(cache.put(ADDRESS + encodeURIComponent(key), new Response(value, { headers })));
    }
    if (this.kv && this.chance() < this.writes()) {
      writes.push(this.kv.put(key, value, { expirationTtl: Math.max(LEAST_TTL, keep) }));
    }
    await Promise.all(writes);
  }

  cache() {
    const wanted = this.setting("forebay_cache_api") ?? "off";
    if (wanted !== "on" && wanted !== "off") {
      throw new Error(`forebay_cache_api is ${JSON.stringify(wanted)}; use "on" or "off"`);
    }
    return wanted === "on" ? this.openCache() : undefined;
  }

  writes() {
    const text = this.setting("forebay_kv_writes") ?? "1";
    const share = text.trim() === "" ? NaN : Number(text);
    if (!(share >= 0 && share <= 1)) {
      throw new Error(`forebay_kv_writes is ${JSON.stringify(text)}; use a number from 0 to 1`);
    }
    return share;
  }
}
