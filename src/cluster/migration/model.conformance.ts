/**
 * A small world for the exhaustive check: one request, a source, a target, a router, a network, and engines reduced to what
 * matters (does it run, what has it said, does it hold pages). The state machines are the real ones; here is what carries out
 * what they want. What may happen next is listed in transitions.conformance.ts; explore.conformance.ts walks through all of it.
 */
import { assert } from "../../core/index.ts";
import { observe, stepObserver, type ObserverAction, type ObserverEvent } from "./observer.conformance.ts";
import { startSource, stepSource, type SourceAction, type SourceEvent } from "./source.ts";
import { freshTarget, stepTarget, type TargetAction, type TargetEvent } from "./target.ts";
import {
  ABSENT,
  post,
  setSource,
  setTarget,
  type Case,
  type CopyOp,
  type EngineState,
  type HostMessage,
  type Op,
  type Party,
  type SourceSide,
  type World,
} from "./world.conformance.ts";

/** The beginning: the source computes, a migration is offered. */
export function beginning(options: Case): World {
  const { mode, maxStages, lastStagePages, growing } = options;
  const promptPages = growing ? pagesInAll(options) : 0;
  const config = { migration: "m", mode, epoch: 0, maxStages, lastStagePages, slackPages: 1, promptPages };
  const started = startSource(config);
  const frozen = mode === "hand-over" && !growing;
  const world: World = {
    source: {
      alive: true,
      machine: started.state,
      engine: { kind: frozen ? "frozen" : "running", epoch: 0, said: frozen ? 1 : 0, acknowledged: 0 },
      prompt: growing ? 0 : options.promptPages,
      granted: 0,
      ops: [],
    },
    target: {
      alive: true,
      machine: freshTarget("m"),
      engine: ABSENT,
      importing: false,
      stream: null,
      ops: [],
    },
    router: observe("source"),
    client: { tokens: 0, end: null },
    spare: null,
    network: [],
    left: {
      timers: options.timers,
      drops: options.drops,
      duplicates: options.duplicates,
      crashes: options.crashes,
      suspicions: options.suspicions,
      noRoom: options.refusals,
      linkFailures: options.refusals,
      preemptions: options.refusals,
      cancels: options.cancels,
    },
  };
  const offered = started.actions.reduce((next, action) => sourceAction(options, next, action), world);
  return frozen ? say(offered, "source", 0, 1, options) : offered;
}

/** Pages of the source's sequence: its prompt's, then one more for each token. */
const pagesOf = ({ engine, prompt }: SourceSide): number => prompt + engine.said;
/** What a hand-over moves: a prompt and one token. */
const pagesInAll = ({ promptPages }: Case): number => promptPages + 1;
/** Its prompt is being computed. */
export const isComputed = ({ growing }: Case, { engine }: SourceSide): boolean => growing && engine.said === 0;

/** The host of that side says tokens [first, end) to the router. */
export function say(world: World, from: "source" | "target", first: number, end: number, options: Case): World {
  const { epoch } = world[from].engine;
  const last = end === options.tokens;
  const body = { kind: "tokens", from, attempt: 0, epoch, first, count: end - first, last } as const;
  return post(world, { to: "router", body });
}

// The source's driver

export function sourceEvent(options: Case, world: World, event: SourceEvent): World {
  const { state, actions } = stepSource(world.source.machine, event);
  const next = setSource(world, { machine: state });
  return actions.reduce((current, action) => sourceAction(options, current, action), next);
}

function sourceAction(options: Case, world: World, action: SourceAction): World {
  const { source } = world;
  const { engine, ops } = source;
  switch (action.kind) {
    case "send": {
      const { acknowledged, said } = action.message.kind === "commit" ? engine : ABSENT;
      return post(world, { to: "target", body: action.message, acknowledged, said });
    }
    case "measure":
    case "freeze":
      return setSource(world, { ops: [...ops, { kind: action.kind }] });
    case "copy": {
      const { commit } = action;
      const upTo = action.first + action.count;
      if (options.mode === "hand-over") {
        assert(commit === null, "the commit goes with pages that are pushed");
        assert(upTo <= pagesOf(source), "nothing is given before it is computed");
        return setSource(world, { granted: upTo, ops: [...ops, { kind: "grant" }] });
      }
      const op: CopyOp = { kind: "copy", upTo, arrived: false, rides: commit !== null };
      const copying = setSource(world, { ops: [...ops, op] });
      if (commit === null) return copying;
      const { acknowledged, said } = engine;
      return post(copying, { to: "target", body: commit, acknowledged, said, upTo });
    }
    case "release": {
      if (engine.kind === "absent") return world;
      assert(engine.kind === "frozen", "what is released stood still");
      const told: ObserverEvent = { kind: "moved", to: "target", attempt: 0, epoch: action.epoch };
      return post(setSource(world, { engine: { ...engine, kind: "absent" } }), { to: "router", body: told });
    }
    case "resume": {
      if (engine.kind === "absent") return world;
      assert(engine.kind === "frozen", "what is resumed stood still");
      const resumed = setSource(world, { engine: { ...engine, kind: "running", epoch: action.epoch } });
      return engine.said > engine.acknowledged
        ? say(resumed, "source", engine.acknowledged, engine.said, options)
        : resumed;
    }
    default:
      return action satisfies never;
  }
}

/** An engine operation of the source has come to its end. */
export function sourceOp(options: Case, world: World, op: Op): World {
  const ops = world.source.ops.filter((one) => one !== op);
  const done = setSource(world, { ops });
  const { engine } = done.source;
  if (op.kind === "copy" || op.kind === "grant") return sourceEvent(options, done, { kind: "copied" });
  if (engine.kind === "absent") return sourceEvent(options, done, { kind: "lost", reason: "ended" });
  const pages = pagesOf(done.source);
  if (op.kind === "measure") {
    const stands = options.mode === "hand-over" && !isComputed(options, done.source);
    return sourceEvent(options, done, { kind: "measured", pages, whole: pages, waiting: false, stands });
  }
  const frozen = setSource(done, { engine: { ...engine, kind: "frozen" } });
  return sourceEvent(options, frozen, { kind: "frozen", pages });
}

// The target's driver

export function targetEvent(options: Case, world: World, event: TargetEvent): World {
  const { state, actions } = stepTarget(world.target.machine, event);
  const next = setTarget(world, { machine: state });
  return actions.reduce((current, action) => targetAction(options, current, action), next);
}

function targetAction(options: Case, world: World, action: TargetAction): World {
  const { target } = world;
  const ops = (...kinds: string[]): World =>
    setTarget(world, { ops: [...target.ops, ...kinds.map((kind) => ({ kind }))] });
  switch (action.kind) {
    case "send": {
      const sent = post(world, { to: "source", body: action.message });
      if (action.message.kind !== "adopted") return sent;
      const { epoch } = action.message;
      return post(sent, { to: "router", body: { kind: "adopted", from: "target", attempt: 0, epoch } });
    }
    case "open":
      // All pages of a hand-over may be pulled as soon as it is offered; while its prompt is computed, once there is room.
      return options.mode === "hand-over" && !options.growing ? ops("open", "fetch") : ops("open");
    case "hold":
    case "adopt":
      return ops(action.kind);
    case "fetch":
      return world; // begun with the offer, and done whenever it is done
    case "drop":
      return setTarget(world, { importing: false });
    default:
      return action satisfies never;
  }
}

export function targetOp(options: Case, world: World, op: Op): World {
  const { target } = world;
  const done = setTarget(world, { ops: target.ops.filter((one) => one !== op) });
  const { machine, stream } = target;
  switch (op.kind) {
    case "open": {
      const held = options.growing ? pagesInAll(options) : 0;
      const opened = targetEvent(options, setTarget(done, { importing: true }), { kind: "opened", cached: 0, held });
      const { ops, importing } = opened.target;
      return options.growing && importing ? setTarget(opened, { ops: [...ops, { kind: "pull" }] }) : opened;
    }
    case "hold":
      return targetEvent(options, done, { kind: "held", pages: machine.wanted });
    case "pull": {
      // What may be had by now; it goes on until there is no more.
      const { granted } = world.source;
      const goesOn = granted < pagesInAll(options) ? world : done;
      return targetEvent(options, goesOn, { kind: "written", upTo: granted });
    }
    case "fetch":
      // All that there is of it: its prompt and one token.
      return targetEvent(options, done, { kind: "written", upTo: options.promptPages + 1 });
    default: {
      assert(op.kind === "adopt", "that is all a target does");
      assert(target.importing && stream !== null && machine.commit !== null, "what is adopted is there");
      assert(machine.written >= machine.commit.pages, "nothing is adopted before its pages are there");
      const { said, acknowledged } = stream;
      const engine: EngineState = { kind: "running", epoch: machine.commit.epoch, said, acknowledged };
      const adopted = setTarget(done, { engine, importing: false });
      const told = targetEvent(options, adopted, { kind: "put_in_place" });
      // What was sent ahead of a commit in a frame is not sent again until it is asked for: here, nothing is.
      const resends = !stream.rode && stream.said > stream.acknowledged;
      return resends ? say(told, "target", stream.acknowledged, stream.said, options) : told;
    }
  }
}

// The router's driver

export function routerEvent(options: Case, world: World, event: ObserverEvent): World {
  if (world.router === null) return world;
  const { state, actions } = stepObserver(world.router, event);
  const next: World = { ...world, router: state };
  return actions.reduce((current, action) => routerAction(options, current, action), next);
}

function routerAction(options: Case, world: World, action: ObserverAction): World {
  const { client } = world;
  const tell = (to: string, host: HostMessage): World => post(world, { to: to as Party, host });
  switch (action.kind) {
    case "deliver":
      assert(client.end === null, "nothing follows the end");
      assert(action.first === client.tokens && action.count > 0, "each token once, in order");
      return { ...world, client: { ...client, tokens: client.tokens + action.count } };
    case "finish":
      assert(client.end === null, "one end");
      assert(client.tokens === options.tokens, "no end before the last token");
      return { ...world, client: { ...client, end: "finish" } };
    case "fail":
      assert(client.end === null, "one end");
      return { ...world, client: { ...client, end: "fail" } };
    case "acknowledge":
      return options.acknowledges ? acknowledged(world, action.to, action.next) : world;
    case "ask_again":
      return tell(action.to, { kind: "ask_again", next: action.next });
    case "supersede":
      return tell(action.to, { kind: "supersede", attempt: action.attempt, epoch: action.epoch });
    case "cancel":
      return tell(action.to, { kind: "cancel" });
    case "resubmit":
      if (!options.spare) return routerEvent(options, world, { kind: "nobody_left" });
      return sayAgainBySpare(
        options,
        routerEvent(options, { ...world, spare: action.next }, { kind: "resubmitted", to: "spare" }),
        action.next,
      );
    default:
      return action satisfies never;
  }
}

/** Without delay; that they may be late or lost is what cases without any are for. */
function acknowledged(world: World, to: string, next: number): World {
  if (to !== "source" && to !== "target") return world;
  const { engine } = world[to];
  const acknowledged = Math.min(engine.said, Math.max(engine.acknowledged, next));
  if (!world[to].alive || acknowledged === engine.acknowledged) return world;
  const heard = { engine: { ...engine, acknowledged } };
  return to === "source" ? setSource(world, heard) : setTarget(world, heard);
}

function sayAgainBySpare(options: Case, world: World, next: number): World {
  const attempt = world.router?.attempt ?? 0;
  const count = options.tokens - next;
  return post(world, {
    to: "router",
    body: { kind: "tokens", from: "spare", attempt, epoch: 0, first: next, count, last: true },
  });
}

// Hosts: what holds a stream's unread tokens, beside an engine

export function hostMessage(options: Case, world: World, to: Party | "spare", message: HostMessage): World {
  if (to === "spare") return message.kind === "ask_again" ? sayAgainBySpare(options, world, message.next) : world;
  if (to === "router" || !world[to].alive) return world;
  switch (message.kind) {
    case "ask_again":
      return askAgain(options, world, to, message.next);
    case "cancel":
      return cancelAt(world, to);
    case "supersede":
      return supersedeAt(world, to, message);
    default:
      return message satisfies never;
  }
}

function askAgain(options: Case, world: World, to: "source" | "target", next: number): World {
  const { engine } = world[to];
  if (to === "source" && world.source.machine.kind === "moved" && engine.kind === "absent") return tellMoved(world);
  // A sequence that stands still may be somebody else's by now.
  const known = engine.kind === "running" || (engine.kind === "absent" && engine.said > 0);
  return known && next < engine.said ? say(world, to, next, engine.said, options) : world;
}

function tellMoved(world: World): World {
  const { epoch } = world.source.machine.config;
  return post(world, { to: "router", body: { kind: "moved", to: "target", attempt: 0, epoch: epoch + 1 } });
}

/** Takes the sequence out of an engine without its finishing. */
export function kill(world: World, at: "source" | "target"): World {
  const { engine } = world[at];
  if (engine.kind === "absent") return world;
  // What was said is forgotten with it.
  const gone: EngineState = { kind: "absent", epoch: engine.epoch, said: 0, acknowledged: 0 };
  if (at === "target") return setTarget(world, { engine: gone });
  // The machine hears of it when it asks the engine next.
  return setSource(world, { engine: gone });
}

function cancelAt(world: World, to: "source" | "target"): World {
  const { engine } = world[to];
  if (engine.kind === "absent") {
    return to === "source" && world.source.machine.kind === "moved" ? tellMoved(world) : world;
  }
  const body: ObserverEvent = { kind: "error", from: to, attempt: 0, epoch: engine.epoch };
  return post(kill(world, to), { to: "router", body });
}

function supersedeAt(
  world: World,
  to: "source" | "target",
  { attempt, epoch }: Extract<HostMessage, { kind: "supersede" }>,
): World {
  const { engine } = world[to];
  if (attempt === 0 && epoch <= engine.epoch) return world;
  return kill(world, to);
}
