/** Flags of `punctual simulate` about the fleet: migration between instances, and how many there are; the latter for `serve`, too. */
import { fail } from "../core/index.ts";
import type { AutoscaleOptions } from "../sched/index.ts";
import type { FleetController } from "../sim/index.ts";

export interface FleetFlags {
  /** At the start. */
  readonly instances: number;
  readonly migrate?: boolean;
  /** GB/s of keys and values. */
  readonly link: number;
  /** FEWEST..MOST or FEWEST..MOST,LOW..HIGH. */
  readonly autoscale?: string;
  /** Milliseconds. */
  readonly startDelay: number;
}

/** Decode steps of freeness that an autoscaled fleet keeps to, when the flag does not say. */
const DEFAULT_STEPS = { lowSteps: 400, highSteps: 800 } as const;
/** Messages of one stage of a migration. */
const HANDSHAKE_MS = 5;

/** What watches over the fleet; null when the flags ask for nothing of the kind. @throws PunctualError invalid_request */
export async function fleetControllerOf(flags: FleetFlags, kvBytesPerToken: number): Promise<FleetController | null> {
  if (flags.migrate !== true && flags.autoscale === undefined) return null;
  const [{ fleetController, linkMigration }, { fleetWatcher, llumnixMigrants }] = await Promise.all([
    import("../sim/index.ts"),
    import("../sched/index.ts"),
  ]);
  const watcher = fleetWatcher({
    ...(flags.migrate === true ? { migrate: {} } : {}),
    ...(flags.autoscale === undefined ? {} : { autoscale: readAutoscale(flags.autoscale, flags.instances) }),
  });
  const link = { kvBytesPerToken, bytesPerSecond: flags.link * 1e9, handshakeMs: HANDSHAKE_MS };
  const migration = linkMigration("staged", link);
  return fleetController({ watcher, migrants: llumnixMigrants(), migration, startMs: flags.startDelay });
}

/** @throws PunctualError invalid_request saying what was expected. */
export function readAutoscale(text: string, instances: number): AutoscaleOptions {
  const range = readRange(text, "--autoscale");
  if (instances < range.least || instances > range.most) {
    fail("invalid_request", `--autoscale: expected a range that contains --instances ${instances}, got "${text}".`, {
      param: "autoscale",
    });
  }
  return range;
}

/** How many instances, and the room to keep to. @throws PunctualError invalid_request naming the flag */
export function readRange(text: string, flag: string): AutoscaleOptions {
  const match = /^(\d+)\.\.(\d+)(?:,(\d+)\.\.(\d+))?$/.exec(text);
  const bad = (what: string): never =>
    fail("invalid_request", `${flag}: expected ${what}, got "${text}".`, { param: flag });
  if (match === null) return bad("FEWEST..MOST or FEWEST..MOST,LOW..HIGH");
  const [least, most] = [Number(match[1]), Number(match[2])];
  const lowSteps = match[3] === undefined ? DEFAULT_STEPS.lowSteps : Number(match[3]);
  const highSteps = match[4] === undefined ? DEFAULT_STEPS.highSteps : Number(match[4]);
  if (least < 1 || least > most) return bad("FEWEST from 1 to MOST");
  return lowSteps < highSteps ? { least, most, lowSteps, highSteps } : bad("LOW below HIGH");
}
