/**
 * What lint cannot see: dead files, borders between modules, undocumented public names, the subpath
 * export list, dependencies without a written reason.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

function tracked(): string[] {
  const output = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root });
  return output
    .toString()
    .split("\n")
    .filter((path) => path !== "" && existsSync(join(root, path)));
}

const files = tracked();
const sources = files.filter((path) => path.startsWith("src/") && path.endsWith(".ts"));
const compiled = sources.filter((path) => !path.startsWith("src/kernels/assembly/"));
const production = compiled.filter((path) => !path.endsWith(".test.ts") && !path.endsWith(".conformance.ts"));
const consoleSources = files.filter((path) => /^console\/src\/.*\.tsx?$/.test(path));
const consoleProduction = consoleSources.filter((path) => !path.endsWith(".test.ts"));
const modules = readdirSync(join(root, "src")).filter((name) => existsSync(join(root, "src", name, "index.ts")));

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Every relative import of a file: static, dynamic and `new URL(…, import.meta.url)`. */
function importsOf(path: string): Import[] {
  const text = read(path);
  const found: Import[] = [];
  const pattern = /(?:from\s+|import\(\s*|import\s+|new URL\(\s*)["'](\.[^"']+)["']/g;
  for (const match of text.matchAll(pattern)) {
    found.push({ from: path, to: normalize(join(dirname(path), match[1]!)).replace(/\.js$/, ".ts") });
  }
  return found;
}

const imports = compiled.flatMap(importsOf);
const consoleImports = consoleSources.flatMap(importsOf);

describe("structure", () => {
  test("no file is longer than 600 lines, AssemblyScript included", () => {
    const long = [...sources, ...consoleSources].filter((path) => read(path).split("\n").length > 601);
    expect(long).toEqual([]);
  });

  test("other modules are reached through their index only", () => {
    const past = imports.filter(({ from, to }) => {
      const [, fromModule] = from.split("/");
      const [top, toModule, ...rest] = to.split("/");
      if (top !== "src" || toModule === fromModule || from.endsWith(".test.ts")) return false;
      return rest.join("/") !== "index.ts";
    });
    expect(past.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("no production file is dead", () => {
    const used = new Set(imports.filter(({ from }) => !from.endsWith(".test.ts")).map(({ to }) => to));
    for (const path of files.filter((name) => name.startsWith("examples/") || name.startsWith("test/"))) {
      if (path.endsWith(".ts")) for (const { to } of importsOf(path)) used.add(to);
    }
    const entries = new Set([...modules.map((name) => `src/${name}/index.ts`), "src/cli/main.ts"]);
    // Workers are started by file name; twins are oracles, which only tests read.
    const mentioned = (path: string): boolean => {
      const name = basename(path, ".ts");
      return (
        name.endsWith("-worker") && production.some((other) => other !== path && read(other).includes(`${name}.js`))
      );
    };
    const isTwin = (path: string): boolean => basename(path) === "twin.ts";
    const dead = production.filter(
      (path) => !used.has(path) && !entries.has(path) && !mentioned(path) && !isTwin(path),
    );
    expect(dead).toEqual([]);
  });

  test("no file of the console is dead", () => {
    const used = new Set(consoleImports.filter(({ from }) => !from.endsWith(".test.ts")).map(({ to }) => to));
    expect(consoleProduction.filter((path) => !used.has(path) && path !== "console/src/main.tsx")).toEqual([]);
  });

  test("pages of the console share lib/ and ui/, not each other", () => {
    const pageOf = (path: string): string | undefined => /^console\/src\/pages\/(\w+)\//.exec(path)?.[1];
    const across = consoleImports.filter(({ from, to }) => {
      const page = pageOf(to);
      return page !== undefined && page !== pageOf(from) && from !== "console/src/pages/registry.ts";
    });
    expect(across.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("every source file says at its head what it is", () => {
    const bare = [...production, ...consoleProduction].filter((path) => !/^(#![^\n]*\n)?\/\*\*/.test(read(path)));
    expect(bare).toEqual([]);
  });
});

describe("package", () => {
  const manifest = JSON.parse(read("package.json")) as {
    exports: Record<string, string>;
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const console = JSON.parse(read("console/package.json")) as { devDependencies: Record<string, string> };
  const dependencies = { ...manifest.dependencies, ...manifest.devDependencies, ...console.devDependencies };

  test("subpath exports name public modules that exist", () => {
    for (const [subpath, target] of Object.entries(manifest.exports)) {
      if (subpath === "./package.json") continue;
      const name = subpath.slice(2);
      expect(modules, subpath).toContain(name);
      expect(JSON.stringify(target)).toContain(`./dist/${name}/index.js`);
    }
  });

  test("each dependency has its paragraph in docs/decisions", () => {
    const decisions = readdirSync(join(root, "docs/decisions"))
      .map((name) => read(`docs/decisions/${name}`))
      .join("\n");
    const silent = Object.keys(dependencies).filter((name) => !decisions.includes(`\`${name}\``));
    expect(silent).toEqual([]);
  });

  test("versions are pinned", () => {
    const loose = Object.entries(dependencies).filter(([, version]) => !/^\d/.test(version));
    expect(loose).toEqual([]);
  });

  test("each module is named in the architecture guide", () => {
    const guide = read("docs/ARCHITECTURE.md");
    expect(modules.filter((name) => !guide.includes(`${name}/`))).toEqual([]);
  });
});

describe("public names", () => {
  test("everything exported by an index has a comment", () => {
    const missing: string[] = [];
    for (const name of modules) {
      for (const { specifier, names } of reexports(read(`src/${name}/index.ts`))) {
        const path = normalize(join("src", name, specifier));
        if (!existsSync(join(root, path))) continue;
        const text = read(path);
        for (const exported of names) if (!isDocumented(text, exported)) missing.push(`${path}: ${exported}`);
      }
    }
    expect(missing).toEqual([]);
  });
});

/** `export { a, type B } from "./x.ts"` as pairs. */
function reexports(text: string): { specifier: string; names: string[] }[] {
  return Array.from(text.matchAll(/export (?:type )?\{([^}]*)\} from "([^"]+)"/g), (match) => ({
    specifier: match[2]!,
    names: match[1]!
      .split(",")
      .map(
        (part) =>
          part
            .trim()
            .replace(/^type /, "")
            .split(" as ")[0]!,
      )
      .filter((part) => part !== ""),
  }));
}

/** A declaration is documented by a comment that ends on the line above it, or sits on its own line. */
function isDocumented(text: string, name: string): boolean {
  const lines = text.split("\n");
  const declaration = new RegExp(
    `^export (?:declare )?(?:abstract )?(?:async )?(?:function\\*?|class|interface|type|const|let) ${name.replace("$", "\\$")}\\b`,
  );
  const at = lines.findIndex((line) => declaration.test(line));
  if (at < 0) return true; // re-exported from elsewhere: checked there
  let above = at - 1;
  // A group of one-line declarations shares the comment above the group.
  while (above >= 0 && /^export (?:const|type|function) .*[;}]$/.test(lines[above]!)) above -= 1;
  return above >= 0 && /\*\/\s*$|^\s*\/\//.test(lines[above]!);
}
