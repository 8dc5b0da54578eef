/** A fleet as the console shows it: made when somebody looks, within FLEET_VIEW_LIMITS. Pure but for what it is given. */
import { FLEET_VIEW_LIMITS, type FleetInstanceView, type FleetRequestView } from "../../protocol/index.ts";
import type { FleetStream } from "./fleet-stream.ts";
import type { FleetInstance } from "./instance.ts";

/** One instance. */
export function instanceView(instance: FleetInstance<FleetStream>, nowMs: number): FleetInstanceView {
  const { card, report, beats } = instance;
  return {
    id: card.id,
    model: card.model,
    host: "punctual",
    role: card.role,
    state: stateOf(instance, nowMs),
    address: card.kv === null ? null : `${card.kv.host}:${card.kv.port}`.slice(0, FLEET_VIEW_LIMITS.addressCharacters),
    usedPages: report?.usedPages ?? 0,
    totalPages: card.totalPages,
    pageTokens: card.pageTokens,
    running: report?.running ?? 0,
    waiting: report?.waiting ?? 0,
    batch: report === null ? null : Math.round(report.batch),
    tokensPerSecond: report?.tokensPerSecond ?? null,
    heartbeatAgeMs: beats.lastMs === null ? null : nowMs - beats.lastMs,
    ...(report?.contexts === undefined ? {} : { contexts: report.contexts }),
  };
}

function stateOf(instance: FleetInstance<FleetStream>, nowMs: number): FleetInstanceView["state"] {
  if (instance.draining) return "draining";
  if (instance.beats.lastMs === null) return "starting";
  return instance.beats.trusted(nowMs) ? "serving" : "silent";
}

/** One open request. @param moving ids of requests that a move is under way for */
export function requestView(
  stream: FleetStream,
  model: string,
  moving: ReadonlySet<string>,
  nowMs: number,
): FleetRequestView {
  const { instance, tokens, log, request } = stream;
  return {
    id: stream.id.slice(0, FLEET_VIEW_LIMITS.idCharacters),
    model,
    instance: instance?.id ?? null,
    state: stream.recovering
      ? "recovering"
      : moving.has(request.id)
        ? "moving"
        : tokens > 0 || log.started
          ? "running"
          : "waiting",
    promptTokens: request.promptTokens.length,
    answerTokens: tokens,
    moves: stream.moves,
    ageMs: nowMs - log.arrivalMs,
  };
}
