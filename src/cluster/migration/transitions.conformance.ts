/**
 * Everything that may happen next in the small world of the exhaustive check (model.conformance.ts): what is under way comes to
 * its end, messages arrive, engines compute, timers run out, and what goes wrong while there is some of it left.
 */
import {
  hostMessage,
  isComputed,
  kill,
  routerEvent,
  say,
  sourceEvent,
  sourceOp,
  targetEvent,
  targetOp,
} from "./model.conformance.ts";
import { isOver } from "./source.ts";
import type { TargetEvent } from "./target.ts";
import {
  ABSENT,
  messageOf,
  setSource,
  setTarget,
  spend,
  type Case,
  type CopyOp,
  type EngineState,
  type Message,
  type Op,
  type Party,
  type SourceSide,
  type Transition,
  type World,
} from "./world.conformance.ts";

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
      else if (op.kind === "measure" && !isNews(options, source)) continue;
      else add("progress", `source ${op.kind}`, () => sourceOp(options, world, op));
    }
  }
  if (!target.alive) return;
  for (const op of target.ops) {
    if (op.kind === "pull") {
      pullTransitions(options, world, op, add);
      continue;
    }
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
    if (op.kind === "open" && options.growing && left.noRoom > 0) {
      add("fault", "target has no room for the prompt", () => full({ kind: "open_failed", reason: "no_room" }));
    }
    if (op.kind === "hold" && left.noRoom > 0) {
      add("fault", "target has no room", () => full({ kind: "no_room" }));
    }
    if (op.kind === "adopt" && left.noRoom > 0) {
      add("fault", "target has no room at last", () => full({ kind: "adopt_failed", reason: "no_room" }));
    }
  }
}

/** Whether there is anything to tell of a sequence that is measured. */
function isNews(options: Case, source: SourceSide): boolean {
  const { engine, machine, prompt } = source;
  return engine.kind === "absent" || !isComputed(options, source) || prompt > machine.copied || isOver(machine);
}

function pullTransitions(options: Case, world: World, op: Op, add: Add): void {
  const { source, target, left } = world;
  const breaks = (from: World): World =>
    targetEvent(options, setTarget(from, { ops: target.ops.filter((one) => one !== op) }), { kind: "link_failed" });
  // Who has nothing more to give says so.
  const isGone = !source.alive || isOver(source.machine);
  if (source.alive && source.granted > target.machine.written) {
    add("progress", "target pulls", () => targetOp(options, world, op));
  } else if (isGone) add("progress", "target pull breaks", () => breaks(world));
  if (left.linkFailures > 0) add("fault", "the pull breaks", () => breaks(spend(world, "linkFailures")));
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
    if (side === "source" && isComputed(options, world.source)) {
      add("progress", "source computes", () => computeAt(options, world));
      continue;
    }
    add("progress", `${side} decodes`, () => {
      const said = engine.said + 1;
      const kind = said === options.tokens ? "absent" : "running";
      const next: EngineState = { ...engine, said, kind };
      const stepped = side === "source" ? setSource(world, { engine: next }) : setTarget(world, { engine: next });
      return say(stepped, side, engine.said, said, options);
    });
  }
}

/** A page of the prompt; after the last the first token, and it stands still. */
function computeAt(options: Case, world: World): World {
  const { engine, prompt } = world.source;
  if (prompt < options.promptPages) return setSource(world, { prompt: prompt + 1 });
  return say(setSource(world, { engine: { ...engine, kind: "frozen", said: 1 } }), "source", 0, 1, options);
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
