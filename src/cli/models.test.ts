/** `punctual models` and `punctual serve` with models of a hub: real processes, a server that speaks the hub's protocol. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY, until } from "../../test/support/engine.ts";
import { startFakeHub, type FakeHub } from "../../test/support/hub.ts";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { plainEnvironment, root } from "../../test/support/process.ts";

const MAIN = join(root, "dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "punctual-models-"));
const local = join(folder, "local-model");
let hub: FakeHub;
let environment: Record<string, string | undefined>;
const children: ChildProcess[] = [];

beforeAll(async () => {
  writeRandomModel(local, TINY);
  hub = await startFakeHub();
  const files = Object.fromEntries(readdirSync(local).map((name) => [name, readFileSync(join(local, name))]));
  hub.add("acme/tiny", files, ["model.safetensors"]);
  environment = plainEnvironment({ HOME: folder, XDG_CACHE_HOME: join(folder, "cache"), HF_ENDPOINT: hub.url });
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function punctual(args: readonly string[], extra: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { ...environment, ...extra } },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

async function serve(
  args: readonly string[],
): Promise<{ url: string; output: () => string; end(): Promise<number | null> }> {
  const child = spawn(process.execPath, [MAIN, "serve", "--port", "0", ...args], {
    env: environment as NodeJS.ProcessEnv,
  });
  children.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await until(() => output.includes("http://") || child.exitCode !== null, 100_000);
  const url = /http:\/\/[\w.:[\]]+/.exec(output)?.[0];
  if (url === undefined) throw new Error(output);
  const end = (): Promise<number | null> => {
    child.kill("SIGTERM");
    return exited;
  };
  return { url, output: () => output, end };
}

async function complete(url: string, model: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, prompt: "hi", max_tokens: 4, temperature: 0, ignore_eos: true }),
  });
  const body = (await response.json()) as { choices?: { text: string }[] };
  return { status: response.status, text: body.choices?.[0]?.text ?? JSON.stringify(body) };
}

describe("models", () => {
  test("info before, pull, ls, info after, rm: each with --json and exit code 0", { timeout: 240_000 }, async () => {
    const before = await punctual(["models", "info", "hf:acme/tiny", "--json"]);
    expect(before.stderr).toBe("");
    const facts = JSON.parse(before.stdout) as Record<string, unknown>;
    expect(facts).toMatchObject({ path: null, format: "safetensors", layers: 2, kv_heads: 2, context_tokens: 512 });
    expect(facts["kv_bytes_per_token"]).toEqual({ f32: 2 * 2 * 2 * 8 * 4, int8: 2 * 2 * 2 * (8 + 4) });
    const pulled = await punctual(["models", "pull", "hf:acme/tiny", "--json"]);
    expect([pulled.code, pulled.stderr]).toEqual([0, ""]);
    const model = JSON.parse(pulled.stdout) as { path: string; missing: string[]; revisions: string[] };
    expect(model).toMatchObject({ missing: [], revisions: ["main"], repo: "acme/tiny" });
    expect(model.path).toContain(join(folder, "cache/huggingface/hub/models--acme--tiny/snapshots"));
    const list = JSON.parse((await punctual(["models", "ls", "--json"])).stdout) as {
      name: string;
      built_in: boolean;
    }[];
    expect(list.filter((entry) => !entry.built_in).map(({ name }) => name)).toEqual(["hf:acme/tiny"]);
    const after = await punctual(["models", "info", "hf:acme/tiny"], { HF_HUB_OFFLINE: "1" });
    expect(after.stdout).toMatch(/parameters +[\d,]+/);
    const removed = await punctual(["models", "rm", "hf:acme/tiny", "--json"]);
    expect((JSON.parse(removed.stdout) as { freed_bytes: number }).freed_bytes).toBeGreaterThan(1000);
    expect(readdirSync(join(folder, "cache/huggingface/hub"))).toEqual([".locks"]);
  });

  test.each([
    [["pull", "hf:acme/none"], {}, 2, "There is no"],
    [["pull", "acme/tiny"], {}, 2, "hf:org/name"],
    [["pull", "hf:acme/tiny"], { HF_HUB_OFFLINE: "1" }, 2, "the hub is not asked"],
    [["pull", "hf:acme/tiny"], { HF_ENDPOINT: "http://127.0.0.1:1" }, 1, "cannot be reached"],
    [["rm", "hf:acme/none"], {}, 2, "not on this machine"],
    [["info", "no-such-folder"], {}, 2, "config.json"],
    [["bogus"], {}, 2, "unknown command"],
  ])("%j %j ends with code %i and one line that says why", async (args, extra, expected, says) => {
    const { code, stderr } = await punctual(["models", ...args], extra);
    expect([code, stderr]).toEqual([expected, expect.stringContaining(says)]);
    expect(stderr).not.toContain("    at ");
  });
});

describe("serve", () => {
  test(
    "several models by name within a budget; the one without room is loaded when asked",
    { timeout: 240_000 },
    async () => {
      const config = join(folder, "punctual.json");
      const models = [`first=${local}`, "hf:acme/tiny", { name: "short", model: local, "max-model-len": 64 }];
      writeFileSync(config, JSON.stringify({ models, "max-num-batched-tokens": 64, "memory-budget": "170MiB" }));
      const serving = await serve(["--config", config, "--kv-cache-memory", "1MiB"]);
      const list = (await (await fetch(`${serving.url}/v1/models`)).json()) as {
        data: { id: string; max_model_len: number }[];
      };
      expect(list.data.map(({ id, max_model_len }) => [id, max_model_len])).toEqual([
        ["first", 512],
        ["acme/tiny", 512],
        ["short", 64],
      ]);
      expect(serving.output()).toMatch(/short.*loaded when it is asked/);
      const answers = await Promise.all(["first", "acme/tiny", "short"].map((name) => complete(serving.url, name)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1); // the same weights under three names
      expect((await fetch(`${serving.url}/health`)).status).toBe(200);
      expect(await serving.end()).toBe(0);
    },
  );

  test("a model that can never fit is told at once", async () => {
    const { code, stderr } = await punctual(["serve", local, "--memory-budget", "10MiB"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("can never fit a memory budget of 10 MiB")]);
  });
});
