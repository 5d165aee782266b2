// What a Worker's stores do under their settings.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Stores } from "../../deploy/workers/cloudflare/stores.js";

class Kv extends Map {
  async get(key, kind) {
    assert.equal(kind, "arrayBuffer");
    return super.get(key)?.value.buffer ?? null;
  }
  async put(key, value, { expirationTtl }) {
    this.set(key, { value, expirationTtl });
  }
}

class Near extends Map {
  async match(address) {
    return super.get(address)?.clone();
  }
  async put(address, response) {
    this.set(address, response);
  }
}

const bytes = (text) => new TextEncoder().encode(text);
const text = (value) => value && new TextDecoder().decode(value);

function stores(settings = {}, { kv = new Kv(), chance = () => 0.5 } = {}) {
  const near = new Near();
  return { kv, near, stores: new Stores(kv, (name) => settings[name], () => near, chance) };
}

test("by default every answer is in KV alone, for a minute at least", async () => {
  const { kv, near, stores: all } = stores();
  await all.put("a", bytes("answer"), 5);
  assert.equal(kv.size, 1);
  assert.equal([...kv.values()][0].expirationTtl, 60);
  assert.equal(near.size, 0);
  assert.equal(text(await all.get("a")), "answer");
  assert.equal(await all.get("b"), undefined);
});

test("a share of the answers is written to KV", async () => {
  const draws = [0, 0.19, 0.2, 0.99];
  const { kv, stores: some } = stores({ forebay_kv_writes: "0.2" }, { chance: () => draws.shift() });
  for (const key of ["a", "b", "c", "d"]) await some.put(key, bytes(key), 100);
  assert.deepEqual([...kv.keys()], ["a", "b"]);
});

test("the Cache API answers before KV, and goes on where KV is not written or not bound", async () => {
  const settings = { forebay_cache_api: "on", forebay_kv_writes: "0" };
  for (const kv of [new Kv(), undefined]) {
    const { near, stores: both } = stores(settings, { kv });
    await both.put("a/b", bytes("near"), 100);
    const [[address, kept]] = near;
    assert.equal(address, "https://forebay.invalid/a%2Fb");
    assert.equal(kept.headers.get("cache-control"), "max-age=100");
    assert.equal(text(await both.get("a/b")), "near");
  }
  const { kv, stores: both } = stores(settings);
  await kv.put("far", bytes("KV"), { expirationTtl: 60 });
  assert.equal(text(await both.get("far")), "KV");
});

test("without a store and with a wrong setting the reason is told", async () => {
  const none = new Stores(undefined, () => undefined, () => assert.fail("not asked for"));
  await assert.rejects(none.get("a"), /no KV namespace is bound as FOREBAY/);
  await assert.rejects(none.put("a", bytes(""), 1), /no KV namespace is bound as FOREBAY/);
  for (const wrong of ["2", "-1", "half", ""]) {
    const { stores: bad } = stores({ forebay_kv_writes: wrong });
    await assert.rejects(bad.put("a", bytes(""), 1), /forebay_kv_writes is ".*"; use a number from 0 to 1/);
  }
  const { stores: bad } = stores({ forebay_cache_api: "yes" });
  await assert.rejects(bad.get("a"), /forebay_cache_api is "yes"/);
});
