import { expect, test } from "vitest";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom } from "../../core/index.ts";
import { Engine } from "../../runtime/index.ts";
import { compareRouters, routerTable, type TimedRequest } from "./compare-routers.ts";

/** Six documents that are asked about again and again, over three instances with room for two or three each. */
function trace(): TimedRequest[] {
  const random = createRandom("routers", "trace");
  const documents = Array.from({ length: 6 }, () => Array.from({ length: 192 }, () => random.int(30, 300)));
  let atMs = 0;
  return Array.from({ length: 36 }, (_, i): TimedRequest => {
    atMs += random.exponential(1 / 60);
    const question = Array.from({ length: 8 }, () => random.int(30, 300));
    const promptTokens = [...documents[random.int(0, 5)]!, ...question];
    return { atMs, request: { promptTokens, maxTokens: 12, ignoreEos: true, sampling: { seed: i } } };
  });
}

const start = (): Promise<Engine[]> =>
  Promise.all(
    Array.from({ length: 3 }, () =>
      Engine.start({
        model: { random: { ...TINY, maxPositions: 512 }, seed: 3 },
        name: "tiny",
        kvPages: 48,
        budgetTokens: 32,
      }),
    ),
  );

test("the same requests under each router: everybody is served, caches are followed by who follows caches", async () => {
  const rows = await compareRouters({
    routers: ["round-robin", "kv-aware"],
    trace: trace(),
    start,
  });
  console.log(`\n${routerTable(rows)}\n`);
  for (const row of rows) {
    expect(row).toMatchObject({ requests: 36, failed: 0, attainedShare: 1 });
    expect(row.placed.reduce((sum, count) => sum + count, 0)).toBe(36);
    expect(row.ttftMs.p99).toBeGreaterThan(0);
  }
  const hits = Object.fromEntries(rows.map(({ router, hitShare }) => [router, hitShare]));
  expect(hits["kv-aware"]!).toBeGreaterThan(hits["round-robin"]!);
}, 60_000);
