// Makes modules for workerd of a release's edge-worker.wasm: what jco makes of the component, and
// the shim of WASI that it imports. Run `node transpile.mjs RELEASE OUT`.
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transpile } from "@bytecodealliance/jco-transpile";

const here = dirname(fileURLToPath(import.meta.url));
// Wherever npm has put it: beside this folder's own packages or those of a Worker that depends on it.
const shim = join(dirname(fileURLToPath(import.meta.resolve("@bytecodealliance/preview2-shim"))), "../browser");

/** Transpiles a release's edge into a folder; gives the names of its modules. */
export async function build(release, out) {
  await mkdir(out, { recursive: true });
  const { files } = await transpile(join(release, "edge-worker.wasm"), {
    name: "edge",
    instantiation: "sync",
    noNodejsCompat: true,
    noTypescript: true,
    outDir: "",
  });
  const scripts = [];
  const modules = [];
  const write = async (name, bytes) => {
    (name.endsWith(".wasm") ? modules : scripts).push(name);
    await writeFile(join(out, name), bytes);
  };
  for (const [path, bytes] of Object.entries(files)) {
    const name = basename(path);
    if (name.endsWith(".wasm")) await write(name, bytes);
    if (!name.endsWith(".js")) continue;
    // Helpers that jco compiles from bytes in its script become modules like the others.
    const inline = [];
    const text = new TextDecoder()
      .decode(bytes)
      // Asked for the environment at every call, it takes a quarter of a request's time.
      .replace(/const _debugLog = \(\.\.\.args\) => \{[^}]*\}[^}]*\};/, "const _debugLog = () => {};")
      .replace(/new WebAssembly\.Module\(new Uint8Array\(\[([^\]]*)\]\)\)/g, (_, list) => {
        inline.push(Uint8Array.from(list.split(",").filter((n) => n.trim()), Number));
        return `getCoreModule("edge.inline${inline.length}.wasm")`;
      });
    for (const [n, module] of inline.entries()) await write(`edge.inline${n + 1}.wasm`, module);
    await write(name, text);
  }
  modules.sort();
  // Code can't be compiled at run time there: every core module is imported.
  const lines = modules.map((name, n) => `import m${n} from "./${name}";`);
  const table = modules.map((name, n) => `${JSON.stringify(name)}: m${n}`);
  lines.push(`export default { ${table.join(", ")} };`);
  await writeFile(join(out, "modules.js"), lines.join("\n") + "\n");
  scripts.push("modules.js");
  for (const name of ["cli", "clocks", "common", "config", "environment", "io", "random"]) {
    await copyFile(join(shim, `${name}.js`), join(out, `${name}.js`));
    scripts.push(`${name}.js`);
  }
  for (const name of ["stores.js", "worker.js"]) {
    await copyFile(join(here, name), join(out, name));
    scripts.unshift(name);
  }
  return { scripts, modules };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [release = "../../../target/edge", out = "build"] = process.argv.slice(2);
  const { scripts, modules } = await build(release, out);
  console.log(`${scripts.length} scripts and ${modules.length} WebAssembly modules are in ${out}`);
}
