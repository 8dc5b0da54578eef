/**
 * Prompts and decodes as two workers of one device over one cache (Semi-PD 2025): nothing is copied, weights are there
 * once, and each worker has a share of the compute while both have something to do; alone, it has all of it.
 *
 *   arrival ─▶ prefill worker ─▶ first token ─▶ decode worker ─▶ end
 *                   ▲                               │
 *                   └── retracted: computed again ──┘        pages stay where they are on the way down
 *
 * Steps overlap in time: one under way is slower from the moment that the other worker begins a step until that ends.
 *
 * Shares are fixed, or follow the objectives through the same controller as the live engine (`dynamic`). Left alone
 * (`uncontrolled`) two processes that want everything get half each.
 */
import { assert } from "../../core/index.ts";
import {
  prefillFirst,
  type InstanceLoad,
  ShareController,
  type SequenceView,
  type ShareControllerOptions,
  type ShareDecision,
} from "../../sched/index.ts";
import type { InstanceSpec } from "../fleet.ts";
import type { VirtualInstance } from "../instance.ts";
import type { CostModel, Deployment, Phase, StepShape } from "../types.ts";
import type { FleetSettings } from "./groups.ts";
import { prefillBatches, saturatingTokens } from "./prefill-batches.ts";
import { sharedStepMs, type SharingOptions } from "./shared-cost.ts";
import type { PhasedFleet } from "./types.ts";

/** Who decides the prompts' share of the compute. */
export type ShareRule =
  /** Half each while both run. */
  | { readonly kind: "uncontrolled" }
  | { readonly kind: "static"; readonly prefillShare: number }
  | { readonly kind: "dynamic"; readonly controller?: ShareControllerOptions };

/** Settings of `semiPdFleet`. */
export interface SemiPdOptions extends FleetSettings, SharingOptions {
  readonly deployment: Deployment;
  /** Devices like that one, or groups of devices: each has two workers. */
  readonly instances: number;
  readonly shares: ShareRule;
  /** Most prompt tokens of a step, one longer prompt aside: as many as saturate the device when absent. */
  readonly batchTokens?: number;
  /** Share of the pages that new prompts leave to decodes; 0.02 when absent. */
  readonly spareShare?: number;
  /** Hears of every window of a controller. */
  readonly decided?: (pair: number, decision: ShareDecision) => void;
}

const SPARE_SHARE = 0.02;
const MAX_RUNNING = 256;
/** TPOT is observed as the mean of so many steps. */
const STEPS_PER_OBSERVATION = 8;

/** Two workers on each device; instance 2i computes prompts, 2i + 1 decodes. Serves one simulation. */
export function semiPdFleet(options: SemiPdOptions): PhasedFleet {
  const { deployment, instances: count, spareShare = SPARE_SHARE, pageTokens, maxRunning, prefixCache } = options;
  const settings = {
    deployment,
    ...(pageTokens === undefined ? {} : { pageTokens }),
    ...(maxRunning === undefined ? {} : { maxRunning }),
    ...(prefixCache === undefined ? {} : { prefixCache }),
  };
  const batches = { saturatingTokens: options.batchTokens ?? saturatingTokens(deployment.cost), spareShare };
  const instances: InstanceSpec[] = [];
  const pairs: WorkerPair[] = [];
  for (let pair = 0; pair < count; pair++) {
    instances.push({ ...settings, role: "prefill", policy: () => prefillBatches(batches) });
    instances.push({ ...settings, role: "decode", policy: prefillFirst, sharesPagesWith: 2 * pair });
    pairs.push(new WorkerPair(pair, deployment.cost, options));
  }
  return {
    instances,
    devices: count * deployment.devices,
    phase: semiPdPhase(maxRunning ?? MAX_RUNNING),
    timing: (shape, instance, _, nowMs) => pairs[instance.index >> 1]!.stepMs(shape, instance, nowMs),
    retiming: (index, nowMs) => pairs[index >> 1]!.retime(index, nowMs),
  };
}

/** Down to the other worker of the device, and back when retracted. */
function semiPdPhase(maxRunning: number): Phase {
  const partner = (from: InstanceLoad, instances: readonly InstanceLoad[]): InstanceLoad => instances[from.index ^ 1]!;
  return {
    name: "semi-pd",
    leaves: (_, from) => from.role === "prefill",
    target: (_, from, instances) => {
      const worker = partner(from, instances);
      return worker.running < maxRunning ? worker : null;
    },
    transferMs: () => 0,
    recompute: (_, from, instances) => partner(from, instances),
  };
}

/** The step of one worker. */
interface Worker {
  /** It ends then, if nothing happens beside it. */
  endMs: number;
  /** Milliseconds alone that were left of it at `atMs`. */
  leftMs: number;
  atMs: number;
  /** Milliseconds' worth that it does in one: now, and beside the other worker. */
  speed: number;
  speedBeside: number;
}

const idle = (): Worker => ({ endMs: 0, leftMs: 0, atMs: 0, speed: 1, speedBeside: 1 });

/** The two workers of a device: who gets how much of it, and how long their steps take. */
class WorkerPair {
  readonly #pair: number;
  readonly #cost: CostModel;
  readonly #options: SemiPdOptions;
  readonly #controller: ShareController | null;
  readonly #prefill = idle();
  readonly #decode = idle();
  /** Whose first token comes at the end of the step of prompts. */
  readonly #prompts: { readonly arrivalMs: number; readonly ttftMs: number }[] = [];
  /** Where the observation of decodes began, and steps since. */
  #markMs = 0;
  #steps = 0;

  constructor(pair: number, cost: CostModel, options: SemiPdOptions) {
    this.#pair = pair;
    this.#cost = cost;
    this.#options = options;
    const { shares } = options;
    this.#controller = shares.kind === "dynamic" ? new ShareController(shares.controller) : null;
  }

  /** Called once when a step begins. */
  stepMs(shape: StepShape, instance: VirtualInstance, nowMs: number): number {
    const isPrefill = instance.role === "prefill";
    const [own, other] = isPrefill ? [this.#prefill, this.#decode] : [this.#decode, this.#prefill];
    if (isPrefill) this.#remember(instance);
    else this.#observeDecodes(instance, nowMs);
    this.#control(nowMs);
    const share = isPrefill ? this.#prefillShare() : 1 - this.#prefillShare();
    own.leftMs = this.#cost.stepMs(shape);
    own.atMs = nowMs;
    own.speedBeside = own.leftMs / sharedStepMs(this.#cost, shape, share, this.#options);
    assert(own.speedBeside > 0 && own.speedBeside <= 1, "a part is not faster than the whole");
    own.speed = other.endMs > nowMs ? own.speedBeside : 1;
    own.endMs = nowMs + own.leftMs / own.speed;
    return own.endMs - nowMs;
  }

  /** A step of one worker has begun or ended: when the other's ends now, or null when nothing changes. */
  retime(index: number, nowMs: number): { readonly instance: number; readonly endMs: number } | null {
    const isPrefill = (index & 1) === 0;
    const [own, other] = isPrefill ? [this.#prefill, this.#decode] : [this.#decode, this.#prefill];
    if (isPrefill && own.endMs <= nowMs) this.#observePrompts(nowMs);
    if (other.endMs <= nowMs) return null;
    const speed = own.endMs > nowMs ? other.speedBeside : 1;
    if (speed === other.speed) return null;
    other.leftMs = Math.max(0, other.leftMs - (nowMs - other.atMs) * other.speed);
    other.atMs = nowMs;
    other.speed = speed;
    other.endMs = nowMs + other.leftMs / speed;
    return { instance: index ^ 1, endMs: other.endMs };
  }

  #prefillShare(): number {
    const { shares } = this.#options;
    if (this.#controller !== null) return this.#controller.share;
    return shares.kind === "static" ? shares.prefillShare : 0.5;
  }

  #control(nowMs: number): void {
    const decision = this.#controller?.update(nowMs) ?? null;
    if (decision !== null) this.#options.decided?.(this.#pair, decision);
  }

  /** Every prompt is whole in its step: its first token comes at the end of it. */
  #remember({ runningSequences }: VirtualInstance): void {
    this.#prompts.length = 0;
    if (this.#controller === null) return;
    for (const { generatedTokens, slo, arrivalMs } of runningSequences) {
      if (generatedTokens === 0 && slo.ttftMs !== undefined) this.#prompts.push({ arrivalMs, ttftMs: slo.ttftMs });
    }
  }

  #observePrompts(nowMs: number): void {
    for (const { arrivalMs, ttftMs } of this.#prompts) {
      this.#controller!.observe("prefill", (nowMs - arrivalMs) / ttftMs);
    }
    this.#prompts.length = 0;
  }

  /** All running sequences get a token a step: the mean of some steps is the pace of each. */
  #observeDecodes({ runningSequences }: VirtualInstance, nowMs: number): void {
    if (this.#controller === null) return;
    const wasBusy = this.#decode.endMs === nowMs;
    if (!wasBusy || this.#steps === STEPS_PER_OBSERVATION) {
      if (wasBusy) this.#observePace(runningSequences, (nowMs - this.#markMs) / STEPS_PER_OBSERVATION);
      this.#markMs = nowMs;
      this.#steps = 0;
    }
    this.#steps += 1;
  }

  #observePace(sequences: readonly SequenceView[], paceMs: number): void {
    let tightestMs = Infinity;
    for (const { slo } of sequences) tightestMs = Math.min(tightestMs, slo.tpotMs ?? Infinity);
    if (tightestMs < Infinity) this.#controller!.observe("decode", paceMs / tightestMs);
  }
}
