/**
 * Builds dist/: TypeScript by tsc, then every AssemblyScript entry of src/kernels/assembly/ to a
 * WebAssembly file beside the compiled JavaScript, then the console by Vite to dist/console. `--lenient` keeps going on
 * type errors (tsc still emits): the tests use it, and the type check of its own reports them.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

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

/** All files below a folder, with their paths. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** What the console may weigh, all pages together, as a browser downloads it. */
const CONSOLE_GZIP_BYTES_MAX = 150_000;

function checkConsoleSize(folder) {
  const bytes = filesBelow(folder).reduce((sum, path) => sum + gzipSync(readFileSync(path)).length, 0);
  if (bytes <= CONSOLE_GZIP_BYTES_MAX) return bytes;
  throw new Error(`expected a console of at most ${CONSOLE_GZIP_BYTES_MAX} bytes gzipped, got ${bytes}`);
}

/** Another build may do the same at the same moment: then its files, which are as new, stay. */
function putInPlace(fresh, out) {
  const old = `${fresh}.old`;
  try {
    if (existsSync(out)) renameSync(out, old);
    renameSync(fresh, out);
  } catch (error) {
    if (!existsSync(join(out, "index.html"))) throw error;
    rmSync(fresh, { recursive: true, force: true });
  }
  rmSync(old, { recursive: true, force: true });
}

/** The console is built when one of its sources is newer; it appears whole, because a server may be reading the old one. */
async function buildConsole() {
  const folder = join(root, "console");
  if (!existsSync(folder)) return;
  const out = join(root, "dist/console");
  const index = join(out, "index.html");
  const manifests = ["package.json", "tsconfig.json", "vite.config.ts", "index.html"].map((name) => join(folder, name));
  const sourcesAt = Math.max(
    ...[...manifests, ...filesBelow(join(folder, "src"))].map((path) => statSync(path).mtimeMs),
  );
  if (existsSync(index) && statSync(index).mtimeMs > sourcesAt) return;
  process.env.NODE_ENV = "production"; // vitest, which builds before tests, says "test", and that would be a development build
  const { build } = await import("vite");
  const fresh = `${out}.${process.pid}`;
  try {
    const configFile = join(folder, "vite.config.ts");
    await build({ configFile, build: { outDir: fresh }, logLevel: "error" });
    const bytes = checkConsoleSize(fresh);
    putInPlace(fresh, out);
    if (!lenient) console.log(`console: ${(bytes / 1000).toFixed(1)} kB gzipped`);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!lenient) throw error;
    console.error(`The console was not built: ${error.message}`);
  }
}

if (!existsSync(join(root, "src"))) process.exit(0); // an installed package is already built
compileTypeScript();
compileAssemblyScript();
await buildConsole();
