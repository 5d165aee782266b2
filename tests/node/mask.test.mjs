// The component forebay:mask as JavaScript calls it; FOREBAY_MASK names the folder of its modules.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const folder = process.env.FOREBAY_MASK;
const load = (file) => import(pathToFileURL(join(folder, file)));
const [{ instantiate }, { wasi }] = await Promise.all([load("mask.js"), load("wasi.js")]);
const { mask } = instantiate((name) => new WebAssembly.Module(readFileSync(join(folder, name))), wasi);
const caller = { tenant: "app", key: "app", route: "/v1/chat/completions" };
const exchange = (secret = "sixteen bytes or more") => new mask.Exchange(caller, new TextEncoder().encode(secret));
const ADDRESS = "ann@example.org";

test("values are masked alike everywhere, and put back", () => {
  const one = exchange();
  const texts = one.mask([`to ${ADDRESS}`, "nothing", ADDRESS]);
  assert.match(texts[2], /^\[EMAIL_1_[0-9a-f]{8}\]$/);
  assert.deepEqual(texts.slice(0, 2), [`to ${texts[2]}`, "nothing"]);
  assert.equal(one.restore(`wrote ${texts[2]}.`), `wrote ${ADDRESS}.`);
  assert.notEqual(exchange("another secret of 16").mask([ADDRESS])[0], texts[2]);
});

test("a stream in pieces of any length gives what the whole gives", () => {
  const one = exchange();
  const [placeholder] = one.mask([ADDRESS]);
  const text = `a [ ${placeholder} [b`;
  for (const length of [1, 2, 7, 100]) {
    let out = "";
    for (let at = 0; at < text.length; at += length) out += one.push(text.slice(at, at + length));
    assert.equal(out + one.finish(), `a [ ${ADDRESS} [b`);
  }
});

test("rules turn prompts and answers away, with a reason that quotes nothing", () => {
  const refused = (act, code) => assert.throws(act, (reason) => reason.code === code && !/ghp_|Nightjar/.test(reason.detail));
  refused(() => exchange().mask(["ghp_16C7e42F292c6912E7710c838347Ae178B4a"]), "rule-denied");
  refused(() => exchange("short").mask(["hello"]), "short-secret");
  const one = exchange();
  one.mask(["hello"]);
  refused(() => one.restore("Project Nightjar"), "rule-denied");
  refused(() => one.push("Project Night") + one.push("jar ") + one.finish(), "rule-denied");
});
