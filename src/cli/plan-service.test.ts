import { request as httpRequest } from "node:http";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import {
  planEventSchema,
  planChoicesSchema,
  PLAN_LIMITS,
  traceCardSchema,
  worldEventSchema,
} from "../protocol/index.ts";
import type { PlanEvent, PlanRequest, TraceCard, WorldEvent } from "../protocol/index.ts";
import { createServer, plainKey, type PunctualServer } from "../server/index.ts";
import { createDeployment } from "../sim/index.ts";
import { createPlanJobs, type PlanJobs, type PlanJobsOptions } from "./plan-service.ts";

let server: PunctualServer | null = null;
let jobs: PlanJobs | null = null;
afterEach(async () => {
  await server?.close({ graceMs: 0 });
  await jobs?.close();
  [server, jobs] = [null, null];
});

async function start(options: PlanJobsOptions = {}, keys: readonly string[] = []): Promise<string> {
  jobs = createPlanJobs(options);
  server = createServer({ engines: [], planning: jobs, keys: keys.map((key, i) => plainKey(key, `key-${i}`)) });
  return (await server.listen({ port: 0 })).url;
}

const small: PlanRequest = {
  workload: { kind: "generate", spec: "azure-code,max-total=2048" },
  rate: 3,
  limit: 24,
  slo: { ttftMs: 1000, tpotMs: 60 },
  attain: 0.9,
  gpus: [1, 2],
  prices: [{ gpu: "a100", pricePerHour: 2 }],
  model: "opt-13b",
  maxStages: 1,
};
/** Where it only matters that one is made. */
const tiny: PlanRequest = { ...small, limit: 8, gpus: [1, 1], modes: ["colocated"] };
/** Far more than a test has time for. */
const endless: PlanRequest = {
  ...small,
  workload: { kind: "generate", spec: "azure-conversation" },
  rate: 60,
  limit: PLAN_LIMITS.requests,
  gpus: [1, 128],
  maxStages: 2,
};

const post = (url: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
  fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });

async function* events(response: Response): AsyncGenerator<unknown> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      yield JSON.parse(text.slice("data: ".length, end));
      text = text.slice(end + 2);
    }
  }
}

async function planned(url: string, body: PlanRequest): Promise<PlanEvent[]> {
  const response = await post(url, "/admin/plan", body);
  expect(response.status).toBe(200);
  const heard: PlanEvent[] = [];
  for await (const event of events(response)) heard.push(planEventSchema.parse(event));
  return heard;
}

const last = <T>(all: readonly T[]): T => all.at(-1)!;

/** Resolves when it is so; fails with what is not. */
async function until(what: string, isSo: () => boolean, withinMs = 10_000): Promise<void> {
  const startMs = performance.now();
  while (!isSo()) {
    if (performance.now() - startMs > withinMs) throw new Error(`within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a plan is told while it is made: stages, modes, points, and the whole at the end", async () => {
  const url = await start();
  const heard = await planned(url, small);
  expect(heard[0]).toMatchObject({ kind: "started", requests: 24, note: null });
  const done = last(heard);
  if (done.kind !== "done") throw new Error(JSON.stringify(done));
  const { chosen, runnersUp, nearest, others, curves, sensitivity, costs } = done.plan;
  expect(chosen!.placement.parts[0]).toMatchObject({ role: "both", gpu: "a100", tensorParallel: 1, pipelineStages: 1 });
  expect(runnersUp.length + nearest.length + others.length).toBe(3);
  expect(new Set(curves.map(({ placement }) => placement.mode)).size).toBe(4);
  for (const { placement, points } of curves) {
    const told = heard.flatMap((event) =>
      event.kind === "point" && event.placement.name === placement.name ? [event.point] : [],
    );
    expect(told).toEqual(points);
  }
  expect(sensitivity!.mostLoad).toBeGreaterThanOrEqual(1);
  expect(costs[0]!.basis).toContain("DistServe");
  expect(heard.filter(({ kind }) => kind === "found")).toHaveLength(4);
  expect(done.command).toBe(
    "punctual plan --generate azure-code,max-total=2048 --rate 3 --limit 24 --slo ttft=1000ms,tpot=60ms " +
      "--attain 0.9 --gpus 1..2 --prices a100=2 --model opt-13b --max-stages 1",
  );
  await until("no worker is left", () => jobs!.workers === 0);
});

test("when nothing attains the nearest say what it would take", async () => {
  const url = await start();
  const done = last(await planned(url, { ...small, slo: { ttftMs: 30, tpotMs: 21 } }));
  if (done.kind !== "done") throw new Error(JSON.stringify(done));
  expect(done.plan.chosen).toBeNull();
  expect(done.plan.nearest.length).toBeGreaterThan(1);
  expect(done.plan.curves.map(({ placement }) => placement.name)).toEqual(
    done.plan.nearest.map(({ placement }) => placement.name),
  );
  expect(done.plan.nearest[0]!.mostLoad).toBeLessThan(1);
});

test("a client that leaves ends the worker, and the next one is served", async () => {
  const url = await start();
  const controller = new AbortController();
  const response = await post(url, "/admin/plan", endless, controller.signal);
  for await (const event of events(response)) if ((event as PlanEvent).kind === "progress") break;
  expect(jobs!.workers).toBe(1);
  controller.abort();
  await until("the worker is gone", () => jobs!.workers === 0);
  expect(last(await planned(url, tiny)).kind).toBe("done");
});

test("one runs, four wait, the next is told when to come again; whoever leaves makes room", async () => {
  const url = await start();
  const clients = Array.from({ length: 5 }, () => new AbortController());
  for (const [i, { signal }] of clients.entries()) {
    expect((await post(url, "/admin/plan", endless, signal)).status).toBe(200);
    await until(`${i} wait`, () => jobs!.waiting === i);
  }
  const refused = await post(url, "/admin/plan", small);
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await refused.json()).toMatchObject({ error: { code: "queue_full" } });
  clients[2]!.abort();
  await until("three wait", () => jobs!.waiting === 3);
  expect(jobs!.workers).toBe(1);
  const waiting = post(url, "/admin/plan", tiny);
  await until("four wait", () => jobs!.waiting === 4);
  for (const client of clients) client.abort();
  const heard: PlanEvent[] = [];
  for await (const event of events(await waiting)) heard.push(event as PlanEvent);
  expect(heard.filter(({ kind }) => kind === "queued").length).toBeGreaterThan(1);
  expect(last(heard).kind).toBe("done");
});

test("a job that takes too long is ended, and says so", async () => {
  const url = await start({ jobMs: 300 });
  expect(last(await planned(url, endless))).toMatchObject({ kind: "error", code: "request_timeout" });
  await until("the worker is gone", () => jobs!.workers === 0);
});

test("closing leaves nothing behind", async () => {
  const url = await start();
  const response = await post(url, "/admin/plan", endless);
  const waiting = await post(url, "/admin/plan", endless);
  await jobs!.close();
  expect(jobs!.workers).toBe(0);
  for await (const event of events(response)) expect((event as PlanEvent).kind).not.toBe("done");
  for await (const event of events(waiting)) expect((event as PlanEvent).kind).toBe("queued");
});

describe("what is wrong is refused by its name before anything runs", () => {
  test.each([
    ["slo", { slo: {} }],
    ["attain", { attain: 0 }],
    ["gpus", { gpus: [4, 2] }],
    ["gpus[1]", { gpus: [1, 1000] }],
    ["limit", { limit: 1_000_000 }],
    ["prices", { prices: [] }],
    ["prices", { prices: [{ gpu: "tpu", pricePerHour: 1 }] }],
    ["prices", { prices: [{ gpu: "local", pricePerHour: 1 }] }],
    ["model", { model: "gpt-5" }],
    ["modes[0]", { modes: ["magic"] }],
    ["generate", { workload: { kind: "generate", spec: "nothing" } }],
    ["generate", { workload: { kind: "generate", spec: "azure-code,colour=3" } }],
    ["workload.id", { workload: { kind: "trace", id: "gone" } }],
  ])("%s", async (param, change) => {
    const url = await start();
    const response = await post(url, "/admin/plan", { ...small, ...change });
    expect([400, 404]).toContain(response.status);
    expect(await response.json()).toMatchObject({ error: { param } });
    expect(jobs!.workers + jobs!.waiting).toBe(0);
  });
});

describe("a trace that is brought", () => {
  const rows = Array.from({ length: 30 }, (_, i) => `2023-11-16 18:00:${String(10 + i)}.0000000,${900 + i},${20 + i}`);
  const azure = `TIMESTAMP,ContextTokens,GeneratedTokens\n${rows.join("\n")}\n`;
  const bring = (url: string, body: string, name = "day.csv"): Promise<Response> =>
    fetch(`${url}/admin/traces?name=${encodeURIComponent(name)}`, { method: "POST", body });

  async function brought(url: string, body: string): Promise<TraceCard> {
    const response = await bring(url, body);
    expect(response.status).toBe(200);
    return traceCardSchema.parse(await response.json());
  }

  test("is described, listed, and planned on; the command names its file", async () => {
    const url = await start();
    const card = await brought(url, azure);
    expect(card).toMatchObject({ name: "day.csv", format: "azure", requests: 30 });
    const choices = planChoicesSchema.parse(await (await fetch(`${url}/admin/plan`)).json());
    expect(choices.traces).toEqual([card]);
    expect(choices.generators.map(({ name }) => name)).toContain("azure-code");
    for (const cost of choices.costs) expect(createDeployment(cost).deployment.kvTokens).toBeGreaterThan(1000);
    const done = last(await planned(url, { ...tiny, workload: { kind: "trace", id: card.id }, rate: 2 }));
    if (done.kind !== "done") throw new Error(JSON.stringify(done));
    expect(done.command).toContain("--trace day.csv --rate 2");
    expect(done.plan.trace).toMatchObject({ name: "day.csv", requests: 8 });
  });

  test("is refused when it is none, too short or too large", async () => {
    const url = await start();
    for (const [body, status, code] of [
      ["nothing of the kind", 400, "invalid_file"],
      ["TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:10.0,x,1\n", 400, "invalid_file"],
      [azure.split("\n").slice(0, 2).join("\n"), 400, "invalid_file"],
    ] as const) {
      const response = await bring(url, body);
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({ error: { code } });
    }
    expect((await bring(url, azure, "")).status).toBe(400);
    // A declared length is judged before a byte is read.
    const socket = httpRequest(`${url}/admin/traces?name=a`, {
      method: "POST",
      headers: { "content-length": PLAN_LIMITS.traceBytes + 1 },
    });
    socket.on("error", () => undefined); // the server may hang up on the body that never comes
    socket.flushHeaders();
    const [response] = (await once(socket, "response")) as [{ readonly statusCode: number }];
    expect(response.statusCode).toBe(413);
    socket.destroy();
  });

  test("gives way to newer ones", async () => {
    const url = await start();
    const first = await brought(url, azure);
    for (let i = 0; i < PLAN_LIMITS.traces; i++) await brought(url, azure);
    const { traces } = planChoicesSchema.parse(await (await fetch(`${url}/admin/plan`)).json());
    expect(traces).toHaveLength(PLAN_LIMITS.traces);
    expect(traces.map(({ id }) => id)).not.toContain(first.id);
  });
});

test("one world: what came of its requests, over time and one by one", async () => {
  const url = await start();
  const world = { workload: small.workload, rate: 3, limit: 60, cost: "opt-13b", slo: small.slo, instances: 2 };
  const heard: WorldEvent[] = [];
  for await (const event of events(await post(url, "/admin/simulate", world)))
    heard.push(worldEventSchema.parse(event));
  const done = last(heard);
  if (done.kind !== "done") throw new Error(JSON.stringify(done));
  expect(done.world.requests).toEqual({ arrived: 60, done: 60 });
  expect(done.world.sample).toHaveLength(60);
  expect(done.world.timeline.at(-1)).toMatchObject({ waiting: 0, running: 0 });
  for (const { waiting, running } of done.world.timeline) expect(Math.min(waiting, running)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...done.world.timeline.map(({ running }) => running))).toBeGreaterThan(0);
  expect(done.command).toBe(
    "punctual simulate --generate azure-code,max-total=2048 --rate 3 --limit 60 --cost opt-13b " +
      "--slo ttft=1000ms,tpot=60ms --instances 2",
  );
  const refused = await post(url, "/admin/simulate", { ...world, cost: "abacus" });
  expect(await refused.json()).toMatchObject({ error: { param: "cost" } });
});

test("with keys nobody plans without one", async () => {
  const url = await start({}, ["a-secret-of-16-characters"]);
  for (const path of ["/admin/plan", "/admin/simulate", "/admin/traces?name=a"]) {
    expect((await post(url, path, small)).status).toBe(401);
  }
  expect((await fetch(`${url}/admin/papers`)).status).toBe(401);
});
