import { appendFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeClock } from "../../core/index.ts";
import type { ClaimContext } from "../framework.ts";
import { Journal, parseJournal } from "./journal.ts";
import { shapesOf } from "./shapes.ts";

let folder: string;
let code: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "punctual-journal-"));
  code = join(folder, "code.js");
  await writeFile(code, "1");
});
afterAll(() => rm(folder, { recursive: true }));

const context: ClaimContext = { mode: "full", clock: new FakeClock(), seed: 1, progress: () => {} };
const [shape] = shapesOf("full");
const kept = join(tmpdir(), `punctual-journal-kept-${process.pid}`);
afterAll(() => rm(kept, { recursive: true, force: true }));
const open = (seed = 1, mode: ClaimContext["mode"] = "full"): Promise<Journal> =>
  Journal.open(shape!, { ...context, seed, mode }, [folder], mode === "full" ? kept : null);

test("a run that was broken off goes on where it was, until it ends", async () => {
  let made = 0;
  const piece = (journal: Journal, name: string): Promise<{ readonly n: number }> =>
    journal.piece(name, () => Promise.resolve({ n: (made += 1) }));
  const first = await open();
  expect([await piece(first, "round 0"), await piece(first, "round 1"), await piece(first, "round 0")]).toEqual([
    { n: 1 },
    { n: 2 },
    { n: 1 },
  ]);
  const [file] = await readdir(kept);
  await appendFile(join(kept, file!), '{"name":"round 2","entry":{"n":'); // broken off here
  const second = await open();
  expect(second.size).toBe(2);
  expect([await piece(second, "round 1"), await piece(second, "round 2")]).toEqual([{ n: 2 }, { n: 3 }]);
  expect((await open(2)).size).toBe(0);
  expect((await open(1, "quick")).size).toBe(0);
  await writeFile(code, "2");
  expect((await open()).size).toBe(0);
  await second.end();
  expect(await readdir(kept)).toEqual([]);
});

test("what fails to be made is not kept", async () => {
  const journal = await open(7);
  await expect(journal.piece("round 0", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect((await open(7)).size).toBe(0);
});

test("lines that are no entries are left out", () => {
  expect(parseJournal("").size).toBe(0);
  expect([...parseJournal('{"name":"a","entry":{}}\n{"name":1}\nnull\n{"name":"b","entry":{}}\n').keys()]).toEqual([
    "a",
  ]);
  expect([...parseJournal('{"name":"a","entry":{}}\n{"name":"b","en').keys()]).toEqual(["a"]);
});
