// Bundles the app for Spin's build tools, beside the contract of the component it uses: `spin build`
// runs this before j2w makes a component of the bundle.
import { cpSync, mkdirSync } from "node:fs";
import { SpinEsbuildPlugin } from "@spinframework/build-tools/plugins/esbuild/index.js";
import { build } from "esbuild";

// As published with forebay:mask: its own package, and the two that it names.
const contracts = { mask: "../../wit/mask", types: "../../wit/deps/types", guardrails: "../../wit/deps/guardrails" };
for (const [name, from] of Object.entries(contracts)) cpSync(from, `wit/deps/${name}`, { recursive: true });

mkdirSync("build", { recursive: true });
await build({
  entryPoints: ["src/index.js"],
  outfile: "build/app.js",
  bundle: true,
  format: "esm",
  plugins: [await SpinEsbuildPlugin()],
});
