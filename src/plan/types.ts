/** What a planner chooses from and what it says: placements of a model on devices, and how they fare. Plain data. */
import type { Slo } from "../sched/index.ts";
import type { Deployment, HandoverLink, ShareRule, SharingOptions } from "../sim/index.ts";

/** One way to run the model on devices of one kind: an instance, pipeline included. */
export interface DeviceChoice {
  /** The kind of device, as prices name it. */
  readonly gpu: string;
  /** "opt-13b tp2 pp1": model and parallelism. */
  readonly name: string;
  /** Of one stage's engine, before its pipeline is counted. */
  readonly deployment: Deployment;
  /** Stages of its pipeline; at least 1. */
  readonly pipeline: number;
  readonly weightBytes: number;
  /** Of one device, any currency. */
  readonly pricePerHour: number;
  /** Between instances of this kind. */
  readonly link: HandoverLink;
  /** What its cost model rests on, one line. */
  readonly basis: string;
  /** Mean relative error of the fit behind it; null when nothing was fitted. */
  readonly fitError: number | null;
}

/** The modes that are searched, in the order of equal prices. */
export const PLACEMENT_MODES = ["colocated", "chunked", "semi-pd", "disaggregated"] as const;
/** How phases share devices. */
export type PlacementMode = (typeof PLACEMENT_MODES)[number];

/** So many instances in one of the modes. */
export type Placement =
  /** Whole prompts before decodes. */
  | { readonly kind: "colocated"; readonly on: DeviceChoice; readonly instances: number }
  /** Steps of `stepTokens`, prompts cut to fill them (splitfuse). */
  | { readonly kind: "chunked"; readonly on: DeviceChoice; readonly instances: number; readonly stepTokens: number }
  /** Two workers on each device. */
  | {
      readonly kind: "semi-pd";
      readonly on: DeviceChoice;
      readonly instances: number;
      /** By the controller when absent. */
      readonly shares?: ShareRule;
      readonly sharing?: SharingOptions;
    }
  | {
      readonly kind: "disaggregated";
      readonly prefill: DeviceChoice;
      readonly prefills: number;
      readonly decode: DeviceChoice;
      readonly decodes: number;
    };

/** What has to be attained. */
export interface Objective {
  /** Of requests that bring none. */
  readonly slo: Slo;
  /** The share of requests that shall meet all their targets; above 0, at most 1. */
  readonly attain: number;
}

/** How a placement fared in one simulation. */
export interface PlanPoint {
  /** The trace's arrivals came so many times as fast. */
  readonly load: number;
  /** Every target of the objective was multiplied by this. */
  readonly sloScale: number;
  /** Those that their clients did not cancel; turned away or never finished, they count as missed. */
  readonly requests: number;
  readonly attained: number;
  readonly share: number;
  /** False: it was stopped when it could not attain any more; `attained` and `share` are upper bounds. */
  readonly whole: boolean;
  /** Of the single targets, over requests that were judged; null without that target. */
  readonly ttftShare: number | null;
  readonly tpotShare: number | null;
  readonly ttftP90Ms: number | null;
  readonly tpotP90Ms: number | null;
  readonly e2eMeanMs: number | null;
  readonly utilization: number;
  readonly preemptions: number;
}
