/** Keys as a person uses them: made by one command, asked for by another, over real processes and sockets. */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY, until } from "../../test/support/engine.ts";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { plainEnvironment, root } from "../../test/support/process.ts";

const MAIN = join(root, "dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "punctual-key-"));
const model = join(folder, "random-model");
const file = join(folder, "keys.json");
const env = plainEnvironment({ HOME: folder, XDG_CACHE_HOME: join(folder, "cache") });

beforeAll(() => writeRandomModel(model, TINY));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function punctual(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], { env }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

describe("keys", () => {
  test("are shown once and kept as hashes, in a file that only its owner reads", async () => {
    const { code, stdout } = await punctual("key", "kitchen", "--file", file, "--requests-per-minute", "2");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^pk-[\w-]{43}\n$/)]);
    const text = readFileSync(file, "utf8");
    expect(text).not.toContain(stdout.trim());
    expect(JSON.parse(text)).toMatchObject({ keys: [{ name: "kitchen", requests_per_minute: 2 }] });
    expect(statSync(file).mode & 0o077).toBe(0);
    const twice = await punctual("key", "kitchen", "--file", file);
    expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining("already")]);
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  test("let a server listen to everybody, exactly, and answer who has one; SIGTERM ends it well", async () => {
    const key = (await punctual("key", "hall", "--file", file)).stdout.trim();
    const args = ["serve", "--model", model, "--host", "0.0.0.0", "--port", "0", "--exact", "--api-key-file", file];
    const child = spawn(process.execPath, [MAIN, ...args], { env });
    const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await until(() => output.includes("http://") || child.exitCode !== null, 60_000);
    const port = /http:\/\/0\.0\.0\.0:(\d+)/.exec(output)?.[1];
    expect(port, output).toBeDefined();
    const ask = (headers: Record<string, string>): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/v1/completions`, {
        method: "POST",
        headers,
        body: JSON.stringify({ model: "random-model", prompt: "hi", max_tokens: 2 }),
      });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ authorization: `Bearer ${key}` })).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
    expect(output).not.toContain(key);
  });

  test("a server beyond this machine without keys, or with a wrong file, does not start", async () => {
    const open = await punctual("serve", "--model", model, "--host", "0.0.0.0", "--port", "0");
    expect([open.code, open.stderr]).toEqual([1, expect.stringContaining("API keys")]);
    const missing = await punctual("serve", "--model", model, "--port", "0", "--api-key-file", join(folder, "none"));
    expect([missing.code === 0, missing.stderr]).toEqual([false, expect.stringContaining("cannot be read")]);
  });
});
