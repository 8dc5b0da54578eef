/**
 * Walks through every world that can be reached from the beginning of a case, holding each against what must always be
 * true, and lets each one come to rest without further faults, which it must, with nothing left behind.
 */
import { assert } from "../../core/index.ts";
import { beginning } from "./model.conformance.ts";
import { transitions } from "./transitions.conformance.ts";
import { messageOf, spend, type Case, type Transition, type World } from "./world.conformance.ts";

/** What a walk has seen. */
export interface Explored {
  readonly worlds: number;
  readonly transitions: number;
  /** How many of the worlds at rest ended in which way. */
  readonly ends: Readonly<Record<string, number>>;
}

const ids = new Map<string, number>();
const idsByObject = new WeakMap<object, number>();

/** Equal things have equal numbers. Worlds share most of their parts, so that few have to be written out. */
function idOf(part: object | null): number {
  if (part === null) return -1;
  const known = idsByObject.get(part);
  if (known !== undefined) return known;
  const text = JSON.stringify(part);
  let id = ids.get(text);
  if (id === undefined) {
    id = ids.size;
    ids.set(text, id);
  }
  idsByObject.set(part, id);
  return id;
}

function keyOf({ source, target, router, client, spare, network, left }: World): string {
  const parts = [source, target, router, client, left].map(idOf);
  return `${parts.join(",")},${spare ?? "-"}|${network.join(",")}`;
}

/** @throws AssertionError with the way that led to a world in which something is wrong. */
export function explore(options: Case, limit = 2_000_000): Explored {
  const first = beginning(options);
  const seen = new Map<string, { readonly from: string | null; readonly by: string }>();
  const calm = new Set<string>();
  const ends: Record<string, number> = {};
  const stack: { readonly world: World; readonly key: string }[] = [{ world: first, key: keyOf(first) }];
  seen.set(stack[0]!.key, { from: null, by: "beginning" });
  let count = 0;
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { world, key } = top;
    try {
      checkAlways(options, world);
      comeToRest(options, world, calm, ends);
      for (const { kind, name, apply } of transitions(options, world)) {
        if (kind === "timer" && world.left.timers === 0) continue;
        count += 1;
        const next = kind === "timer" ? spend(apply(), "timers") : apply();
        const nextKey = keyOf(next);
        if (seen.has(nextKey)) continue;
        seen.set(nextKey, { from: key, by: name });
        stack.push({ world: next, key: nextKey });
      }
    } catch (error) {
      const way = [];
      for (let at: string | null = key; at !== null; at = seen.get(at)!.from) way.push(seen.get(at)!.by);
      throw new Error(
        `${String(error)}\n${way.toReversed().join("\n")}\n${JSON.stringify({ ...world, network: world.network.map(messageOf) }, null, 1)}`,
        {
          cause: error,
        },
      );
    }
    assert(seen.size <= limit, `more than ${limit} worlds`);
  }
  return { worlds: seen.size, transitions: count, ends };
}

function checkAlways(options: Case, { source, target, router, client }: World): void {
  if (options.suspicions === 0) {
    const running = [source.engine, target.engine].filter(({ kind }) => kind === "running").length;
    assert(running <= 1, "one owner at a time");
  }
  assert(
    router === null || client.tokens === router.next || router.cancelled,
    "the client sees what the router passes on",
  );
  const { kind } = target.machine;
  const holds = ["open", "reserving", "adopting"].includes(kind);
  assert(!target.alive || target.importing === holds, "an import is held exactly as long as it is wanted");
  if (kind === "aborted") assert(target.engine.kind === "absent", "what was aborted does not run");
}

const MOST_STEPS = 400;

/** Without further faults: everything arrives, and timers go off in turn when nothing else happens. */
function comeToRest(options: Case, start: World, calm: Set<string>, ends: Record<string, number>): void {
  // What never goes away would go round for ever: from here on the network is an ordinary one.
  const ordinary: Case = { ...options, unbounded: false };
  const way: string[] = [];
  const fired = new Map<string, number>();
  let world = start;
  for (let step = 0; ; step++) {
    assert(step < MOST_STEPS, "it comes to rest");
    const key = keyOf(world);
    if (calm.has(key)) break;
    way.push(key);
    const possible = transitions(ordinary, world);
    const next = possible.find(({ kind }) => kind === "progress")?.apply() ?? fireNext(world, possible, fired);
    if (next !== null) {
      world = next;
      continue;
    }
    checkAtRest(options, world);
    const end = world.router === null ? "no router" : (world.router.end ?? "none");
    ends[end] = (ends[end] ?? 0) + 1;
    break;
  }
  for (const key of way) calm.add(key);
}

/** What the timer does that went off least often, of those that do anything; null when none does. */
function fireNext(world: World, possible: readonly Transition[], fired: Map<string, number>): World | null {
  const times = ({ name }: Transition): number => fired.get(name) ?? 0;
  const timers = possible.filter(({ kind }) => kind === "timer").toSorted((a, b) => times(a) - times(b));
  for (const timer of timers) {
    const next = timer.apply();
    if (keyOf(next) === keyOf(world)) continue;
    fired.set(timer.name, times(timer) + 1);
    return next;
  }
  return null;
}

function checkAtRest(options: Case, { source, target, router, client, left }: World): void {
  assert(source.engine.kind === "absent", "no page is left at the source");
  assert(target.engine.kind === "absent" && !target.importing, "no page is left at the target");
  if (router === null) return;
  assert(router.end !== null, "every request comes to an end");
  if (router.end === "finished") assert(client.tokens === options.tokens, "all tokens have come");
  if (router.end === "failed") assert(client.end === "fail", "one clear error");
  const untouched =
    left.crashes === options.crashes && left.cancels === options.cancels && left.suspicions === options.suspicions;
  if (untouched) assert(router.end === "finished", "without deaths and cancels every answer is complete");
  if (options.spare && left.cancels === options.cancels) assert(router.end === "finished", "somebody else went on");
}
