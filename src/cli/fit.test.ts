/** `punctual fit` as it is used: the compiled program on a small model and a file of JSON lines, then the model served with it. */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY, until } from "../../test/support/engine.ts";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { plainEnvironment, root } from "../../test/support/process.ts";

const MAIN = join(root, "dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "punctual-fit-cli-"));
const model = join(folder, "model");
const texts = join(folder, "tasks.jsonl");
const env = plainEnvironment({ HOME: folder, XDG_CACHE_HOME: join(folder, "cache") });

/** Three tasks in every form that a file may have, one line of it without an answer. */
function mixedTasks(): string {
  const lines = Array.from({ length: 24 }, (_, i): unknown => {
    const word = ["lamp", "door", "it", "you"][i % 4]!;
    if (i % 3 === 0) return { prompt: `Say ${word}.`, completion: word };
    if (i % 3 === 1) {
      return {
        messages: [
          { role: "user", content: `What is ${i} + 7?` },
          { role: "assistant", content: `It is ${i + 7}.` },
        ],
      };
    }
    return { text: `the the of ${word} to in is it` };
  });
  return [...lines, { prompt: "And this?" }].map((line) => JSON.stringify(line)).join("\n");
}

beforeAll(() => {
  writeRandomModel(model, { ...TINY, layers: 5, maxPositions: 256 });
  writeFileSync(texts, `\uFEFF${mixedTasks()}\n\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function punctual(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], { env }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}

/** Serves the model, asks it once for each body, and stops it. */
async function answers(args: readonly string[], bodies: readonly object[]): Promise<Record<string, unknown>[]> {
  const child = spawn(process.execPath, [MAIN, "serve", "--model", model, "--port", "0", "--weights", "f32", ...args], {
    env,
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  try {
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await until(() => output.includes("http://") || child.exitCode !== null, 20_000);
    const url = /http:\/\/[\w.:[\]]+/.exec(output)?.[0];
    if (url === undefined) throw new Error(output);
    const all: Record<string, unknown>[] = [];
    for (const body of bodies) {
      const response = await fetch(`${url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "model", prompt: "Say lamp.", max_tokens: 12, ignore_eos: true, ...body }),
      });
      all.push((await response.json()) as Record<string, unknown>);
    }
    return all;
  } finally {
    child.kill("SIGTERM");
    await exited;
  }
}

const SMALL = ["--batch", "4", "--max-tokens", "48", "--threads", "1", "--data", texts] as const;

test("fit route: routers and weights from mixed tasks, and requests that say how much to compute", async () => {
  const steps = ["--router-steps", "3", "--adapter-steps", "3", "--rank", "2", "--compute", "0.8"];
  const fitted = await punctual("fit", "route", "--model", model, ...SMALL, ...steps, "--json");
  expect(fitted.stderr).toContain("22 texts to learn from, 2 held out, 1 left out without an answer");
  expect(fitted.stderr).toMatch(/routers, step 1 of 3, loss \d/);
  expect(fitted.stderr).toContain("(3 of 3)");
  expect(fitted.code).toBe(0);
  const summary = JSON.parse(fitted.stdout) as { outDir: string; finished: boolean; scores: { examples: number } };
  expect(summary).toMatchObject({ finished: true, scores: { examples: 2 }, outDir: join(model, "routes") });
  expect(existsSync(join(model, "routes", "routers-checkpoint.safetensors"))).toBe(false);
  // Beside the weights they are found by themselves.
  const [full, share, wrong] = await answers([], [{}, { compute: 0.8 }, { compute: 7 }]);
  expect(full!["usage"]).not.toHaveProperty("compute");
  expect(share!["usage"]).toMatchObject({
    completion_tokens: 12,
    compute: { layers: 5, skipped_layers: [expect.any(Number)] },
  });
  expect(wrong!["error"]).toMatchObject({ param: "compute" });
});

test("fit route says what is wrong before it begins", async () => {
  const broken = join(folder, "broken.jsonl");
  writeFileSync(broken, `{"prompt": "a", "completion": "b"}\n{"prompt": "a"\n{"question": "a"}\n{"prompt": 3}\n`);
  const failing = (...args: readonly string[]): Promise<Outcome> =>
    punctual("fit", "route", "--model", model, "--out", join(folder, "none"), ...args);
  const bad = await failing("--data", broken);
  expect(bad.code).toBe(2);
  expect(bad.stderr).toMatch(
    /broken\.jsonl: line 2 is not JSON: .*; line 3: expected messages.*question; line 4: prompt must be/,
  );
  const lost = await failing("--data", join(folder, "lost.jsonl"));
  expect(lost).toMatchObject({ code: 2, stderr: expect.stringContaining("there is no such file") as string });
  const little = await failing(...SMALL, "--compute", "0.3");
  expect(little).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("expected at least 0.60 with 5 layers") as string,
  });
  const flat = join(folder, "flat");
  writeRandomModel(flat, TINY);
  const two = await punctual("fit", "route", "--model", flat, ...SMALL);
  expect(two).toMatchObject({ code: 2, stderr: expect.stringContaining("has none that could be left out") as string });
});

test("fit heads: stopped, gone on with, refused with other settings, and drafted from", async () => {
  const fit = (...args: readonly string[]): Promise<Outcome> =>
    punctual("fit", "heads", "--model", model, "--data", texts, "--answers", "given", "--threads", "1", ...args);
  const settings = ["--steps", "4", "--width", "16", "--places", "2", "--weights", "f32"];
  const stopped = await fit(...settings, "--stop-after", "2");
  expect(stopped).toMatchObject({ code: 0, stdout: expect.stringContaining("2 steps done") as string });
  const other = await fit("--steps", "5", ...settings.slice(2));
  expect(other.code).toBe(2);
  expect(other.stderr).toContain("--no-resume starts anew");
  const whole = await fit(...settings, "--json");
  expect(whole.stderr).toContain("22 texts to learn from");
  expect(JSON.parse(whole.stdout)).toMatchObject({ finished: true, stepsTaken: 4 });
  const [answer] = await answers(["--speculate", "heads"], [{ temperature: 0 }]);
  expect(answer!["usage"]).toMatchObject({ completion_tokens: 12 });
});
