/** A fleet that is only told: what it shows is set by the test, what is asked of it is kept. No instance is behind it. */
import { fail } from "../../src/core/index.ts";
import type {
  FleetInstanceView,
  FleetMoveView,
  FleetRequestView,
  FleetRouterAnswer,
  FleetScalingAnswer,
  FleetScalingView,
  FleetView,
  FleetViewSource,
} from "../../src/protocol/index.ts";

/** An instance with a hundred pages, half of them used. */
export function instanceView(id: string, extra: Partial<FleetInstanceView> = {}): FleetInstanceView {
  return {
    id,
    model: "punctual-small",
    host: "punctual",
    role: "any",
    state: "serving",
    address: `127.0.0.1:${4300 + (id.codePointAt(id.length - 1) ?? 0)}`,
    usedPages: 50,
    totalPages: 100,
    pageTokens: 16,
    running: 1,
    waiting: 0,
    batch: 1,
    tokensPerSecond: 120,
    heartbeatAgeMs: 100,
    ...extra,
  };
}

/** A request that has said four tokens. */
export function requestView(
  id: string,
  instance: string | null,
  extra: Partial<FleetRequestView> = {},
): FleetRequestView {
  const counts = { promptTokens: 20, answerTokens: 4, moves: 0, ageMs: 250 };
  return { id, model: "punctual-small", instance, state: "running", ...counts, ...extra };
}

/** A move in the middle of its first copy. */
export function moveView(
  id: string,
  request: string,
  from: string,
  to: string,
  extra: Partial<FleetMoveView> = {},
): FleetMoveView {
  return {
    id,
    request,
    model: "punctual-small",
    from,
    to,
    reason: "balance",
    stage: "copy",
    copies: 1,
    pages: 3,
    totalPages: 8,
    bytes: 120_000,
    ageMs: 12,
    outcome: null,
    tookMs: null,
    gapMs: null,
    ...extra,
  };
}

/** A router that has started one instance and wants no other. */
export function scalingView(extra: Partial<FleetScalingView> = {}): FleetScalingView {
  return {
    model: "punctual-small",
    isActive: true,
    isEnabled: true,
    least: 1,
    most: 4,
    wanted: 2,
    starting: 0,
    draining: 0,
    freenessSteps: 512.5,
    lowSteps: 400,
    highSteps: 800,
    started: 1,
    failed: 0,
    drained: 0,
    last: { kind: "start", instance: "instance-b", reason: "low", freenessSteps: 312.5, ageMs: 30_000 },
    problem: null,
    ...extra,
  };
}

/** Two instances, one request, no move, two routers. */
export function fleetView(extra: Partial<FleetView> = {}): FleetView {
  const ttftMs = { p50: 20, p90: 42, p99: 80, count: 12 };
  return {
    kind: "fleet",
    name: "default",
    bus: { kind: "nats", status: "connected" },
    upMs: 60_000,
    instances: [instanceView("instance-a"), instanceView("instance-b", { usedPages: 10, running: 0 })],
    requests: [requestView("request-1", "instance-a")],
    omittedRequests: 0,
    moves: [],
    endedMoves: [],
    moveCounts: { moved: 0, aborted: 0, failed: 0 },
    kv: { inFlightBytes: 0, sentBytes: 0, bytesPerSecond: 0 },
    routers: [
      { name: "round-robin", isActive: true, requests: 12, ttftMs, hitShare: 0.1 },
      { name: "least-load", isActive: false, requests: 0, ttftMs: null, hitShare: null },
    ],
    ...extra,
  };
}

/** See the head of this file. */
export class FleetDouble implements FleetViewSource {
  current: FleetView = fleetView();
  /** How often it was looked at. */
  looks = 0;
  /** What was asked of it, in order. */
  readonly asked: string[] = [];

  view(): FleetView {
    this.looks += 1;
    return this.current;
  }

  drain: FleetViewSource["drain"] = async (id) => {
    this.asked.push(`drain ${id}`);
    const { running, waiting } = this.current.instances.find((instance) => instance.id === id)!;
    return { id, state: "draining", running, waiting };
  };

  move: FleetViewSource["move"] = async (request, to) => {
    this.asked.push(`move ${request} ${to}`);
    return { id: "move-1", request, from: this.current.requests[0]!.instance!, to };
  };

  setRouter(router: string): FleetRouterAnswer {
    const known = this.current.routers.map(({ name }) => name);
    if (!known.includes(router)) fail("invalid_request", `Expected one of ${known.join(", ")}.`, { param: "router" });
    this.asked.push(`router ${router}`);
    return { router, previous: this.current.routers.find(({ isActive }) => isActive)!.name };
  }

  setScaling(enabled: boolean): FleetScalingAnswer {
    const { scaling } = this.current;
    if (scaling === undefined) return fail("not_found", "This router does not scale.");
    this.current = { ...this.current, scaling: { ...scaling, isEnabled: enabled, wanted: enabled ? 2 : null } };
    return { enabled, previous: scaling.isEnabled };
  }
}
