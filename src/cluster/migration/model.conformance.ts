/**
 * A small world for the exhaustive check: one request, a source, a target, a router, a network, and engines reduced to what
 * matters (does it run, what has it said, does it hold pages). The state machines are the real ones. `transitions` lists
 * everything that may happen next; explore.conformance.ts walks through all of it.
 */
import { assert } from "../../core/index.ts";
import { observe, stepObserver, type ObserverAction, type ObserverEvent } from "./observer.conformance.ts";
import { isOver, startSource, stepSource, type SourceAction, type SourceEvent } from "./source.ts";
import { freshTarget, stepTarget, type TargetAction, type TargetEvent } from "./target.ts";
import {
  ABSENT,
  messageOf,
  post,
  setSource,
  setTarget,
  spend,
  type Case,
  type CopyOp,
  type EngineState,
  type HostMessage,
  type Message,
  type Op,
  type Party,
  type Transition,
  type World,
} from "./world.conformance.ts";

/** The beginning: the source computes, a migration is offered. */
export function beginning(options: Case): World {
  const { mode, maxStages, lastStagePages } = options;
  const config = { migration: "m", mode, epoch: 0, maxStages, lastStagePages, slackPages: 1 };
  const started = startSource(config);
  const frozen = mode === "hand-over";
  const world: World = {
    source: {
      alive: true,
      machine: started.state,
      engine: { kind: frozen ? "frozen" : "running", epoch: 0, said: frozen ? 1 : 0, acknowledged: 0 },
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

const pagesOf = (options: Case, engine: EngineState): number => options.promptPages + engine.said;

/** The host of that side says tokens [first, end) to the router. */
function say(world: World, from: "source" | "target", first: number, end: number, options: Case): World {
  const { epoch } = world[from].engine;
  const last = end === options.tokens;
  const body = { kind: "tokens", from, attempt: 0, epoch, first, count: end - first, last } as const;
  return post(world, { to: "router", body });
}

// The source's driver

function sourceEvent(options: Case, world: World, event: SourceEvent): World {
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
function sourceOp(options: Case, world: World, op: Op): World {
  const ops = world.source.ops.filter((one) => one !== op);
  const done = setSource(world, { ops });
  const { engine } = done.source;
  if (op.kind === "copy") return sourceEvent(options, done, { kind: "copied" });
  if (engine.kind === "absent") return sourceEvent(options, done, { kind: "lost", reason: "ended" });
  const pages = pagesOf(options, engine);
  if (op.kind === "measure") {
    return sourceEvent(options, done, { kind: "measured", pages, whole: pages, waiting: false });
  }
  const frozen = setSource(done, { engine: { ...engine, kind: "frozen" } });
  return sourceEvent(options, frozen, { kind: "frozen", pages });
}

// The target's driver

function targetEvent(options: Case, world: World, event: TargetEvent): World {
  const { state, actions } = stepTarget(world.target.machine, event);
  const next = setTarget(world, { machine: state });
  return actions.reduce((current, action) => targetAction(options, current, action), next);
}

function targetAction(options: Case, world: World, action: TargetAction): World {
  const { target } = world;
  const ops = (kind: string): World => setTarget(world, { ops: [...target.ops, { kind }] });
  switch (action.kind) {
    case "send": {
      const sent = post(world, { to: "source", body: action.message });
      if (action.message.kind !== "adopted") return sent;
      const { epoch } = action.message;
      return post(sent, { to: "router", body: { kind: "adopted", from: "target", attempt: 0, epoch } });
    }
    case "open": {
      const opening = ops("open");
      // Pages of a hand-over may be pulled as soon as it is offered.
      const { ops: all } = opening.target;
      return options.mode === "hand-over" ? setTarget(opening, { ops: [...all, { kind: "fetch" }] }) : opening;
    }
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

function targetOp(options: Case, world: World, op: Op): World {
  const { target } = world;
  const done = setTarget(world, { ops: target.ops.filter((one) => one !== op) });
  const { machine, stream } = target;
  switch (op.kind) {
    case "open":
      return targetEvent(options, setTarget(done, { importing: true }), { kind: "opened", cached: 0 });
    case "hold":
      return targetEvent(options, done, { kind: "held", pages: machine.wanted });
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

function routerEvent(options: Case, world: World, event: ObserverEvent): World {
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

function hostMessage(options: Case, world: World, to: Party | "spare", message: HostMessage): World {
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
function kill(world: World, at: "source" | "target"): World {
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

// Everything that may happen

/** All that may happen in this world, in a fixed order. */
export function transitions(options: Case, world: World): Transition[] {
  const list: Transition[] = [];
  const add = (kind: Transition["kind"], name: string, apply: () => World): void => {
    list.push({ kind, name, apply });
  };
  opTransitions(options, world, add);
  networkTransitions(options, world, add);
  engineTransitions(options, world, add);
  timerTransitions(options, world, add);
  faultTransitions(options, world, add);
  return list;
}

type Add = (kind: Transition["kind"], name: string, apply: () => World) => void;

function opTransitions(options: Case, world: World, add: Add): void {
  const { source, target, left } = world;
  if (source.alive) {
    for (const op of source.ops) {
      if (op.kind === "copy") copyTransitions(options, world, op as CopyOp, add);
      else add("progress", `source ${op.kind}`, () => sourceOp(options, world, op));
    }
  }
  if (!target.alive) return;
  for (const op of target.ops) {
    if (op.kind === "fetch" && !source.alive) {
      const broken = (): World =>
        targetEvent(options, setTarget(world, { ops: target.ops.filter((one) => one !== op) }), {
          kind: "link_failed",
        });
      add("progress", "target fetch breaks", broken);
      continue;
    }
    add("progress", `target ${op.kind}`, () => targetOp(options, world, op));
    const full = (event: TargetEvent): World => {
      const without = setTarget(world, { ops: target.ops.filter((one) => one !== op) });
      return targetEvent(options, spend(without, "noRoom"), event);
    };
    if (op.kind === "hold" && left.noRoom > 0) {
      add("fault", "target has no room", () => full({ kind: "no_room" }));
    }
    if (op.kind === "adopt" && left.noRoom > 0) {
      add("fault", "target has no room at last", () => full({ kind: "adopt_failed", reason: "no_room" }));
    }
  }
}

/** Whether a target takes pages. */
function takesPages({ target }: World): boolean {
  return target.alive && target.importing && target.machine.kind !== "aborted";
}

function copyTransitions(options: Case, world: World, op: CopyOp, add: Add): void {
  const { source, left } = world;
  const without = (): World => setSource(world, { ops: source.ops.filter((one) => one !== op) });
  const fails = (from: World): World => sourceEvent(options, from, { kind: "copy_failed" });
  const open = takesPages(world);
  // The frame is in the network and may be on its way though the link breaks: see `frameArrives`.
  if (op.rides && open) {
    const lost = (): World => ({ ...without(), network: world.network.filter((one) => !isFrame(one)) });
    if (left.linkFailures > 0)
      add("fault", "the link breaks before the frame", () => fails(spend(lost(), "linkFailures")));
  } else if (op.arrived) add("progress", "source copied", () => sourceOp(options, world, op));
  else if (open) {
    add("progress", "pages arrive", () => {
      const ops = source.ops.map((one) => (one === op ? { ...op, arrived: true } : one));
      return targetEvent(options, setSource(world, { ops }), { kind: "written", upTo: op.upTo });
    });
  } else add("progress", "nobody takes pages", () => fails(without()));
  if (left.linkFailures > 0) add("fault", "the link breaks", () => fails(spend(without(), "linkFailures")));
}

function isFrame(number: number): boolean {
  const message = messageOf(number);
  return message.to === "target" && "body" in message && message.upTo !== undefined;
}

/** The last pages come together with the commit, or are refused. */
function frameArrives(options: Case, world: World, message: Extract<Message, { to: "target"; body: unknown }>): World {
  const upTo = message.upTo!;
  const riding = world.source.ops.find((op) => op.kind === "copy" && (op as CopyOp).rides);
  const ops = world.source.ops.filter((op) => op !== riding);
  if (!takesPages(world)) {
    const refused = setSource(world, { ops });
    return riding === undefined || !world.source.alive ? world : sourceEvent(options, refused, { kind: "copy_failed" });
  }
  const written = targetEvent(options, setSource(world, { ops }), { kind: "written", upTo });
  return commitArrives(options, written, message);
}

function commitArrives(options: Case, world: World, message: Extract<Message, { to: "target"; body: unknown }>): World {
  const { acknowledged, said } = message;
  const rode = message.upTo !== undefined;
  const carries = message.body.kind === "commit" && world.target.stream === null;
  const told = carries ? setTarget(world, { stream: { acknowledged, said, rode } }) : world;
  return targetEvent(options, told, { kind: "message", message: message.body });
}

function networkTransitions(options: Case, world: World, add: Add): void {
  for (const number of world.network) {
    const message = messageOf(number);
    const without = (): World => ({ ...world, network: world.network.filter((one) => one !== number) });
    if (options.unbounded) {
      add("progress", `${number} arrives`, () => deliver(options, world, message));
      continue;
    }
    add("progress", `${number} arrives`, () => deliver(options, without(), message));
    if (world.left.duplicates > 0) {
      add("fault", `${number} arrives and stays`, () => deliver(options, spend(world, "duplicates"), message));
    }
    if (world.left.drops > 0) add("fault", `${number} is lost`, () => spend(without(), "drops"));
  }
}

function deliver(options: Case, world: World, message: Message): World {
  if ("host" in message) return hostMessage(options, world, message.to, message.host);
  switch (message.to) {
    case "source":
      return world.source.alive ? sourceEvent(options, world, { kind: "message", message: message.body }) : world;
    case "target": {
      if (message.upTo !== undefined) return frameArrives(options, world, message);
      return world.target.alive ? commitArrives(options, world, message) : world;
    }
    case "router":
      return routerEvent(options, world, message.body);
    default:
      return message satisfies never;
  }
}

function engineTransitions(options: Case, world: World, add: Add): void {
  const { machine, engine: left } = world.source;
  if (options.mode === "hand-over" && machine.kind === "stayed" && left.kind === "frozen") {
    // Nobody took it: its own instance does.
    add("progress", "source keeps it", () => setSource(world, { engine: { ...left, kind: "running" } }));
  }
  for (const side of ["source", "target"] as const) {
    const { alive, engine } = world[side];
    if (!alive || engine.kind !== "running") continue;
    add("progress", `${side} decodes`, () => {
      const said = engine.said + 1;
      const kind = said === options.tokens ? "absent" : "running";
      const next: EngineState = { ...engine, said, kind };
      const stepped = side === "source" ? setSource(world, { engine: next }) : setTarget(world, { engine: next });
      return say(stepped, side, engine.said, said, options);
    });
  }
}

function timerTransitions(options: Case, world: World, add: Add): void {
  const { source, target, router } = world;
  if (source.alive && !isOver(source.machine)) {
    if (!options.unbounded) add("timer", "source repeats", () => sourceEvent(options, world, { kind: "retry" }));
    const takesBack = source.machine.kind === "handing" && source.machine.withdrawing !== null;
    const inTime = takesBack && target.alive;
    if (!inTime) add("timer", "source gives up", () => sourceEvent(options, world, { kind: "give_up" }));
    if (!target.alive) add("timer", "source misses target", () => sourceEvent(options, world, { kind: "target_gone" }));
  }
  if (target.alive && ["opening", "open", "reserving"].includes(target.machine.kind)) {
    add("timer", "target hears nothing", () => targetEvent(options, world, { kind: "silence" }));
  }
  if (router !== null && router.end === null) {
    add("timer", "router hears nothing", () => routerEvent(options, world, { kind: "silence" }));
    for (const party of ["source", "target"] as const) {
      if (world[party].alive) continue;
      add("timer", `router misses ${party}`, () => routerEvent(options, world, { kind: "gone", instance: party }));
    }
  }
  if (router === null || router.end !== null) {
    for (const side of ["source", "target"] as const) {
      const { alive, engine } = world[side];
      if (alive && engine.kind !== "absent") {
        add("timer", `nobody reads ${side}`, () => kill(world, side));
      }
    }
  }
}

function faultTransitions(options: Case, world: World, add: Add): void {
  const { source, target, router, left } = world;
  if (left.crashes > 0) {
    const crash = (party: Party, apply: () => World): void => {
      if (options.mayCrash.includes(party)) add("fault", `${party} dies`, () => spend(apply(), "crashes"));
    };
    if (source.alive) crash("source", () => setSource(world, { alive: false, engine: ABSENT, ops: [] }));
    if (target.alive)
      crash("target", () => setTarget(world, { alive: false, engine: ABSENT, importing: false, ops: [] }));
    if (router !== null) crash("router", () => ({ ...world, router: null }));
  }
  if (left.suspicions > 0) suspicions(options, world, add);
  if (left.preemptions > 0 && source.alive && source.ops.some(({ kind }) => kind === "freeze" || kind === "measure")) {
    add("fault", "source is preempted", () => {
      const ops = source.ops.filter(({ kind }) => kind !== "freeze" && kind !== "measure");
      return sourceEvent(options, spend(setSource(world, { ops }), "preemptions"), {
        kind: "lost",
        reason: "preempted",
      });
    });
  }
  if (left.cancels > 0 && router !== null && router.end === null) {
    add("fault", "client leaves", () => routerEvent(options, spend(world, "cancels"), { kind: "cancel" }));
  }
}

function suspicions(options: Case, world: World, add: Add): void {
  const { source, target, router } = world;
  const suspect = (): World => spend(world, "suspicions");
  if (source.alive && target.alive && !isOver(source.machine)) {
    add("fault", "target is taken for dead", () => sourceEvent(options, suspect(), { kind: "target_gone" }));
  }
  if (router !== null && router.end === null && world[router.owner as Party] !== null && router.owner !== "spare") {
    const instance = router.owner;
    add("fault", `${instance} is taken for dead`, () => routerEvent(options, suspect(), { kind: "gone", instance }));
  }
}
