/** Keys and values of prefixes out of one cache and into another, under a fake clock. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBench, said, spec, tokensOf, type Bench } from "../speculation/loop.conformance.ts";
import { codeOf, createSide, drain, unmoved, untilSaid, withoutCosts } from "./desk-sides.conformance.ts";

let benches: readonly [Bench, Bench];
beforeAll(async () => {
  benches = [await createBench(), await createBench()];
});
afterAll(async () => {
  for (const { executor } of benches) await executor.dispose();
});

describe("prefixes", () => {
  const prompt = Array.from({ length: 37 }, (_, i) => 31 + ((i * 7) % 200));

  test("read from one cache and put into another, they are what would have been computed", async () => {
    const [from, to] = [createSide(benches[0]), createSide(benches[1])];
    from.loop.submit(spec(1, { promptTokens: prompt, maxTokens: 2 }));
    await drain(from);
    const tokens = Int32Array.from(prompt);
    const found = from.ask("openPrefix", { tokens, salt: "" })!;
    expect(found.pages).toBe(4);
    from.loop.submit(spec(2, { promptTokens: prompt })); // shares what is being read
    await from.step();
    const half = from.ask("readPrefix", { id: found.id, first: 0, count: 2 });
    const rest = from.ask("readPrefix", { id: found.id, first: 2, count: 2 });
    expect(codeOf(() => from.ask("readPrefix", { id: found.id, first: 3, count: 2 }))).toBe("invalid_request");
    from.ask("closePrefix", { id: found.id });
    await drain(from);
    expect(from.kv.usedPages).toBe(0);
    // The second half alone has nothing to stand on.
    expect(to.ask("install", { tokens: tokens.subarray(0, 32), salt: "", first: 2, bytes: rest })).toBe(0);
    expect(to.ask("install", { tokens: tokens.subarray(0, 16), salt: "", first: 0, bytes: half })).toBe(16);
    expect(to.ask("install", { tokens, salt: "", first: 2, bytes: rest })).toBe(32);
    expect(to.kv.usedPages).toBe(0);
    to.loop.submit(spec(2, { promptTokens: prompt }));
    await drain(to);
    expect(to.events[0]).toEqual({ kind: "admit", seq: 2, queries: 37, hits: 32 });
    expect(withoutCosts(said(to.events.slice(1), 2))).toEqual(
      await unmoved(benches[0], spec(2, { promptTokens: prompt })),
    );
    expect(codeOf(() => to.ask("install", { tokens, salt: "", first: 0, bytes: half }))).toBe("invalid_request");
  });

  test("under a salt they are found by that salt only, so that what is not exact reaches nobody unasked", async () => {
    const side = createSide(benches[0]);
    const tokens = Int32Array.from(prompt);
    const { byteLength } = benches[0].executor.pageData(0);
    expect(side.ask("install", { tokens, salt: "lossy", first: 0, bytes: new Uint8Array(4 * byteLength) })).toBe(32);
    expect(side.ask("openPrefix", { tokens, salt: "" })).toBeNull();
    const salted = { promptTokens: prompt, cacheSalt: "lossy" };
    side.loop.submit(spec(1, { promptTokens: prompt }));
    await drain(side);
    side.loop.submit(spec(2, salted));
    await drain(side);
    const admits = side.events.flatMap((event) => (event.kind === "admit" ? [event.hits] : []));
    expect(admits).toEqual([0, 32]);
    const exact = withoutCosts(
      said(
        side.events.filter(({ kind }) => kind !== "admit"),
        1,
      ),
    );
    expect(exact).toEqual(await unmoved(benches[0], spec(1, { promptTokens: prompt })));
  });

  test("more than there is room for is put in as far as it goes", async () => {
    const side = createSide(benches[0], { pages: 5 });
    side.loop.submit(spec(1, { promptTokens: prompt.slice(0, 10), maxTokens: 12 }));
    await untilSaid(side, 1, 1);
    const tokens = Int32Array.from(prompt);
    const { byteLength } = benches[0].executor.pageData(0);
    expect(side.ask("install", { tokens, salt: "s", first: 0, bytes: new Uint8Array(4 * byteLength) })).toBe(24);
    await drain(side);
    expect(tokensOf(side.events, 1)).toHaveLength(12);
  });
});
