/**
 * Builds dist/: TypeScript by tsc, then every AssemblyScript entry of src/kernels/assembly/ to a
 * WebAssembly file beside the compiled JavaScript. `--lenient` keeps going on type errors (tsc still
 * emits): the tests use it, and the type check of its own reports them.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lenient = process.argv.includes("--lenient");
const require = createRequire(import.meta.url);

function run(file, args) {
  execFileSync(process.execPath, [file, ...args], { cwd: root, stdio: lenient ? "pipe" : "inherit" });
}

function packageFile(name, path) {
  return join(dirname(require.resolve(`${name}/package.json`)), path);
}

function compileTypeScript() {
  try {
    run(packageFile("typescript", "bin/tsc"), ["-p", "tsconfig.build.json"]);
  } catch (error) {
    if (!lenient) throw error;
  }
  const main = join(root, "dist/cli/main.js");
  if (existsSync(main)) chmodSync(main, 0o755);
}

function newest(folder) {
  return Math.max(...readdirSync(folder).map((name) => statSync(join(folder, name)).mtimeMs));
}

/** One .wasm per *.entry.ts in assembly/; it appears whole (by rename), because another build may be reading it. */
function compileAssemblyScript() {
  const folder = join(root, "src/kernels/assembly");
  const config = join(folder, "asconfig.json");
  if (!existsSync(config)) return;
  const outFolder = join(root, "dist/kernels");
  mkdirSync(outFolder, { recursive: true });
  const sourcesAt = newest(folder);
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(".entry.ts")) continue;
    const out = join(outFolder, name.replace(".entry.ts", ".wasm"));
    if (existsSync(out) && statSync(out).mtimeMs > sourcesAt) continue;
    run(packageFile("assemblyscript", "bin/asc.js"), [
      join("src/kernels/assembly", name),
      "--config",
      config,
      "--outFile",
      `${out}.${process.pid}`,
    ]);
    renameSync(`${out}.${process.pid}`, out);
  }
}

if (!existsSync(join(root, "src"))) process.exit(0); // an installed package is already built
compileTypeScript();
compileAssemblyScript();
