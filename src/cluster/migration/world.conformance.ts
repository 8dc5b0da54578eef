/**
 * What the small world of the exhaustive check consists of (transitions.conformance.ts says what may happen in it). Its network
 * is a set: messages arrive in any order. Losing one, or having it arrive twice, takes from a budget; with `unbounded` nothing
 * that was ever said goes away, so that everything may arrive any number of times at any later time.
 */
import type { SourceMessage, TargetMessage } from "./messages.ts";
import type { ObserverEvent, ObserverState } from "./observer.conformance.ts";
import type { SourceState } from "./source.ts";
import type { TargetState } from "./target.ts";
import type { MigrationMode } from "./types.ts";

/** What a case consists of. Budgets count how often a thing may happen. */
export interface Case {
  readonly mode: MigrationMode;
  /** Of a hand-over: it begins with the prompt, and pages are pulled as they become whole. */
  readonly growing: boolean;
  /** Tokens of the answer, and pages before the first; every token fills one. */
  readonly tokens: number;
  readonly promptPages: number;
  readonly maxStages: number;
  readonly lastStagePages: number;
  readonly unbounded: boolean;
  readonly drops: number;
  readonly duplicates: number;
  readonly crashes: number;
  readonly mayCrash: readonly Party[];
  /** Taking the living for dead; without it, at most one engine of an attempt runs at any time. */
  readonly suspicions: number;
  /** Of each kind: the target has no room, the link breaks, the sequence is preempted. */
  readonly refusals: number;
  readonly cancels: number;
  /** Whether the router's acknowledgements ever arrive. */
  readonly acknowledges: boolean;
  /** Timers that go off although something else could still happen. */
  readonly timers: number;
  /** Somebody is left to submit the request to again. */
  readonly spare: boolean;
}

export type Party = "source" | "target" | "router";

export interface EngineState {
  readonly kind: "absent" | "running" | "frozen";
  readonly epoch: number;
  /** Tokens said, and how many of them the router has acknowledged. */
  readonly said: number;
  readonly acknowledged: number;
}

/** `rides`: a commit goes with these pages, as one message of the network. */
export type CopyOp = {
  readonly kind: "copy";
  readonly upTo: number;
  readonly arrived: boolean;
  readonly rides: boolean;
};

export type Op = CopyOp | { readonly kind: string };

export type Message =
  | {
      readonly to: "target";
      readonly body: SourceMessage;
      readonly acknowledged: number;
      readonly said: number;
      /** Of a commit that comes in the frame of the last pages: those below are there with it; absent over the bus. */
      readonly upTo?: number;
    }
  | { readonly to: "source"; readonly body: TargetMessage }
  | { readonly to: "router"; readonly body: ObserverEvent }
  | { readonly to: Party | "spare"; readonly host: HostMessage };

export type HostMessage =
  | { readonly kind: "ask_again"; readonly next: number }
  | { readonly kind: "cancel" }
  | { readonly kind: "supersede"; readonly attempt: number; readonly epoch: number };

export interface SourceSide {
  readonly alive: boolean;
  readonly machine: SourceState;
  readonly engine: EngineState;
  /** Pages of the prompt that are computed. */
  readonly prompt: number;
  /** Pages that may be pulled. */
  readonly granted: number;
  readonly ops: readonly Op[];
}

export interface TargetSide {
  readonly alive: boolean;
  readonly machine: TargetState;
  readonly engine: EngineState;
  readonly importing: boolean;
  /** What came with the commit. */
  readonly stream: { readonly said: number; readonly acknowledged: number; readonly rode: boolean } | null;
  readonly ops: readonly Op[];
}

export interface World {
  readonly source: SourceSide;
  readonly target: TargetSide;
  readonly router: ObserverState | null;
  /** What the client has seen. */
  readonly client: { readonly tokens: number; readonly end: "finish" | "fail" | null };
  /** From which token the spare instance goes on. */
  readonly spare: number | null;
  /** Numbers of messages, ascending: see `messageOf`. */
  readonly network: readonly number[];
  readonly left: Readonly<Record<Budget, number>>;
}

export type Budget =
  | "timers"
  | "drops"
  | "duplicates"
  | "crashes"
  | "suspicions"
  | "noRoom"
  | "linkFailures"
  | "preemptions"
  | "cancels";

/** One thing that may happen. */
export interface Transition {
  readonly name: string;
  /** Faults and timeouts come last, or not at all, when only what must happen happens. */
  readonly kind: "progress" | "timer" | "fault";
  readonly apply: () => World;
}

export const ABSENT: EngineState = { kind: "absent", epoch: 0, said: 0, acknowledged: 0 };
const numbers = new Map<string, number>();
const messages: Message[] = [];

/** The message of that number. */
export function messageOf(number: number): Message {
  return messages[number]!;
}

function numberOf(message: Message): number {
  const text = JSON.stringify(message);
  const known = numbers.get(text);
  if (known !== undefined) return known;
  numbers.set(text, messages.length);
  messages.push(message);
  return messages.length - 1;
}

export function post(world: World, message: Message): World {
  const number = numberOf(message);
  if (world.network.includes(number)) return world;
  return { ...world, network: [...world.network, number].toSorted((a, b) => a - b) };
}

/** One less of it. */
export const spend = (world: World, budget: Budget): World => ({
  ...world,
  left: { ...world.left, [budget]: world.left[budget] - 1 },
});

export const setSource = (world: World, change: Partial<SourceSide>): World => ({
  ...world,
  source: { ...world.source, ...change },
});

export const setTarget = (world: World, change: Partial<TargetSide>): World => ({
  ...world,
  target: { ...world.target, ...change },
});
