import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { papersSchema } from "../protocol/index.ts";
import { createServer } from "../server/index.ts";
import { createPaperIndex } from "./papers.ts";

const folder = mkdtempSync(join(tmpdir(), "punctual-papers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a server with the index says what was measured of each paper, in its own schema", async () => {
  await using server = createServer({ engines: [], papers: createPaperIndex() });
  const { url } = await server.listen({ port: 0 });
  const response = await fetch(`${url}/admin/papers`);
  expect(response.status).toBe(200);
  const body: unknown = await response.json();
  const { papers, own } = papersSchema.parse(body);
  expect(papersSchema.parse(body)).toEqual(body); // and nothing beside it
  expect(papers).toHaveLength(41);
  expect(papers.filter(({ state }) => state !== "not-built").length).toBeGreaterThan(4);
  expect(own.length).toBeGreaterThan(3);
  for (const { claims } of papers) for (const { repeat, id } of claims) expect(repeat).toContain(`claim -- ${id}`);
});

test("a server without it says so", async () => {
  await using server = createServer({ engines: [] });
  expect((await server.app.request("/admin/papers")).status).toBe(404);
  expect((await server.app.request("/admin/plan")).status).toBe(404);
});

test("what is measured anew is read anew, what was never measured is said", async () => {
  const path = join(folder, "claims.json");
  const index = createPaperIndex(path);
  await expect(index.rows()).rejects.toMatchObject({ code: "not_found" });
  copyFileSync(fileURLToPath(new URL("../../docs/claims.json", import.meta.url)), path);
  const first = await index.rows();
  expect(await index.rows()).toBe(first);
  writeFileSync(path, "[]");
  utimesSync(path, new Date(), new Date(Date.UTC(2001, 1, 1)));
  const again = await index.rows();
  for (const { claims, state } of again.papers) {
    expect(state).toBe(claims.length === 0 ? "not-built" : "undecided");
    for (const { mode, measured } of claims) expect([mode, measured]).toEqual([null, []]);
  }
});
