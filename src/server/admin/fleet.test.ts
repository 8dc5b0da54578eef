/** What a server says of its fleet and does to it, on a real socket; the fleet behind it is only told. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/support/engine.ts";
import {
  FleetDouble,
  fleetView,
  instanceView,
  moveView,
  requestView,
  scalingView,
} from "../../../test/support/fleet-double.ts";
import { readEvents } from "../../../test/support/sse.ts";
import { FLEET_VIEW_LIMITS, fleetAnswerSchema, type FleetAnswer, type FleetView } from "../../protocol/index.ts";
import { createServer, type PunctualServer } from "../index.ts";
import { plainKey } from "../security/keys.ts";

const fleet = new FleetDouble();
/** The server's clock: a machine that is busy must not make a feed say that it lives. */
let nowMs = 0;
let server: PunctualServer;
let url: string;

beforeAll(async () => {
  server = createServer({ engines: [], fleet, clock: { nowMs: () => nowMs } });
  ({ url } = await server.listen({ port: 0 }));
});
afterAll(() => server.close({ graceMs: 0 }));
beforeEach(() => {
  fleet.current = fleetView();
  fleet.asked.splice(0);
});

/** Makes the last look at the fleet so old that the next one is new, and gives readers the time for one. */
async function settle(): Promise<void> {
  nowMs += FLEET_VIEW_LIMITS.changeMs;
  await new Promise((resolve) => setTimeout(resolve, FLEET_VIEW_LIMITS.changeMs + 20));
}

async function read(from: string, headers: Record<string, string> = {}): Promise<FleetAnswer> {
  const response = await fetch(`${from}/admin/fleet`, { headers });
  expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
  return fleetAnswerSchema.parse(await response.json());
}

async function post(path: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

/** A feed that is being read. */
class Feed {
  readonly events: FleetAnswer[] = [];
  ended = false;
  readonly #controller = new AbortController();

  constructor(from = url, headers: Record<string, string> = {}) {
    void this.#read(from, headers);
  }

  get last(): FleetView | undefined {
    const event = this.events.at(-1);
    return event?.kind === "fleet" ? event : undefined;
  }

  close(): void {
    this.#controller.abort();
  }

  async #read(from: string, headers: Record<string, string>): Promise<void> {
    try {
      const response = await fetch(`${from}/admin/fleet/live`, { headers, signal: this.#controller.signal });
      for await (const { data } of readEvents(response.body))
        this.events.push(fleetAnswerSchema.parse(JSON.parse(data)));
    } catch (error) {
      if (!this.#controller.signal.aborted && !String(error).includes("terminated")) throw error;
    }
    this.ended = true;
  }
}

describe("a server without a fleet", () => {
  test("says so, and has nothing to do to one", async () => {
    await using alone = createServer({ engines: [] });
    const listening = await alone.listen({ port: 0 });
    expect(await read(listening.url)).toEqual({ kind: "alone" });
    const feed = new Feed(listening.url);
    await until(() => feed.ended);
    expect(feed.events).toEqual([{ kind: "alone" }]);
    for (const path of ["instances/x/drain", "moves", "router"]) {
      const response = await fetch(`${listening.url}/admin/fleet/${path}`, { method: "POST", body: "{}" });
      expect([path, response.status]).toEqual([path, 404]);
    }
  });
});

describe("the fleet", () => {
  test("is told as it is", async () => {
    await settle();
    fleet.current = fleetView({
      requests: [requestView("a", null, { state: "recovering" })],
      moves: [moveView("m", "a", "instance-a", "instance-b")],
    });
    expect(await read(url)).toEqual(fleet.current);
  });

  test("tells how many instances are wanted, in its view and its metrics", async () => {
    const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
    await settle();
    expect(await metrics()).not.toContain("punctual_scaling");
    await settle();
    fleet.current = fleetView({ scaling: scalingView() });
    expect(await read(url)).toEqual(fleet.current);
    expect((await metrics()).split("\n").filter((line) => line.startsWith("punctual_scaling"))).toEqual([
      "punctual_scaling_active 1",
      "punctual_scaling_enabled 1",
      'punctual_scaling_instances{number="least"} 1',
      'punctual_scaling_instances{number="most"} 4',
      'punctual_scaling_instances{number="wanted"} 2',
      'punctual_scaling_instances{number="starting"} 0',
      'punctual_scaling_instances{number="draining"} 0',
      "punctual_scaling_freeness_steps 512.5",
      'punctual_scaling_changes_total{what="started"} 1',
      'punctual_scaling_changes_total{what="failed"} 0',
      'punctual_scaling_changes_total{what="drained"} 0',
    ]);
  });

  test("is followed: a change within moments, the same again only to say that it lives", async () => {
    await settle(); // what the test before looked at is no first view
    const feed = new Feed();
    await until(() => feed.last !== undefined);
    const first = feed.events.length;
    fleet.current = fleetView({ upMs: 61_000 });
    await settle();
    expect(feed.events.length).toBe(first);
    fleet.current = fleetView({ requests: [requestView("request-1", "instance-b", { moves: 1 })] });
    await settle();
    await until(() => feed.last!.requests[0]!.instance === "instance-b");
    const count = feed.events.length;
    nowMs += FLEET_VIEW_LIMITS.idleMs;
    await until(() => feed.events.length > count);
    feed.close();
    await until(() => feed.ended);
  });

  test("is looked at no more often for many readers than for one, and not at all for none", async () => {
    const feeds = Array.from({ length: 8 }, () => new Feed());
    await until(() => feeds.every(({ last }) => last !== undefined));
    const before = fleet.looks;
    for (let i = 0; i < 3; i++) await settle();
    expect(fleet.looks - before).toBeLessThanOrEqual(8);
    for (const feed of feeds) feed.close();
    await until(() => feeds.every(({ ended }) => ended));
    // The server learns of a reader's end a little later than the reader.
    await until(async () => {
      const before = fleet.looks;
      await settle();
      return fleet.looks === before;
    });
    const after = fleet.looks;
    await settle();
    expect(fleet.looks).toBe(after);
  });

  test("has so many readers and no more; one that nobody reads takes no place", async () => {
    for (let i = 0; i <= FLEET_VIEW_LIMITS.feeds; i++) {
      expect((await fetch(`${url}/admin/fleet/live`, { method: "HEAD" })).status).toBe(200);
    }
    const feeds = Array.from({ length: FLEET_VIEW_LIMITS.feeds }, () => new Feed());
    await until(() => feeds.every(({ last }) => last !== undefined));
    const refused = await fetch(`${url}/admin/fleet/live`);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "5"]);
    for (const feed of feeds) feed.close();
    await until(() => feeds.every(({ ended }) => ended));
  });

  test("can be changed: an instance drained, a request moved, a router switched", async () => {
    expect(await post("/admin/fleet/instances/instance-a/drain", {})).toEqual({
      status: 200,
      body: { id: "instance-a", state: "draining", running: 1, waiting: 0 },
    });
    expect(await post("/admin/fleet/moves", { request: "request-1", to: "instance-b" })).toEqual({
      status: 200,
      body: { id: "move-1", request: "request-1", from: "instance-a", to: "instance-b" },
    });
    expect(await post("/admin/fleet/router", { router: "least-load" })).toEqual({
      status: 200,
      body: { router: "least-load", previous: "round-robin" },
    });
    expect(fleet.asked).toEqual(["drain instance-a", "move request-1 instance-b", "router least-load"]);
    fleet.current = fleetView({ scaling: scalingView() });
    expect(await post("/admin/fleet/scaling", { enabled: false })).toEqual({
      status: 200,
      body: { enabled: false, previous: true },
    });
    await settle();
    expect(await read(url)).toMatchObject({ scaling: { isEnabled: false } });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain("punctual_scaling_enabled 0");
    expect((await post("/admin/fleet/scaling", { enabled: true })).body).toEqual({ enabled: true, previous: false });
  });

  test("refuses what is not there and what is not asked rightly", async () => {
    const statusOf = async (path: string, body: unknown): Promise<number> => (await post(path, body)).status;
    expect(await statusOf("/admin/fleet/instances/none/drain", {})).toBe(404);
    expect(await statusOf("/admin/fleet/moves", { request: "none", to: "instance-b" })).toBe(404);
    expect(await statusOf("/admin/fleet/moves", { request: "request-1", to: "none" })).toBe(404);
    expect(await statusOf("/admin/fleet/moves", { request: "", to: "instance-b" })).toBe(400);
    expect(await statusOf("/admin/fleet/moves", { to: "instance-b" })).toBe(400);
    expect(await statusOf("/admin/fleet/router", { router: "astrology" })).toBe(400);
    expect(await statusOf("/admin/fleet/scaling", { enabled: false })).toBe(404); // nobody scales
    expect(await statusOf("/admin/fleet/scaling", { enabled: "no" })).toBe(400);
    expect(fleet.asked).toEqual([]);
  });
});

const GOOD = "key-of-a-good-caller";
const OTHER = "key-of-another-caller";

test("with keys, a caller sees and changes what is of the models that it may use", async () => {
  const keys = [plainKey(GOOD, "a"), { ...plainKey(OTHER, "b"), models: new Set(["another"]) }];
  await using guarded = createServer({ engines: [], fleet, keys });
  const listening = await guarded.listen({ port: 0 });
  expect((await fetch(`${listening.url}/admin/fleet`)).status).toBe(401);
  const instances = [instanceView("instance-a"), instanceView("c", { model: "another" })];
  fleet.current = fleetView({ instances, scaling: scalingView() });
  const as = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
  expect(await read(listening.url, as(GOOD))).toMatchObject({ instances: [{}, {}], requests: [{}], scaling: {} });
  const theirs = await read(listening.url, as(OTHER));
  expect(theirs).toMatchObject({ instances: [{ id: "c" }], requests: [] });
  expect(theirs).not.toHaveProperty("scaling");
  const drain = (id: string): Promise<Response> =>
    fetch(`${listening.url}/admin/fleet/instances/${id}/drain`, { method: "POST", headers: as(OTHER) });
  expect([(await drain("instance-a")).status, (await drain("c")).status]).toEqual([404, 200]);
  const off = (key: string): Promise<Response> =>
    fetch(`${listening.url}/admin/fleet/scaling`, { method: "POST", headers: as(key), body: '{"enabled":false}' });
  expect([(await off(OTHER)).status, (await off(GOOD)).status]).toEqual([404, 200]);
});

test("feeds end when the server does, without holding it up", async () => {
  const own = createServer({ engines: [], fleet });
  const listening = await own.listen({ port: 0 });
  const feed = new Feed(listening.url);
  await until(() => feed.last !== undefined);
  await own.close({ graceMs: 10_000 });
  await until(() => feed.ended);
  expect((await own.app.request("/admin/fleet/live")).status).toBe(503);
});
