/**
 * The stages of a live migration as a proxy sees them go by: messages between two workers over the bus, frames of pages over
 * TCP. A test can wait for one, let it arrive or not, and act at that moment. A hand-over from a prefill to a decode worker has
 * most of those stages behind two of its own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Frame } from "./frames.ts";
import type { Rule, Verdict } from "./fault-proxy.ts";
import type { TestFleet, TestWorker } from "./test-fleet.ts";

/** In the order in which they come; `pages` is the first frame of keys and values. */
export const STAGES = ["offer", "accepted", "reserve", "reserved", "pages", "commit", "adopted"] as const;
/** Of a hand-over: told of with the prompt, pages are pulled by the target as they become whole, and room is made with the offer. */
export const HAND_OVER_STAGES: readonly Stage[] = ["ready", "claim", "offer", "accepted", "pages", "commit", "adopted"];
/** A stage of a migration or of a hand-over. */
export type Stage = (typeof STAGES)[number] | "ready" | "claim";

/** What the target says; the source says the others. */
const OF_TARGET: ReadonlySet<Stage> = new Set(["claim", "accepted", "reserved", "adopted"]);
const KIND_AT = 5;
const PAGES_KIND = 2;
/** Pages with the commit of a live migration behind them; that of a hand-over comes over the bus. */
const LAST_KIND = 6;

/** Between which workers something moves. */
export interface Way {
  readonly source: string;
  readonly target: string;
}

/**
 * Acts when the first message of a stage passes. Resolves then; other rules of the proxies that it passes are replaced until
 * then. @param verdict what becomes of that message
 */
export function atStage(fleet: TestFleet, way: Way, stage: Stage, verdict: Verdict, act: () => void): Promise<void> {
  const [source, target] = [fleet.worker(way.source), fleet.worker(way.target)];
  return new Promise((resolve) => {
    let isSeen = false;
    const rule: Rule = (frame) => {
      if (isSeen || !isOf(frame, stage)) return "pass";
      isSeen = true;
      for (const proxy of watched(stage, source, target)) proxy.rule = () => "pass";
      act();
      resolve();
      return verdict;
    };
    for (const proxy of watched(stage, source, target)) proxy.rule = rule;
  });
}

function watched(stage: Stage, source: TestWorker, target: TestWorker): readonly TestWorker["bus"][] {
  if (stage === "pages") return [source.kv, target.kv];
  if (stage === "commit") return [source.bus, source.kv, target.kv];
  return [OF_TARGET.has(stage) ? target.bus : source.bus];
}

function isOf({ bytes, kind, subject, payload }: Frame, stage: Stage): boolean {
  if (stage === "pages") return bytes[KIND_AT] === PAGES_KIND || bytes[KIND_AT] === LAST_KIND;
  if (stage === "commit" && kind === "frame") return bytes[KIND_AT] === LAST_KIND;
  if (stage === "ready") return kind.endsWith("PUB") && subject.endsWith(".ready");
  return kind.endsWith("PUB") && payload.includes('"migration"') && payload.includes(`"kind":"${stage}"`);
}

/** A process that is killed at a stage. */
export interface KillCase<V extends string> {
  readonly victim: V;
  readonly stage: Stage;
  /** Whether the message of the stage still arrives. */
  readonly message: "sent" | "lost";
}

/** Every victim at every stage, by name ("source pages sent"); by default those of `quick` only. */
export function killCases<V extends string>(
  victims: readonly V[],
  stages: readonly Stage[],
  quick: readonly string[],
): readonly (readonly [string, KillCase<V>])[] {
  const all = victims.flatMap((victim) =>
    stages.flatMap((stage) =>
      (["sent", "lost"] as const).map((message) => {
        return [`${victim} ${stage} ${message}`, { victim, stage, message }] as const;
      }),
    ),
  );
  return process.env["FLEET_FAULTS"] === "all" ? all : all.filter(([name]) => quick.includes(name));
}

/** @throws Error when it does not settle in time. */
export async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  const late = sleep(ms, "late");
  if ((await Promise.race([promise, late])) === "late") throw new Error(`the stage was not seen within ${ms} ms`);
}
