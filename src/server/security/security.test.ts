/** Keys and their limits without a server: files, comparisons, and allowances over made-up time. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../../core/index.ts";
import { Callers } from "./callers.ts";
import { findKey, hashKey, newKey, plainKey, readKeyFile, type ApiKey } from "./keys.ts";
import { formatWait, KeyUsage } from "./limits.ts";

const hex = (key: string): string => Buffer.from(hashKey(key)).toString("hex");
const fileOf = (...keys: object[]): string => JSON.stringify({ keys });
const failure = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe("keys", () => {
  test("a new key is long, unlike any other, and found by its hash only", () => {
    const [one, two] = [newKey(), newKey()];
    expect(one).toMatch(/^pk-[\w-]{43}$/);
    expect(one).not.toBe(two);
    const keys = [one, two].map((key, i) => ({ key: plainKey(key, `key-${i}`) }));
    expect(findKey(keys, two)!.key.name).toBe("key-1");
    expect(findKey(keys, newKey())).toBeNull();
    expect(findKey(keys, "")).toBeNull();
    expect(JSON.stringify(keys)).not.toContain(one);
  });

  test("a file's fields become limits, models and an objective", () => {
    const [key] = readKeyFile(
      fileOf({
        name: "kitchen",
        sha256: hex("k".repeat(20)).toUpperCase(),
        models: ["tiny"],
        slo: "ttft=200ms",
        requests_per_minute: 60,
        tokens_per_minute: 1000,
        concurrent: 2,
      }),
    );
    expect(key).toMatchObject({
      name: "kitchen",
      models: new Set(["tiny"]),
      slo: { class: "latency", ttftMs: 200 },
      limits: { requestsPerMinute: 60, tokensPerMinute: 1000, concurrent: 2 },
    });
    expect(findKey([{ key: key! }], "k".repeat(20))).not.toBeNull();
  });

  const sha256 = hex("x".repeat(16));
  test.each([
    ["{", undefined],
    ["[]", ""],
    [fileOf(), "keys"],
    [fileOf({ name: "a", sha256: "12" }), "keys.0.sha256"],
    [fileOf({ name: "a b", sha256 }), "keys.0.name"],
    [fileOf({ name: "a", sha256, request_per_minute: 1 }), "keys.0"],
    [fileOf({ name: "a", sha256, concurrent: 0 }), "keys.0.concurrent"],
    [fileOf({ name: "a", sha256 }, { name: "a", sha256 }), "keys"],
  ])("a wrong file says where: %s", (text, param) => {
    expect(failure(() => readKeyFile(text))).toMatchObject({ code: "invalid_file", param: param ?? null });
  });

  test("what a file holds is not repeated in an error about its form", () => {
    const secret = newKey();
    expect(String(failure(() => readKeyFile(`{ "keys": [ ${secret}`)))).not.toContain(secret);
  });

  test("short keys, which could be guessed, are refused", () => {
    expect(failure(() => plainKey("test", "a"))).toMatchObject({ code: "invalid_request", param: "api-key" });
  });
});

describe("callers", () => {
  const [one, two] = [newKey(), newKey()];
  const callers = new Callers([plainKey(one, "one"), plainKey(two, "two")], new FakeClock());
  const identify = (headers: Record<string, string>): string => callers.identify((name) => headers[name]).key.name;

  test.each([
    [{ authorization: `Bearer ${one}` }, "one"],
    [{ authorization: `bearer  ${one} ` }, "one"],
    [{ "x-api-key": two }, "two"],
    [{ authorization: `Bearer ${newKey()}`, "x-api-key": two }, "two"],
    [{ authorization: `Basic ${one}`, "x-api-key": two }, "two"],
  ] as [Record<string, string>, string][])("are known by either header", (headers, name) => {
    expect(identify(headers)).toBe(name);
  });

  test.each([{}, { authorization: "Bearer" }, { authorization: one }, { "x-api-key": "" }, { "x-api-key": `${one}x` }])(
    "and refused otherwise: %j",
    (headers) => {
      const error = failure(() => identify(headers as Record<string, string>));
      expect(error).toMatchObject({ code: "unauthorized", status: 401 });
      expect(String(error)).not.toContain(one);
    },
  );
});

describe("limits", () => {
  const limits = (changes: Partial<ApiKey["limits"]>): ApiKey["limits"] => {
    return { requestsPerMinute: null, tokensPerMinute: null, concurrent: null, ...changes };
  };

  test("requests refill evenly, and a refusal says how long", () => {
    const usage = new KeyUsage(limits({ requestsPerMinute: 2 }), 0);
    usage.enter(0);
    usage.enter(0);
    expect(failure(() => usage.enter(0))).toMatchObject({ code: "rate_limit_exceeded", retryAfterMs: 30_000 });
    expect(failure(() => usage.enter(29_000))).toMatchObject({ retryAfterMs: 1000 });
    usage.enter(30_000);
    expect(usage.open).toBe(3);
  });

  test("tokens are paid when they are known, and a debt is waited out", () => {
    const usage = new KeyUsage(limits({ tokensPerMinute: 60 }), 0);
    usage.enter(0);
    usage.charge(90, 0);
    expect(failure(() => usage.enter(0))).toMatchObject({ retryAfterMs: 31_000 });
    expect(Object.fromEntries(usage.headers(0))).toEqual({
      "x-ratelimit-limit-tokens": "60",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "1m30s",
    });
    usage.enter(31_000);
  });

  test("a slot of concurrency comes back", () => {
    const usage = new KeyUsage(limits({ concurrent: 1 }), 0);
    usage.enter(0);
    expect(failure(() => usage.enter(0))).toMatchObject({ code: "rate_limit_exceeded" });
    usage.leave();
    usage.enter(0);
  });

  test.each([
    [0, "0ms"],
    [120.2, "121ms"],
    [1000, "1s"],
    [59_001, "1m0s"],
    [360_000, "6m0s"],
  ])("%f ms is written %s", (ms, text) => expect(formatWait(ms)).toBe(text));

  test("over any time, no more than the limit and a minute's burst is let in", () => {
    const arrival = fc.record({
      gapMs: fc.integer({ min: 0, max: 20_000 }),
      holdMs: fc.integer({ min: 0, max: 5000 }),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(arrival),
        (rpm, most, list) => {
          const usage = new KeyUsage(limits({ requestsPerMinute: rpm, concurrent: most }), 0);
          const ends: number[] = [];
          let nowMs = 0;
          let admitted = 0;
          for (const { gapMs, holdMs } of list) {
            nowMs += gapMs;
            while (ends.length > 0 && Math.min(...ends) <= nowMs) {
              ends.splice(ends.indexOf(Math.min(...ends)), 1);
              usage.leave();
            }
            const error = failure(() => usage.enter(nowMs)) as { code: string; retryAfterMs: number } | undefined;
            if (error === undefined) {
              admitted += 1;
              ends.push(nowMs + holdMs);
            } else {
              expect(error.code).toBe("rate_limit_exceeded");
              expect(error.retryAfterMs).toBeGreaterThan(0);
            }
            usage.checkIntegrity();
            expect(usage.open).toBe(ends.length);
          }
          expect(admitted).toBeLessThanOrEqual(rpm + (nowMs * rpm) / 60_000 + 1e-6);
        },
      ),
      { seed: 11 },
    );
  });
});
