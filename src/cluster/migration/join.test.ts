/**
 * The router's real reader of answers (fleet/stream-join.ts) in the small world of the exhaustive check: whatever reaches the
 * model's observer is told to it as well, on random ways through that world with every kind of fault.
 */
import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { FLEET_VERSION, type StreamMessage, type WireEvent } from "../../protocol/index.ts";
import { StreamJoin } from "../fleet/stream-join.ts";
import { beginning } from "./model.conformance.ts";
import { transitions } from "./transitions.conformance.ts";
import type { ObserverEvent } from "./observer.conformance.ts";
import { messageOf, type Case, type World } from "./world.conformance.ts";

const CASE: Case = {
  mode: "live",
  growing: false,
  tokens: 5,
  promptPages: 2,
  maxStages: 3,
  lastStagePages: 2,
  unbounded: false,
  drops: 2,
  duplicates: 3,
  crashes: 1,
  mayCrash: ["source", "target"],
  suspicions: 1,
  refusals: 1,
  cancels: 0,
  acknowledges: true,
  timers: 3,
  spare: true,
};

const tokenAt = (index: number): WireEvent => ({
  kind: "token",
  id: 100 + index,
  index,
  text: "",
  section: "text",
  ageMs: 0,
});
const finishAt = (index: number): WireEvent => ({
  kind: "finish",
  index,
  reason: "length",
  cause: "max_tokens",
  text: "",
  section: "text",
  usage: {
    promptTokens: 1,
    completionTokens: index,
    cachedTokens: 0,
    reasoningTokens: 0,
    slo: { attained: true, ttft_ms: null, tpot_ms: null, e2e_ms: 0, slack_ms: null },
  },
  ageMs: 0,
});

/** What the observer's event is on the wire. @param epochOf the epoch of an attempt's first owner, as the router placed it */
function onTheWire(event: ObserverEvent, world: World, epochOf: ReadonlyMap<number, number>): StreamMessage | null {
  if (event.kind !== "tokens" && event.kind !== "adopted" && event.kind !== "moved") return null;
  const placed = epochOf.get(event.attempt);
  if (placed === undefined) return null;
  const base = { version: FLEET_VERSION, requestId: "r" } as const;
  const epoch = placed + event.epoch;
  if (event.kind === "moved") {
    const { said } = world.source.engine;
    return { ...base, kind: "moved", instance: "source", epoch: epoch - 1, to: event.to, nextIndex: said };
  }
  const { from } = event;
  if (event.kind === "adopted") {
    return { ...base, kind: "adopted", instance: from, epoch, nextIndex: world.target.stream?.said ?? 0 };
  }
  const events = Array.from({ length: event.count }, (_, i) => tokenAt(event.first + i));
  if (event.last) events.push(finishAt(event.first + event.count));
  return { ...base, kind: "events", instance: from, epoch, firstIndex: event.first, events };
}

/** One random way to the end. */
function walk(seed: string): { readonly tokens: readonly number[]; readonly finished: boolean } {
  const random = createRandom(seed, "walk");
  const join = new StreamJoin();
  const epochOf = new Map([[0, join.place("source")]]);
  const tokens: number[] = [];
  let finished = false;
  let world = beginning(CASE);
  const idle = new Map<string, number>();
  for (let step = 0; step < 600 && !finished; step++) {
    const possible = transitions(CASE, world).filter(({ kind }) => kind !== "fault" || random.chance(0.2));
    const progress = possible.filter(({ kind }) => kind !== "timer");
    const early = world.left.timers > 0 && random.chance(0.05);
    const choices = progress.length > 0 && !early ? progress : possible;
    if (choices.length === 0) continue;
    const fewest = Math.min(...choices.map(({ name, kind }) => (kind === "timer" ? (idle.get(name) ?? 0) : 0)));
    const next = random.pick(choices.filter(({ name, kind }) => kind !== "timer" || (idle.get(name) ?? 0) === fewest));
    if (next.kind === "timer") idle.set(next.name, (idle.get(next.name) ?? 0) + 1);
    const arrives = /^(\d+) arrives/.exec(next.name);
    const before = world;
    world = next.apply();
    const attempt = world.router?.attempt ?? 0;
    if (!epochOf.has(attempt)) epochOf.set(attempt, join.place("spare"));
    const message = arrives === null ? null : messageOf(Number(arrives[1]));
    if (message === null || message.to !== "router" || "host" in message) continue;
    const told = onTheWire(message.body, before, epochOf);
    const joined = told === null ? null : join.receive(told);
    if (joined?.kind !== "items") continue;
    for (const event of joined.events) {
      if (event.kind === "finish") finished = true;
      else tokens.push(event.id);
    }
  }
  return { tokens, finished };
}

describe("the router's reader", () => {
  test("on random ways with losses, repeats, deaths and suspicions: each token once, in order, and the end", () => {
    let complete = 0;
    for (let i = 0; i < 150; i++) {
      const { tokens, finished } = walk(`join-${i}`);
      expect(tokens, `join-${i}`).toEqual(tokens.map((_, at) => 100 + at));
      if (finished) expect(tokens, `join-${i}`).toHaveLength(CASE.tokens);
      if (finished) complete += 1;
    }
    expect(complete).toBeGreaterThan(120);
  });
});
