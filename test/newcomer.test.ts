/**
 * The path of a newcomer, with nothing of ours installed beside it: a fresh copy of the repository in an empty
 * folder, `npm ci`, `npm start`, a streamed answer; and the packed tarball in an empty project.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, describe, expect, test } from "vitest";
import { median } from "../src/core/index.ts";
import { cloneWorkingTree, root, run, startServer } from "./support/process.ts";

const folders: string[] = [];

function emptyFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `punctual-${name}-`));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Milliseconds to the first content, and the whole text, of one streamed chat answer. */
async function ask(client: OpenAI, question: string): Promise<{ firstMs: number; text: string }> {
  const startMs = performance.now();
  const stream = await client.chat.completions.create({
    model: "punctual-base",
    messages: [{ role: "user", content: question }],
    temperature: 0,
    stream: true,
  });
  let firstMs = Number.NaN;
  let text = "";
  for await (const chunk of stream) {
    if (chunk.choices.length > 0 && Number.isNaN(firstMs)) firstMs = performance.now() - startMs;
    text += chunk.choices[0]?.delta.content ?? "";
  }
  return { firstMs, text };
}

describe("a newcomer", () => {
  test("clones, installs, starts and gets a streamed answer in time", { timeout: 300_000 }, async () => {
    const folder = emptyFolder("clone");
    await cloneWorkingTree(folder);
    await run("npm", ["ci", "--no-audit", "--no-fund"], folder);
    const server = await startServer("npm", ["start"], folder);
    try {
      const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
      const questions = ["What is 12 + 7?", "hello", "Turn on the kitchen light.", "What is 30 + 4?", "Who are you?"];
      const firsts: number[] = [];
      for (const question of questions) {
        const answer = await ask(client, question);
        expect(answer.text.length, question).toBeGreaterThan(0);
        firsts.push(answer.firstMs);
      }
      const sum = await ask(client, "What is 12 + 7?");
      expect(sum.text).toContain("19");
      console.log(`ready after ${Math.round(server.readyMs)} ms, TTFT p50 ${median(firsts).toFixed(1)} ms`);
      expect(server.readyMs).toBeLessThan(5000);
      expect(median(firsts)).toBeLessThan(150);
    } finally {
      await server.stop(); // npm itself dies of the signal; the server behind it drains and leaves
      const answers = (): Promise<boolean> =>
        fetch(`${server.url}/health`).then(
          () => true,
          () => false,
        );
      await expect.poll(answers, { timeout: 15_000 }).toBe(false);
    }
  });

  test("installs the tarball in an empty project, type-checks and streams", { timeout: 300_000 }, async () => {
    const packed = emptyFolder("pack");
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", packed], root);
    const tarball = readdirSync(packed).find((name) => name.endsWith(".tgz"));
    expect(tarball).toBeDefined();
    const folder = emptyFolder("project");
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "newcomer", private: true, type: "module" }));
    await run(
      "npm",
      ["install", "--no-audit", "--no-fund", "--onnxruntime-node-install=skip", join(packed, tarball!)],
      folder,
    );
    const example = readFileSync(join(root, "examples/library.ts"), "utf8");
    writeFileSync(join(folder, "ten-lines.ts"), example);
    const options = ["--strict", "--module", "nodenext", "--target", "es2023", "--lib", "es2023,esnext.disposable,dom"];
    await run(
      process.execPath,
      [join(root, "node_modules/typescript/bin/tsc"), ...options, "--skipLibCheck", "--types", "", "ten-lines.ts"],
      folder,
    );
    const output = await run(process.execPath, ["ten-lines.js"], folder);
    expect(output).toContain("19");
  });
});
