/** Who is launched, who drains, what becomes of starts that fail: a scaler between a fleet and a launcher that are only told. */
import { beforeEach, describe, expect, test } from "vitest";
import { fleetScalingViewSchema } from "../../protocol/index.ts";
import type { InstanceLoad } from "../../sched/index.ts";
import { loadOf } from "../../sched/fleet/fleet.conformance.ts";
import { FleetScaler } from "./scaler.ts";
import type { ScaledInstance, ScalingOptions } from "./types.ts";

const PAGES = 100;
const EVERY_MS = 1000;

/** A fleet that does what it is told at once. */
class ToldFleet {
  readonly instances = new Map<string, ScaledInstance>();
  readonly launched: { readonly id: string; readonly end: (failure: string | null) => void }[] = [];
  readonly told: string[] = [];
  isActive = true;
  drain: (id: string, undo: boolean) => Promise<void> = async () => undefined;
  readonly scaler: FleetScaler;
  nowMs = 0;
  #next = 0;

  constructor(options: Partial<ScalingOptions> = {}) {
    const policy = { least: 1, most: 3, lowSteps: 20, highSteps: 60, everyMs: EVERY_MS };
    const launch = (id: string): { ended: Promise<string | null> } => {
      return { ended: new Promise((end) => this.launched.push({ id, end })) };
    };
    this.scaler = new FleetScaler(
      { policy, launch, startMs: 20_000, ...options },
      {
        instances: () => [...this.instances.values()],
        drain: (id, undo) => {
          this.told.push(`${undo ? "keep" : "drain"} ${id}`);
          return this.drain(id, undo);
        },
        isActive: () => this.isActive,
        newId: () => `s-${this.launched.length}`,
        log: () => undefined,
      },
    );
  }

  get view(): ReturnType<FleetScaler["view"]> {
    return fleetScalingViewSchema.parse(this.scaler.view(this.nowMs));
  }

  join(id: string, over: Partial<InstanceLoad> = {}, about: Partial<ScaledInstance> = {}): void {
    const load = loadOf({ index: this.#next++, totalPages: PAGES, pageTokens: 1, ...over });
    this.instances.set(id, { id, model: "m", role: "any", load, ...about });
  }

  load(id: string, usedPages: number, running: number): void {
    const one = this.instances.get(id)!;
    this.instances.set(id, { ...one, load: { ...one.load, usedPages, running } });
  }

  /** Looks four times a second for so long. */
  async pass(ms: number): Promise<void> {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += 250) {
      this.scaler.look(this.nowMs);
      await Promise.resolve();
      await Promise.resolve();
    }
  }
}

let fleet: ToldFleet;

beforeEach(() => {
  fleet = new ToldFleet();
});

/** One instance that is there, and the first moments over. */
async function settled(): Promise<void> {
  fleet.join("a");
  await fleet.pass(4000);
  expect(fleet.launched).toEqual([]);
}

describe("a scaler", () => {
  test("starts the fewest, after it has heard who is there", async () => {
    await fleet.pass(2500);
    expect(fleet.launched).toEqual([]);
    await fleet.pass(1500);
    expect(fleet.launched.map(({ id }) => id)).toEqual(["s-0"]);
    await fleet.pass(5000);
    expect(fleet.launched.length).toBe(1); // it is on its way
    expect(fleet.view).toMatchObject({
      wanted: 1,
      starting: 1,
      started: 0,
      last: { kind: "start", instance: "s-0", reason: "fewest", freenessSteps: null },
    });
    fleet.join("s-0");
    await fleet.pass(500);
    expect(fleet.view).toMatchObject({ wanted: 1, starting: 0, started: 1, failed: 0, freenessSteps: null });
  });

  test("one more when there is too little room, one less when there is too much, never below the fewest", async () => {
    await settled();
    fleet.load("a", 90, 5);
    await fleet.pass(1500);
    expect(fleet.launched.length).toBe(1);
    expect(fleet.view).toMatchObject({ wanted: 2, freenessSteps: (10 + PAGES) / 5 });
    expect(fleet.view.last).toMatchObject({ kind: "start", reason: "low", freenessSteps: 2 });
    fleet.join("made-up-its-own-id");
    await fleet.pass(3000);
    expect(fleet.view).toMatchObject({ wanted: 2, starting: 0, started: 1 });
    fleet.load("a", 0, 0);
    await fleet.pass(1500);
    expect(fleet.told).toEqual(["drain a"]);
    expect(fleet.view).toMatchObject({
      wanted: 1,
      draining: 1,
      drained: 1,
      last: { kind: "drain", instance: "a", reason: "high" },
    });
    fleet.instances.delete("a");
    await fleet.pass(5000);
    expect(fleet.told).toEqual(["drain a"]);
    expect(fleet.view).toMatchObject({ wanted: 1, draining: 0 });
  });

  test("a lull is no room: only what stays empty for a whole interval has one less", async () => {
    await settled();
    fleet.join("b");
    for (let i = 0; i < 20; i++) {
      for (const id of ["a", "b"]) fleet.load(id, 40, 2);
      await fleet.pass(250);
      for (const id of ["a", "b"]) fleet.load(id, 0, 0); // everybody is answered, and asks again
      await fleet.pass(750);
    }
    expect([fleet.told, fleet.view.wanted]).toEqual([[], 2]);
    await fleet.pass(500);
    expect(fleet.told).toEqual(["drain a"]);
  });

  test("keeps what drains by its word rather than start another", async () => {
    await settled();
    fleet.join("b");
    await fleet.pass(2500);
    expect(fleet.told).toEqual(["drain a"]);
    fleet.load("b", 90, 5);
    await fleet.pass(2500);
    expect(fleet.told).toEqual(["drain a", "keep a"]);
    expect(fleet.launched).toEqual([]);
    expect(fleet.view).toMatchObject({ wanted: 2, last: { kind: "keep", instance: "a", reason: "low" } });
  });

  test("what was not heard did not happen", async () => {
    await settled();
    fleet.drain = () => Promise.reject(new Error("lost"));
    fleet.join("b");
    await fleet.pass(1500);
    expect(fleet.view).toMatchObject({ draining: 0, problem: expect.stringContaining("lost") as string });
    fleet.drain = async () => undefined;
    await fleet.pass(2500);
    expect(fleet.view.draining).toBe(1);
  });
});

describe("starts that fail", () => {
  test("are tried again after growing pauses, and said", async () => {
    await fleet.pass(3500);
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      const before = fleet.launched.length;
      fleet.launched.at(-1)!.end("status 3");
      while (fleet.launched.length === before) await fleet.pass(250);
      times.push(fleet.nowMs);
    }
    const gaps = times.slice(1).map((at, i) => at - times[i]!);
    expect(gaps).toEqual(gaps.toSorted((a, b) => a - b));
    expect(gaps[2]! / gaps[0]!).toBeGreaterThan(2);
    expect(fleet.view).toMatchObject({ failed: 4, problem: expect.stringContaining("status 3") as string });
    fleet.join("s-4");
    await fleet.pass(250);
    expect(fleet.view).toMatchObject({ started: 1, problem: null });
  });

  test("a command that has ended well is waited for, for so long", async () => {
    await fleet.pass(3500);
    fleet.launched[0]!.end(null);
    await fleet.pass(15_000);
    expect(fleet.view).toMatchObject({ starting: 1, failed: 0 });
    await fleet.pass(10_000);
    expect(fleet.view.failed).toBe(1);
    expect(fleet.launched.length).toBe(2);
  });
});

describe("switched off by a person", () => {
  test("nobody is started or drained, what is under way comes to its end, and switched on it goes on", async () => {
    await settled();
    fleet.load("a", 90, 5);
    await fleet.pass(1500);
    expect(fleet.launched.length).toBe(1);
    expect([fleet.scaler.setEnabled(false), fleet.scaler.setEnabled(false)]).toEqual([true, false]);
    expect(fleet.view).toMatchObject({ isEnabled: false, isActive: true, wanted: null, starting: 1 });
    fleet.join("s-0", { usedPages: 90, running: 5 });
    await fleet.pass(5000);
    expect(fleet.view).toMatchObject({ starting: 0, started: 1, wanted: null, freenessSteps: 2 });
    for (const id of ["a", "s-0"]) fleet.load(id, 0, 0);
    await fleet.pass(5000);
    fleet.instances.clear();
    await fleet.pass(5000);
    expect([fleet.launched.length, fleet.told]).toEqual([1, []]);
    expect(fleet.scaler.setEnabled(true)).toBe(false);
    await fleet.pass(2500); // who is there has to be heard of first
    expect(fleet.launched.length).toBe(1);
    await fleet.pass(1500);
    expect(fleet.launched.length).toBe(2);
    expect(fleet.view).toMatchObject({ isEnabled: true, wanted: 1, last: { kind: "start", reason: "fewest" } });
  });
});

describe("who is not its own", () => {
  test("instances of one phase and of other models are left alone", async () => {
    fleet = new ToldFleet({ model: "m" });
    fleet.join("a");
    fleet.join("p", {}, { role: "prefill" });
    fleet.join("d", {}, { role: "decode" });
    fleet.join("x", {}, { model: "another" });
    await fleet.pass(10_000);
    expect([fleet.told, fleet.launched]).toEqual([[], []]);
    expect(fleet.view.wanted).toBe(1);
  });

  test("of several models and none named, nothing is done, and that is said", async () => {
    fleet.join("a");
    fleet.join("x", {}, { model: "another" });
    await fleet.pass(10_000);
    expect([fleet.told, fleet.launched]).toEqual([[], []]);
    expect(fleet.view).toMatchObject({ wanted: null, problem: expect.stringContaining("another") as string });
  });

  test("while another router is elected, nothing is done", async () => {
    fleet.isActive = false;
    await fleet.pass(10_000);
    expect(fleet.launched).toEqual([]);
    expect(fleet.view).toMatchObject({ isActive: false, wanted: null });
    fleet.isActive = true;
    await fleet.pass(5000);
    expect(fleet.launched.length).toBe(1);
  });
});
