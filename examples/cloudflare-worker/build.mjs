// Bakes forebay.toml into a release and makes a Worker's modules of it: wrangler runs this before
// `dev` and `deploy`. The programs are those of the checkout around this folder; FOREBAY_BIN and
// FOREBAY_COMPONENTS name others. FOREBAY_OPEN=1 makes a release that asks for no API keys.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "forebay-worker/transpile.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../../target");
const found = (name, given, ...places) => {
  const place = [given, ...places].find((place) => place && existsSync(place));
  if (place) return resolve(place);
  console.error(`${name} is missing; build it with \`cargo xtask components --compose\`, or see README.md`);
  process.exit(1);
};
const { FOREBAY_BIN, FOREBAY_COMPONENTS, FOREBAY_OPEN } = process.env;
const forebay = found("the program forebay", FOREBAY_BIN, join(target, "release/forebay"), join(target, "debug/forebay"));
const components = found("the folder of components", FOREBAY_COMPONENTS, join(target, "components"));

const bake = ["bake", "--config", "forebay.toml", "--out", "release"];
bake.push("--compose", join(components, "edge-worker.wasm"));
if (FOREBAY_OPEN === "1") bake.push("--open");
const env = { ...process.env, FOREBAY_COMPONENTS: components };
const { status } = spawnSync(forebay, bake, { cwd: here, env, stdio: "inherit" });
if (status !== 0) process.exit(1);
await build(join(here, "release"), join(here, "build"));
