/** `punctual contexts` as a user runs it, in processes of its own: kept, listed, brought from another store, removed. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");
const TEXT =
  "The lamp in the kitchen is on. The order 4512 has three candles and a blue kettle. The shop opens at nine and closes at six on weekdays, at four on Saturdays.";
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-contexts-cli-"));
});

afterAll(() => rm(dir, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly out: unknown;
  readonly errors: string;
}

function contexts(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "contexts", ...args, "--json"], (error, stdout, errors) => {
      const code = error === null ? 0 : Number(error.code);
      resolve({ code, out: stdout === "" ? null : JSON.parse(stdout), errors });
    });
  });
}

it("puts, lists, gets from another machine, and removes", async () => {
  const [here, there] = [join(dir, "here"), join(dir, "there")];
  const model = ["--model", "small"];
  const put = await contexts("put", "shop", ...model, "--dir", here, "--text", TEXT, "--levels", "lossless,released-1");
  expect(put).toMatchObject({ code: 0, out: { name: "shop", model: "punctual-small", tables: null } });
  const { tokens, bytes } = put.out as { tokens: number; bytes: Record<string, number> };
  expect(tokens % 16).toBe(0);
  expect(bytes["released-1"]!).toBeLessThan(bytes["lossless"]! / 3);
  expect((await contexts("ls", "--dir", here)).out).toMatchObject([{ name: "shop", tokens, bytes }]);

  const server = spawn(process.execPath, [
    MAIN,
    "contexts",
    "serve",
    ...model,
    "--dir",
    here,
    "--token",
    "s",
    "--json",
  ]);
  try {
    const [line] = (await once(createInterface(server.stdout), "line")) as [string];
    const { port } = JSON.parse(line) as { port: number };
    const from = [...model, "--dir", there, "--from", `127.0.0.1:${port}`, "--token"];
    expect((await contexts("get", "shop", ...from, "s")).out).toMatchObject({
      name: "shop",
      tokens,
      bytes,
      damaged: 0,
    });
    // What is put while it serves is given, too.
    const more = await contexts("put", "later", ...model, "--dir", here, "--text", TEXT.replaceAll("order", "letter"));
    expect((await contexts("get", "later", ...from, "s")).out).toMatchObject({
      tokens: (more.out as { tokens: number }).tokens,
      damaged: 0,
    });
    const coarse = await contexts("get", "later", ...from, "s", "--level", "released-0");
    expect(coarse.errors).toContain("nothing of the context 'later' at released-0");
    expect(coarse.code).not.toBe(0);
    expect((await contexts("get", "nothing", ...from, "s")).errors).toContain("offers no context 'nothing'");
    expect((await contexts("get", "shop", ...from, "guess")).code).not.toBe(0);
  } finally {
    server.kill("SIGTERM");
    await once(server, "exit");
  }
  expect((await contexts("rm", "shop", "--dir", there)).out).toMatchObject({ name: "shop" });
  expect((await contexts("rm", "later", "--dir", there)).out).toMatchObject({ name: "later" });
  expect((await contexts("ls", "--dir", there)).out).toEqual([]);
  expect((await contexts("rm", "shop", "--dir", there)).errors).toContain("no context 'shop'");
  expect((await contexts("put", "x", ...model, "--dir", there, "--text", "short")).errors).toContain(
    "more than 16 tokens",
  );
  expect((await contexts("put", "x", ...model, "--dir", there, "--text", TEXT, "--levels", "best")).errors).toContain(
    "--levels",
  );
});
