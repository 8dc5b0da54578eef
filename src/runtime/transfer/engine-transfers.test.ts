/** Two real engines, each with its worker thread: sequences and prefixes between them, and what becomes of those who fail. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PunctualError } from "../../core/index.ts";
import { collect, type Completion } from "../collect.ts";
import { codeOf, endless, request, startChecked, until } from "../engine.conformance.ts";
import type { Engine } from "../engine.ts";
import type { FinishEvent, GenerateEvent, GenerateRequest, RequestSummary, TokenStream } from "../types.ts";
import type { SequenceSnapshot } from "./types.ts";

let source: Engine;
let target: Engine;
beforeAll(async () => {
  [source, target] = [await startChecked(), await startChecked()];
}, 60_000);
afterAll(async () => {
  for (const engine of [source, target]) await engine.stop({ graceMs: 0 });
});

/** Everything until the stream says that it has moved; null for `moved` when it ended by itself. */
async function untilMoved(stream: TokenStream): Promise<{ events: GenerateEvent[]; moved: boolean }> {
  const events: GenerateEvent[] = [];
  try {
    for await (const event of stream) events.push(event);
    return { events, moved: false };
  } catch (error) {
    if (!(error instanceof PunctualError) || error.code !== "moved") throw error;
    return { events, moved: true };
  }
}

/** Moves a running request, copying what is whole while it goes on. */
async function move(from: Engine, to: Engine, id: string, elapsedMs = 0): Promise<TokenStream> {
  const leaving = await from.transfers.export(id);
  const { wholePages } = await leaving.progress();
  const offered = snapshotAtStart(id, leaving.requestId);
  const entering = await to.transfers.import({ snapshot: offered, pages: wholePages + 4 });
  expect(await entering.reserve(wholePages)).toBe(true);
  const done = Math.max(wholePages, entering.cachedPages);
  if (wholePages > entering.cachedPages) {
    const first = entering.cachedPages;
    await entering.write(first, await leaving.read(first, wholePages - first));
  }
  const { snapshot, bytes } = await leaving.freeze({ from: done });
  const tail = bytes === null ? {} : { tail: { first: done, bytes } };
  const wire = JSON.parse(JSON.stringify(snapshot)) as SequenceSnapshot;
  const stream = await entering.commit(wire, { ...tail, elapsedMs });
  await leaving.commit();
  return stream;
}

/** What a mover knows before it freezes: the request as it was asked. */
const asked = new Map<string, GenerateRequest>();
function snapshotAtStart(id: string, requestId: string): SequenceSnapshot {
  return {
    version: 1,
    model: source.info.modelFingerprint!,
    requestId,
    request: asked.get(id)!,
    generated: [],
    computed: 0,
    ageMs: 0,
    scheduledAgeMs: null,
    firstTokenAgeMs: null,
    lastTokenAgeMs: null,
    counts: { cachedTokens: null, tokensInTime: 0, reachedTokens: 0, transferMs: null, drafts: null },
  };
}

function submit(engine: Engine, one: GenerateRequest, onEnd?: (summary: RequestSummary) => void): TokenStream {
  asked.set(one.id!, one);
  return engine.submit(one, onEnd === undefined ? {} : { onEnd });
}

function joined(events: readonly GenerateEvent[]): Promise<Completion> {
  return collect(
    (async function* () {
      yield* events;
    })(),
  );
}

describe("two engines", () => {
  test("an answer that moves is the answer; it is in the books once, where it ended, with its age", async () => {
    const one = request(1, { id: "mover", maxTokens: 200, sampling: { seed: 5, logprobs: 1 } });
    const whole = await collect(target.submit(one));
    const before = { source: source.stats().counters, target: target.stats().counters };
    let ended: RequestSummary | null = null;
    const first = submit(source, one, (summary) => {
      ended = summary;
    });
    await first.next();
    const [second, { events, moved }] = await Promise.all([move(source, target, "mover", 40), untilMoved(first)]);
    expect(moved).toBe(true);
    const rest: GenerateEvent[] = [];
    for await (const event of second) rest.push(event);
    expect(second.id).toBe("mover");
    const tokens = [...events, ...rest].flatMap((event) => (event.kind === "token" ? [event] : []));
    expect(tokens.map(({ index }) => index)).toEqual(tokens.map((_, i) => i + 1)); // the first was read before
    expect(tokens.map(({ id, logprobs }) => [id, logprobs?.logprob])).toHaveLength(199);
    const { text } = await joined([...events, ...rest]);
    expect(whole.text.endsWith(text)).toBe(true);
    expect(whole.tokens.slice(1)).toEqual(tokens.map(({ id }) => id));
    const { usage } = rest.at(-1) as FinishEvent;
    expect(usage).toMatchObject({ promptTokens: one.promptTokens.length, completionTokens: 200 });
    expect(usage.transferMs).toBeGreaterThanOrEqual(40);
    expect(usage.slo.e2e_ms).toBeGreaterThan(usage.transferMs!);
    expect(ended).toMatchObject({ moved: true, outcome: null, error: null });
    const at = await until(source, (s) => s.running === 0 && s.kv.pagesUsed === 0);
    expect(at.counters.requests).toEqual(before.source.requests);
    const there = await until(target, (s) => s.kv.pagesUsed === 0);
    expect(there.counters.requests.length).toBe(before.target.requests.length + 1);
  });

  test("what is not exact of a context is told where its answer ends, whichever engine began it", async () => {
    const promptTokens = Array.from({ length: 50 }, (_, i) => 30 + i);
    const one = request(3, { id: "salted", promptTokens, maxTokens: 200, cacheSalt: "s", exactPrefixTokens: 16 });
    // Computed under that salt once, so that it is cached.
    await collect(source.submit({ ...one, id: "before", maxTokens: 1 }));
    const first = submit(source, one);
    await first.next();
    const [second] = await Promise.all([move(source, target, "salted"), untilMoved(first)]);
    const { usage } = await collect(second).then(({ finish }) => finish);
    expect(usage.cachedTokens).toBeGreaterThan(16);
    expect(usage.lossyTokens).toBe(usage.cachedTokens - 16);
    await until(source, (s) => s.running === 0 && s.kv.pagesUsed === 0);
  });

  test("aborted at every stage it stays, and ends as it would have; nothing is left anywhere", async () => {
    const whole = await collect(source.submit(request(2, { maxTokens: 300 })));
    for (const stage of ["export", "import", "reserve", "write", "freeze"] as const) {
      const id = `stays-${stage}`;
      const stream = submit(source, request(2, { id, maxTokens: 300 }));
      await stream.next();
      const leaving = await source.transfers.export(id);
      expect(await codeOf(() => source.transfers.export(id))).toBe("busy");
      if (stage !== "export") {
        const entering = await target.transfers.import({ snapshot: snapshotAtStart(id, id), pages: 8 });
        if (stage !== "import") expect(await entering.reserve(8)).toBe(true);
        if (stage === "write") await entering.write(entering.cachedPages, new Uint8Array(entering.pageBytes));
        if (stage === "freeze") {
          const { snapshot, pages } = await leaving.freeze();
          expect((await source.transfers.list()).find((row) => row.requestId === id)).toMatchObject({
            state: "frozen",
            leaving: true,
            pages,
          });
          // What was never written cannot be gone on with, and the import stays open.
          if (pages > entering.cachedPages) {
            expect(await codeOf(() => entering.commit(snapshot))).toBe("invalid_request");
          }
        }
        await entering.abort();
        expect(await codeOf(() => entering.reserve(1))).toBe("not_found");
      }
      await leaving.resume();
      expect(await codeOf(() => leaving.progress())).toBe("not_found");
      const { tokens } = await collect(stream);
      expect(tokens).toEqual(whole.tokens.slice(1));
    }
    for (const engine of [source, target]) await until(engine, (s) => s.running === 0 && s.kv.pagesUsed === 0);
  });

  test("cancelled while it leaves it ends here, frozen or not; so it does on the other side", async () => {
    for (const frozen of [false, true]) {
      const stream = submit(source, endless(3 + Number(frozen)));
      await stream.next();
      const leaving = await source.transfers.export(stream.id);
      if (frozen) await leaving.freeze();
      stream.cancel();
      expect(await codeOf(() => leaving.freeze())).toBe("not_found");
      expect(await codeOf(() => leaving.commit())).toBe("not_found");
      await leaving.resume();
    }
    await until(source, (s) => s.running === 0 && s.kv.pagesUsed === 0);
  });
});

test("pages that an idle engine promises to a guest are told, and that they are free again", async () => {
  asked.set("guest", request(9, { id: "guest" }));
  const entering = await target.transfers.import({ snapshot: snapshotAtStart("guest", "guest"), pages: 3 });
  expect(await entering.reserve(3)).toBe(true);
  await until(target, (s) => s.kv.pagesUsed === 3);
  await entering.abort();
  await until(target, (s) => s.kv.pagesUsed === 0);
});
