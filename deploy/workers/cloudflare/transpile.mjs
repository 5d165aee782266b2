// Makes modules for workerd of a release's edge-worker.wasm: what jco makes of the component, and
// the shim of WASI that it imports. Run `node transpile.mjs RELEASE OUT`.
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transpile } from "@bytecodealliance/jco-transpile";

const here = dirname(fileURLToPath(import.meta.url));
// Wherever npm has put it: beside this folder's own packages or those of a Worker that depends on it.
const shim = join(dirname(fileURLToPath(import.meta.resolve("@bytecodealliance/preview2-shim"))), "../browser");

/**
 * Transpiles a component into a folder: NAME.js, its core modules, modules.js that imports them, and
 * wasi.js with what it imports. `options` are more of jco's. Gives the names of all.
 */
export async function modulesOf(component, name, out, options = {}) {
  await mkdir(out, { recursive: true });
  const { files } = await transpile(component, {
    name,
    instantiation: "sync",
    noNodejsCompat: true,
    noTypescript: true,
    ...options,
    outDir: "",
  });
  const scripts = [];
  const modules = [];
  const write = async (name, bytes) => {
    (name.endsWith(".wasm") ? modules : scripts).push(name);
    await writeFile(join(out, name), bytes);
  };
  for (const [path, bytes] of Object.entries(files)) {
    const file = basename(path);
    if (file.endsWith(".wasm")) await write(file, bytes);
    if (!file.endsWith(".js")) continue;
    // Helpers that jco compiles from bytes in its script become modules like the others.
    const inline = [];
    const text = new TextDecoder()
      .decode(bytes)
      // Asked for the environment at every call, it takes a quarter of a request's time.
      .replace(/const _debugLog = \(\.\.\.args\) => \{[^}]*\}[^}]*\};/, "const _debugLog = () => {};")
      .replace(/new WebAssembly\.Module\(new Uint8Array\(\[([^\]]*)\]\)\)/g, (_, list) => {
        inline.push(Uint8Array.from(list.split(",").filter((n) => n.trim()), Number));
        return `getCoreModule("${name}.inline${inline.length}.wasm")`;
      });
    for (const [n, module] of inline.entries()) await write(`${name}.inline${n + 1}.wasm`, module);
    await write(file, text);
  }
  modules.sort();
  // Code can't be compiled at run time there: every core module is imported.
  const lines = modules.map((file, n) => `import m${n} from "./${file}";`);
  const table = modules.map((file, n) => `${JSON.stringify(file)}: m${n}`);
  lines.push(`export default { ${table.join(", ")} };`);
  await writeFile(join(out, "modules.js"), lines.join("\n") + "\n");
  scripts.push("modules.js");
  for (const file of ["cli", "clocks", "common", "config", "environment", "io", "random"]) {
    await copyFile(join(shim, `${file}.js`), join(out, `${file}.js`));
    scripts.push(`${file}.js`);
  }
  await copyFile(join(here, "wasi.js"), join(out, "wasi.js"));
  scripts.push("wasi.js");
  return { scripts, modules };
}

/** Makes modules of a release's edge, the Worker first; gives their names. */
export async function build(release, out) {
  const component = join(release, "edge-worker.wasm");
  // workerd has WebAssembly with several memories. Without it each word that goes from one component to
  // another is a call of JavaScript.
  const { scripts, modules } = await modulesOf(component, "edge", out, { multiMemory: true });
  for (const file of ["stores.js", "worker.js"]) {
    await copyFile(join(here, file), join(out, file));
    scripts.unshift(file);
  }
  return { scripts, modules };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [release = "../../../target/edge", out = "build"] = process.argv.slice(2);
  const { scripts, modules } = await build(release, out);
  console.log(`${scripts.length} scripts and ${modules.length} WebAssembly modules are in ${out}`);
}
