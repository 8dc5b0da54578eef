/** What real engines do beyond a single move: crash and go on elsewhere, hand over by themselves, share prefixes, refuse. */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY } from "../../../test/support/tiny.ts";
import { PunctualError } from "../../core/index.ts";
import { collect, type Completion } from "../collect.ts";
import { codeOf, endless, request, startChecked, until } from "../engine.conformance.ts";
import { Engine } from "../engine.ts";
import { ModelPool } from "../model-pool.ts";
import type { GenerateEvent, GenerateRequest, TokenEvent, TokenStream } from "../types.ts";
import { modelFingerprint } from "./fingerprint.ts";
import { noTransfers } from "./no-transfers.ts";
import type { ResumeRequest, SequenceSnapshot } from "./types.ts";

const SMALL = { model: { random: { ...TINY, maxPositions: 1024 }, seed: 3 }, kvPages: 96, budgetTokens: 32 };

let one: Engine;
let other: Engine;
beforeAll(async () => {
  [one, other] = await Promise.all([
    startChecked({ handOff: "after-first-token", transferTimeoutMs: 400 }),
    startChecked(),
  ]);
}, 90_000);
afterAll(async () => {
  await Promise.all([one, other].map((engine) => engine.stop({ graceMs: 0 })));
});

/** What of a stream comes until `tokens` are there or it ends. */
async function first(stream: TokenStream, tokens: number): Promise<TokenEvent[]> {
  const events: TokenEvent[] = [];
  while (events.length < tokens) {
    const { value, done } = await stream.next();
    if (done === true || value.kind !== "token") break;
    events.push(value);
  }
  return events;
}

function seen(asked: GenerateRequest, tokens: readonly number[]): ResumeRequest {
  return {
    requestId: "seen",
    request: asked,
    generated: tokens,
    ageMs: 300,
    firstTokenAgeMs: tokens.length > 0 ? 200 : null,
    lastTokenAgeMs: tokens.length > 0 ? 100 : null,
  };
}

function joinedText(events: readonly GenerateEvent[], rest: Completion): string {
  return (
    events.map((event) => (event.kind === "token" && event.section === "text" ? event.text : "")).join("") + rest.text
  );
}

describe("an engine that dies", () => {
  test("its answers are carried on by another from what their readers have seen, to the last bit", async () => {
    const schema = { type: "object", properties: { a: { type: "string" }, b: { type: "integer" } }, required: ["a"] };
    const asked: GenerateRequest[] = [
      request(1, { maxTokens: 80, sampling: { temperature: 0 } }),
      request(2, { maxTokens: 80, stop: ["zz", "ab"] }),
      request(3, { maxTokens: 80, grammar: { kind: "json_schema", schema } }),
      request(4, { maxTokens: 80, sampling: { seed: 9, presencePenalty: 0.7, topP: 0.9, logprobs: 1 } }),
    ];
    const whole = await Promise.all(asked.map((each) => collect(other.submit(each))));
    await using dying = await startChecked();
    const streams = asked.map((each) => dying.submit(each));
    const shown = await Promise.all(streams.map((stream, i) => first(stream, 3 + 4 * i)));
    dying.crashWorker("exit");
    for (const [i, stream] of streams.entries()) {
      // What had come before it died is read first.
      try {
        for await (const event of stream) if (event.kind === "token") shown[i]!.push(event);
      } catch (error) {
        expect((error as PunctualError).code).toBe("engine_failed");
      }
      const tokens = shown[i]!.map(({ id }) => id);
      const resumed = other.transfers.resume({ ...seen(asked[i]!, tokens), model: other.info.modelFingerprint! });
      const rest = await collect(resumed);
      expect([...tokens, ...rest.tokens]).toEqual(whole[i]!.tokens);
      expect(joinedText(shown[i]!, rest)).toBe(whole[i]!.text);
      expect(rest.finish).toMatchObject({
        cause: whole[i]!.finish.cause,
        usage: { completionTokens: whole[i]!.tokens.length },
      });
      expect(rest.finish.usage.slo.e2e_ms).toBeGreaterThan(300);
    }
    expect(await codeOf(() => dying.transfers.export("x"))).toBe("engine_failed");
  }, 60_000);

  test("what cannot have been seen is one clear error; what was seen whole only ends", async () => {
    const asked = request(5, { maxTokens: 12 });
    const { tokens, finish } = await collect(other.submit(asked));
    const complete = await collect(other.transfers.resume(seen(asked, tokens)));
    expect(complete).toMatchObject({ tokens: [], finish: { cause: "max_tokens" } });
    expect(complete.finish.usage.completionTokens).toBe(finish.usage.completionTokens);
    let ended: unknown;
    const onEnd = (summary: unknown): void => {
      ended = summary;
    };
    expect(await codeOf(() => collect(other.transfers.resume(seen(asked, [...tokens, 40]), { onEnd })))).toBe(
      "invalid_request",
    );
    expect(ended).toMatchObject({ end: "error", error: "invalid_request" });
    expect(await codeOf(() => other.transfers.resume({ ...seen(asked, []), model: "another" }))).toBe("unsupported");
    expect(await codeOf(() => other.transfers.resume(seen(asked, [-1])))).toBe("invalid_request");
    const cancelled = other.transfers.resume(seen(endless(1), []), { signal: AbortSignal.abort() });
    expect(await codeOf(() => collect(cancelled))).toBe("cancelled");
    await until(other, (s) => s.running === 0 && s.kv.pagesUsed === 0);
  });
});

describe("an engine that hands over", () => {
  test("tells who is ready; another takes the pages and goes on; whom nobody takes goes on here", async () => {
    const asked = request(7, { id: "handed", maxTokens: 40 });
    const whole = await collect(other.submit({ ...asked, id: "whole" }));
    const ready = new Promise<string>((resolve) => {
      const undo = one.transfers.onLeaving((id, stage) => {
        if (stage !== "ready") return;
        undo();
        resolve(id);
      });
    });
    const here = one.submit(asked);
    const id = await ready;
    expect(id).toBe("handed");
    const leaving = await one.transfers.export(id);
    const { snapshot, pages, bytes } = await leaving.freeze({ from: 0 });
    expect(bytes!.byteLength).toBe(pages * leaving.pageBytes);
    expect(leaving.pageBytes).toBe(one.info.pageBytes);
    const entering = await other.transfers.import({ snapshot, pages });
    const there = await entering.commit(snapshot, { tail: { first: 0, bytes: bytes! }, elapsedMs: 1 });
    await leaving.commit();
    const [head] = await first(here, 1);
    expect(await codeOf(() => here.next())).toBe("moved");
    const rest = await collect(there);
    expect([head!.id, ...rest.tokens]).toEqual(whole.tokens);
    const stays = await collect(one.submit(request(8, { maxTokens: 30 }))); // after 400 ms
    expect(stays.tokens).toEqual((await collect(other.submit(request(8, { maxTokens: 30 })))).tokens);
    await until(one, (s) => s.running === 0 && s.kv.pagesUsed === 0);
  }, 30_000);
});

test("a prefix goes from one engine to another, and under a salt to those who ask for it", async () => {
  const asked = request(9, { maxTokens: 1, promptTokens: Array.from({ length: 50 }, (_, i) => 40 + i) });
  await collect(one.submit(asked));
  const reader = (await one.transfers.readPrefix(asked.promptTokens))!;
  expect(reader).toMatchObject({ tokens: 48, pages: 3, pageTokens: 16 });
  const bytes = await reader.read(0, 3);
  await reader.release();
  await reader.release();
  expect(await codeOf(() => reader.read(0, 1))).toBe("not_found");
  expect(await other.transfers.installPrefix(asked.promptTokens, bytes)).toEqual({ installedTokens: 48 });
  expect(await other.transfers.installPrefix(asked.promptTokens, bytes, { salt: "s" })).toEqual({
    installedTokens: 48,
  });
  const cached = async (over: Partial<GenerateRequest>): Promise<number> =>
    (await collect(other.submit({ ...asked, ...over }))).finish.usage.cachedTokens;
  expect(await cached({})).toBe(48);
  expect(await cached({ cacheSalt: "s" })).toBe(48);
  expect(await cached({ cacheSalt: "t" })).toBe(0);
  expect(await other.transfers.readPrefix([1, 2, 3])).toBeNull();
  expect(await codeOf(() => other.submit({ ...asked, cacheSalt: "" }))).toBe("invalid_request");
  await until(other, (s) => s.kv.pagesUsed === 0);
});

describe("what is refused", () => {
  test("snapshots that somebody made up end in one of our errors, and leave nothing behind", async () => {
    const valid: SequenceSnapshot = {
      version: 1,
      model: other.info.modelFingerprint!,
      requestId: "made-up",
      request: request(3),
      generated: [40, 41],
      computed: 21,
      ageMs: 10,
      scheduledAgeMs: 9,
      firstTokenAgeMs: 8,
      lastTokenAgeMs: 7,
      counts: { cachedTokens: 0, tokensInTime: 1, reachedTokens: 21, transferMs: null, drafts: null },
    };
    const strange = fc.oneof(fc.integer({ min: -3, max: 5000 }), fc.double(), fc.constant(null));
    const draftUse = fc.record({
      acceptedTokens: strange,
      rejectedTokens: fc.nat(),
      draftsByAccepted: fc.oneof(strange, fc.array(strange, { maxLength: 3 })),
    });
    const pair = fc.oneof(fc.array(strange, { maxLength: 3 }), strange);
    const looks = fc.oneof(fc.record({ attempts: pair, misses: pair }, { requiredKeys: [] }), strange);
    const counts = fc.record(
      { reachedTokens: strange, drafts: fc.oneof(draftUse, strange), looks },
      { requiredKeys: [] },
    );
    const numbers = fc.record(
      { computed: strange, ageMs: strange, firstTokenAgeMs: strange, version: strange, counts },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(numbers, fc.array(strange, { maxLength: 5 }), fc.nat(8), async (over, generated, pages) => {
        const snapshot = { ...valid, ...over, generated } as unknown as SequenceSnapshot;
        try {
          const entering = await other.transfers.import({ snapshot, pages });
          try {
            const stream = await entering.commit(snapshot);
            await stream.return();
          } catch (error) {
            expect(error).toBeInstanceOf(PunctualError);
          }
          await entering.abort();
        } catch (error) {
          expect(error).toBeInstanceOf(PunctualError);
        }
      }),
      { numRuns: 60, seed: 4 },
    );
    await until(other, (s) => s.running === 0 && s.kv.pagesUsed === 0);
    expect(other.stats().counters.restarts).toBe(0);
    const import_ = (over: Partial<SequenceSnapshot>, pages = 2) =>
      codeOf(() => other.transfers.import({ snapshot: { ...valid, ...over }, pages }));
    expect(await import_({ model: "0".repeat(32) })).toBe("unsupported");
    expect(await import_({ request: request(3, { maxTokens: 5000 }) })).toBe("unsupported");
    expect(await import_({}, 97)).toBe("queue_full");
  }, 30_000);

  test("engines whose sequences stay say so", async () => {
    const gone = noTransfers("they are elsewhere");
    expect(await gone.list()).toEqual([]);
    expect(await codeOf(() => gone.export("x"))).toBe("unsupported");
    expect(await codeOf(() => gone.resume(seen(request(1), [])))).toBe("unsupported");
    expect(await codeOf(() => Engine.start({ ...SMALL, handOff: "after-first-token", phases: "semi-pd" }))).toBe(
      "invalid_request",
    );
  });
});

test("a pool's model is loaded by what enters, and has nothing to give before", async () => {
  await using pool = await ModelPool.create([{ name: "pooled", ...SMALL, exact: true }]);
  const { transfers, info } = pool.engine("pooled");
  expect(info.modelFingerprint).toBeNull();
  expect(await transfers.list()).toEqual([]);
  expect(await codeOf(() => transfers.export("x"))).toBe("not_found");
  expect(await transfers.readPrefix([1, 2])).toBeNull();
  const asked = request(6, { maxTokens: 20 });
  const whole = await collect(other.submit(asked));
  const rest = await collect(transfers.resume(seen(asked, whole.tokens.slice(0, 5))));
  expect(rest.tokens).toEqual(whole.tokens.slice(5));
  expect(pool.engine("pooled").info.modelFingerprint).toBe(other.info.modelFingerprint);
}, 30_000);

test("fingerprints are of contents: equal where files are equal, wherever they are, another for every change", async () => {
  const dir = await mkdtemp(join(tmpdir(), "fingerprint-"));
  try {
    const source = new URL("../../../models/punctual-small/", import.meta.url).pathname;
    const copies = [join(dir, "a"), join(dir, "b")] as const;
    for (const copy of copies) {
      await mkdir(copy);
      for (const name of ["config.json", "tokenizer.json", "model.safetensors"])
        await copyFile(join(source, name), join(copy, name));
    }
    const [a, b] = copies;
    const of = (path: string, over = {}): Promise<string> => modelFingerprint({ model: { dir: path }, ...over });
    const known = await of(source);
    expect(known).toMatch(/^[0-9a-f]{32}$/);
    expect(await of(a)).toBe(known); // neither the card is part of it, nor draft heads
    await writeFile(join(a, "card.md"), "another");
    await writeFile(join(a, "heads.safetensors"), "draft heads");
    expect(await of(a)).toBe(known);
    for (const over of [{ weights: "int8" }, { kvFormat: "int8" }, { pageTokens: 32 }])
      expect(await of(a, over)).not.toBe(known);
    const weights = await readFile(join(b, "model.safetensors"));
    weights[weights.length - 7]! ^= 1;
    await writeFile(join(b, "model.safetensors"), weights);
    expect(await of(b)).not.toBe(known);
    const random = { random: TINY, seed: 1 };
    const turned = Object.fromEntries(Object.entries(TINY).toReversed()) as unknown as typeof TINY;
    expect(await modelFingerprint({ model: random })).toBe(
      await modelFingerprint({ model: { random: turned, seed: 1 } }),
    );
    expect(await modelFingerprint({ model: random })).not.toBe(
      await modelFingerprint({ model: { ...random, seed: 2 } }),
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
