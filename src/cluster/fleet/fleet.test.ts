/** A router over real engines and a bus in memory: what a client reads equals what one engine says, whatever happens to instances. */
import { getEventListeners } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "../../../test/support/error-code.ts";
import { TINY } from "../../../test/support/tiny.ts";
import { until } from "../../../test/support/engine.ts";
import { createRandom } from "../../core/index.ts";
import { fleetViewSchema } from "../../protocol/fleet-view.ts";
import {
  Engine,
  liveClock,
  type GenerateRequest,
  type RequestSummary,
  type TokenStream,
  type WatchedStep,
} from "../../runtime/index.ts";
import { MemoryBroker } from "../bus/memory.ts";
import { InstanceHost } from "../host/instance-host.ts";
import type { InstanceHostOptions } from "../host/types.ts";
import { ROUTER_NAMES } from "../routing/router.ts";
import type { FleetEngine } from "./fleet-engine.ts";
import { Fleet } from "./fleet.ts";
import type { FleetOptions } from "./types.ts";

const engines: Engine[] = [];
let broker: MemoryBroker;
let count = 0;

beforeAll(async () => {
  for (let i = 0; i < 2; i++) {
    engines.push(
      await Engine.start({
        model: { random: { ...TINY, maxPositions: 512 }, seed: 3 },
        name: "tiny",
        kvPages: 64,
        budgetTokens: 32,
        maxRunning: 8,
        maxWaiting: 16,
        exact: true,
        checkEachStep: true,
      }),
    );
  }
  broker = new MemoryBroker();
});
afterAll(() => Promise.all(engines.map((engine) => engine.stop({ graceMs: 0 }))));

/** A fleet of its own: hosts over the two engines, and a router. */
async function fleetOf(
  hosts: number,
  options: Partial<FleetOptions> = {},
  over: Partial<InstanceHostOptions> = {},
): Promise<{ fleet: Fleet; hosts: InstanceHost[]; engine: Engine } & AsyncDisposable> {
  const name = `f${count++}`;
  const started: InstanceHost[] = [];
  for (let i = 0; i < hosts; i++) {
    const bus = broker.connect();
    const host = { engine: engines[i]!, bus, fleet: name, id: `i${i}`, workItems: 0, heartbeatMs: 50, ...over };
    started.push(await InstanceHost.start(host));
  }
  const fleet = await Fleet.join({ bus: broker.connect(), fleet: name, id: "r", ...options });
  const engine = hosts === 0 ? engines[0]! : await fleet.ready("tiny");
  return {
    fleet,
    hosts: started,
    engine,
    [Symbol.asyncDispose]: async () => {
      await fleet.stop();
      await Promise.all(started.map((host) => host.stop({ graceMs: 0 })));
      for (const one of engines) await until(() => one.stats().running + one.stats().waiting === 0);
    },
  };
}

function request(seed: number, over: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 20 + (seed % 7) }, () => random.int(30, 300));
  return { promptTokens, maxTokens: 24, ignoreEos: true, sampling: { seed, temperature: 0.8 }, ...over };
}

async function read(stream: TokenStream): Promise<{ tokens: number[]; text: string; finish: string }> {
  const tokens: number[] = [];
  let [text, finish] = ["", ""];
  for await (const event of stream) {
    text += event.text;
    if (event.kind === "token") {
      expect(event.index).toBe(tokens.length);
      tokens.push(event.id);
    } else finish = event.cause;
  }
  return { tokens, text, finish };
}

describe("a fleet as an engine", () => {
  test("says what one engine says, token by token, and what it knows of the model", async () => {
    await using setup = await fleetOf(2);
    const { engine } = setup;
    expect(engine.info).toMatchObject({ name: "tiny", vocabSize: TINY.vocabSize, kvPages: 128, dir: null });
    expect(engine.tokenizer.decode(engine.tokenizer.encode("héllo"))).toBe("héllo");
    const wanted = Array.from({ length: 12 }, (_, i) => request(i, { stop: i % 3 === 0 ? ["zz"] : [] }));
    const answers = await Promise.all(wanted.map((one) => read(engine.submit(one))));
    for (const [i, one] of wanted.entries()) expect(answers[i]).toEqual(await read(engines[0]!.submit(one)));
    const { counters, histograms } = engine.stats();
    expect(counters.requests).toMatchObject({ length: 12, error: 0, abort: 0 });
    expect(counters.generationTokens).toBe(12 * 24);
    expect(histograms.time_to_first_token_seconds.count).toBe(12);
  });

  test("tells observers and how it ended, in moments of this process", async () => {
    await using setup = await fleetOf(1);
    const seen: string[] = [];
    let summary: RequestSummary | null = null;
    const sentMs = performance.now();
    const stream = setup.engine.submit(request(1, { maxTokens: 3 }), {
      onEnd: (told) => {
        summary = told;
      },
      observer: {
        admitted: () => seen.push("admitted"),
        chunk: (_at, _ms, tokens) => seen.push(`chunk ${tokens}`),
        token: () => seen.push("token"),
        interrupted: () => undefined,
        resumed: () => undefined,
      },
    });
    await read(stream);
    expect(seen.filter((word) => word === "token")).toHaveLength(3);
    expect(seen).toContain("admitted");
    expect(summary).toMatchObject({ end: "length", completionTokens: 3, cause: "max_tokens", error: null });
    const { scheduledMs, firstTokenMs, arrivalMs, endMs } = summary! as RequestSummary;
    expect(arrivalMs).toBeLessThanOrEqual(scheduledMs!);
    expect(scheduledMs!).toBeLessThanOrEqual(firstTokenMs!);
    expect(endMs - arrivalMs).toBeLessThanOrEqual(performance.now() - sentMs + 50);
  });

  test("refuses in the instance's words, and what it can see itself at once", async () => {
    await using setup = await fleetOf(1);
    const { engine } = setup;
    expect(
      await codeOf(read(engine.submit(request(1, { maxTokens: 4, grammar: { kind: "regex", pattern: "(" } })))),
    ).toBe("invalid_request");
    expect(() => engine.submit(request(1, { promptTokens: [] }))).toThrow("empty");
    expect(() => engine.submit(request(1, { promptTokens: Array.from({ length: 600 }, () => 40) }))).toThrow("context");
    expect(await codeOf(engine.embed([1, 2]))).toBe("unsupported");
  });

  test("a cancelled request leaves its instance, whoever cancels", async () => {
    await using setup = await fleetOf(1);
    const stream = setup.engine.submit(request(2, { maxTokens: 400 }));
    await stream.next();
    stream.cancel();
    expect(await codeOf(read(stream))).toBe("cancelled");
    const controller = new AbortController();
    const aborted = setup.engine.submit(request(3, { maxTokens: 400 }), { signal: controller.signal });
    await aborted.next();
    controller.abort();
    expect(await codeOf(read(aborted))).toBe("cancelled");
    const left = setup.engine.submit(request(4, { maxTokens: 400 }));
    await left.next();
    await left.return();
    await until(() => engines[0]!.stats().running === 0);
    expect(setup.engine.stats().counters.requests.abort).toBe(3);
  });

  test("a reader that does not read holds up its own sequence and nobody else", async () => {
    await using setup = await fleetOf(1, { window: 8, stallMs: 60_000 });
    const slow = setup.engine.submit(request(5, { maxTokens: 120 }));
    await slow.next();
    await until(() => engines[0]!.stats().paused === 1 || engines[0]!.stats().running === 0);
    const quick = await read(setup.engine.submit(request(6)));
    expect(quick.tokens).toHaveLength(24);
    const rest = [];
    for await (const event of slow) if (event.kind === "token") rest.push(event.id);
    expect(rest).toHaveLength(119);
  });

  test("a reader that never reads loses its request", async () => {
    await using setup = await fleetOf(1, { window: 4, stallMs: 150 });
    const stream = setup.engine.submit(request(7, { maxTokens: 200 }));
    await until(() => setup.engine.stats().counters.requests.error === 1);
    expect(await codeOf(read(stream))).toBe("request_timeout");
  });
});

describe("instances come and go", () => {
  test("without one a model is refused with a time to come back; with one again it is served", async () => {
    const models: string[] = [];
    await using setup = await fleetOf(1, { onModel: ({ info }) => models.push(info.name) });
    const { engine, fleet, hosts } = setup;
    await hosts[0]!.stop({ graceMs: 0 });
    await until(() => engine.state === "restarting");
    expect(() => engine.submit(request(1))).toThrow("no instance");
    expect(fleet.view().instances).toEqual([]);
    const again = await InstanceHost.start({
      engine: engines[0]!,
      bus: broker.connect(),
      fleet: fleet.name,
      id: "i0",
      workItems: 0,
    });
    await until(() => engine.state === "ready");
    expect((await read(engine.submit(request(1)))).tokens).toHaveLength(24);
    expect(models).toEqual(["tiny"]);
    await again.stop({ graceMs: 0 });
  });

  test("one that drains gets nothing new", async () => {
    await using setup = await fleetOf(2, { router: "round-robin" });
    const { fleet, engine, hosts } = setup;
    expect(await fleet.drain("i0")).toMatchObject({ id: "i0", state: "draining" });
    await until(() => fleet.find("i0") === null || fleet.find("i0")!.draining);
    const before = engines[1]!.stats().counters.promptTokens;
    await Promise.all([1, 2, 3].map((seed) => read(engine.submit(request(seed)))));
    expect(engines[1]!.stats().counters.promptTokens).toBeGreaterThan(before);
    await hosts[0]!.drained;
  });

  test("a request that one instance has no room for goes to the other", async () => {
    await using setup = await fleetOf(2, { router: "round-robin" });
    const many = Array.from({ length: 40 }, (_, i) => read(setup.engine.submit(request(i, { maxTokens: 12 }))));
    const ended = await Promise.allSettled(many);
    expect(ended.filter(({ status }) => status === "fulfilled").length).toBeGreaterThanOrEqual(32);
    for (const one of ended) {
      if (one.status === "rejected") expect((one.reason as { code: string }).code).toBe("queue_full");
    }
  });
});

describe("many clients that are ended together", () => {
  test("share one listener on their signal, and whoever has ended is not called", async () => {
    await using setup = await fleetOf(2, { durable: "keyed" }, { workItems: 4 });
    const { engine } = setup;
    const over = new AbortController();
    const { signal } = over;
    await read(engine.submit(request(0), { signal }));
    await read(engine.submit(request(1, { whole: { key: "done" } }), { signal }));
    const open = Array.from({ length: 12 }, (_, i) => engine.submit(request(i, { maxTokens: 400 }), { signal }));
    const kept = Array.from({ length: 4 }, (_, i) =>
      engine.submit(request(i, { maxTokens: 400, whole: { key: `kept ${i}` } }), { signal }),
    );
    const codes = [...open, ...kept].map((stream) => codeOf(read(stream)));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    over.abort();
    expect(new Set(await Promise.all(codes))).toEqual(new Set(["cancelled"]));
    const { requests } = engine.stats().counters;
    expect([requests.abort + requests.error, requests.length]).toEqual([16, 2]);
  });
});

describe("steps", () => {
  test("a router tells those of the instances that have its requests, in moments of its own, and of no others", async () => {
    await using setup = await fleetOf(2);
    const { engine, fleet } = setup;
    const steps: WatchedStep[] = [];
    await read(engine.submit(request(1))); // nobody watches: nothing is told
    const unwatch = engine.watch((step) => steps.push(step));
    const beganMs = liveClock.nowMs();
    const stream = engine.submit(request(902, { maxTokens: 200 }));
    await stream.next();
    const at = fleet.view().requests[0]!.instance!;
    // Another one, which this router has nothing of, is busy as well.
    const other = engines[at === "i0" ? 1 : 0]!;
    const rest = async (): Promise<void> => {
      for await (const event of stream) expect(event.kind === "token" || event.cause === "max_tokens").toBe(true);
    };
    await Promise.all([rest(), read(other.submit(request(903, { maxTokens: 200 })))]);
    await until(() => steps.reduce((sum, { decodeTokens }) => sum + decodeTokens, 0) >= 199);
    expect(new Set(steps.map(({ instance }) => instance))).toEqual(new Set([at]));
    expect(steps.reduce((sum, { prefillTokens }) => sum + prefillTokens, 0)).toBe(request(902).promptTokens.length);
    for (const [i, { startMs, durationMs, budgetTokens, sequences }] of steps.entries()) {
      expect(startMs).toBeGreaterThanOrEqual(steps[i - 1]?.startMs ?? beganMs - 100);
      expect(startMs + durationMs).toBeLessThan(liveClock.nowMs());
      expect([budgetTokens, sequences]).toEqual([32, 1]);
    }
    unwatch();
    const before = steps.length;
    await read(engine.submit(request(4)));
    expect(steps.length).toBe(before);
  });

  test("who watches after the last watcher has left is not told what was held for that one", async () => {
    await using setup = await fleetOf(1);
    const { engine, fleet } = setup;
    const router = fleet.engines[0] as FleetEngine;
    const take = router.tookSteps.bind(router);
    let taken = 0;
    router.tookSteps = (message, nowMs) => {
      taken += message.steps.length;
      take(message, nowMs);
      leave();
    };
    let leave = (): void => undefined;
    const first: WatchedStep[] = [];
    const unwatch = engine.watch((step) => first.push(step));
    let leftMs = 0;
    leave = () => {
      if (leftMs > 0 || taken === first.length) return;
      unwatch(); // some are held
      unwatch(); // once more does nothing
      leftMs = liveClock.nowMs();
    };
    await read(engine.submit(request(5, { maxTokens: 200 })));
    await until(() => leftMs > 0);
    const second: WatchedStep[] = [];
    engine.watch((step) => second.push(step));
    await read(engine.submit(request(6)));
    await until(() => second.length > 0);
    for (const { startMs, durationMs } of second) expect(startMs + durationMs).toBeGreaterThanOrEqual(leftMs);
  });
});

describe("what a console sees", () => {
  test("instances, requests where they run, routers side by side", async () => {
    await using setup = await fleetOf(2, { router: "round-robin" });
    const { fleet, engine } = setup;
    const stream = engine.submit(request(1, { id: "req-1", maxTokens: 300 }));
    await stream.next();
    await until(() => fleet.view().instances.every(({ state }) => state === "serving"));
    const view = fleet.view();
    expect(fleetViewSchema.parse(view)).toEqual(view);
    expect(view).toMatchObject({ kind: "fleet", bus: { kind: "memory", status: "connected" }, omittedRequests: 0 });
    expect(view.instances.map(({ id, state }) => [id, state])).toEqual([
      ["i0", "serving"],
      ["i1", "serving"],
    ]);
    expect(view.requests).toMatchObject([{ id: "req-1", model: "tiny", state: "running", moves: 0 }]);
    await stream.return();
    expect(fleet.setRouter("llumnix")).toEqual({ router: "llumnix", previous: "round-robin" });
    expect(() => fleet.setRouter("best")).toThrow("llumnix");
    await read(engine.submit(request(2)));
    const { routers } = fleet.view();
    expect(routers[0]).toMatchObject({ name: "llumnix", isActive: true, requests: 1 });
    expect(routers.map(({ name }) => name).toSorted()).toEqual(ROUTER_NAMES.toSorted());
    const others = routers.slice(1).filter(({ isActive, requests }) => isActive || requests > 0);
    expect(others).toMatchObject([{ name: "round-robin", isActive: false, requests: 1 }]);
    expect(fleet.view().requests).toEqual([]);
  });
});

test("repeated beginnings go where they are cached, and the index is corrected by what answers say", async () => {
  await using setup = await fleetOf(2, { router: "kv-aware" });
  const { engine, fleet } = setup;
  const shared = Array.from({ length: 160 }, (_, i) => 30 + (i % 200));
  for (let i = 0; i < 6; i++)
    await read(engine.submit(request(i, { promptTokens: [...shared, 40 + i], maxTokens: 4 })));
  const [router] = fleet.view().routers;
  expect(router!.hitShare).toBeGreaterThan(0.7);
  const { prefixHits, prefixQueries } = engine.stats().counters;
  expect(prefixHits / prefixQueries).toBeGreaterThan(0.7);
});

describe("answers that are wanted whole", () => {
  test("are kept by the bus under their key: computed once, told again, also by a router that has just started", async () => {
    await using setup = await fleetOf(2, { durable: "keyed" }, { workItems: 4 });
    const { engine, fleet } = setup;
    const one = request(50, { whole: { key: "once" }, sampling: {} });
    const first = await read(engine.submit(one));
    expect(first.tokens).toHaveLength(24);
    const computed = engines[0]!.stats().counters.promptTokens + engines[1]!.stats().counters.promptTokens;
    await using again = await Fleet.join({ bus: broker.connect(), fleet: fleet.name, id: "r2", durable: "keyed" });
    expect(await read((await again.ready()).submit(one))).toEqual(first);
    expect(engines[0]!.stats().counters.promptTokens + engines[1]!.stats().counters.promptTokens).toBe(computed);
    expect((await read(engine.submit(request(51, { whole: { key: "once" }, sampling: {} })))).tokens).not.toEqual(
      first.tokens,
    );
    expect(engine.stats().counters.requests.length).toBe(2);
    await again.stop();
  });

  test("wait for an instance, and go on when who asked has left", async () => {
    await using setup = await fleetOf(1, { durable: "keyed" }, { workItems: 4 });
    const { engine, fleet, hosts } = setup;
    await hosts[0]!.stop({ graceMs: 0 });
    await until(() => engine.state === "restarting");
    const one = request(52, { whole: { key: "later" } });
    const left = engine.submit(one);
    setTimeout(() => left.cancel(), 100);
    expect(await codeOf(read(left))).toBe("cancelled");
    const again = await InstanceHost.start({
      engine: engines[0]!,
      bus: broker.connect(),
      fleet: fleet.name,
      id: "i9",
      workItems: 2,
    });
    expect((await read(engine.submit(one))).tokens).toEqual((await read(engines[0]!.submit(one))).tokens);
    await again.stop({ graceMs: 0 });
  });
});
