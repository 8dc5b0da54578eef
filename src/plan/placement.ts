/** A placement as a fleet, as a price and in words. */
import { createPolicy } from "../sched/index.ts";
import { colocatedFleet, disaggregatedFleet, semiPdFleet, type PhasedFleet, type PhaseGroup } from "../sim/index.ts";
import type { DeviceChoice, Placement } from "./types.ts";

/** A fleet for one simulation. */
export function fleetOf(placement: Placement): PhasedFleet {
  switch (placement.kind) {
    case "colocated": {
      const policy = () => createPolicy("prefill-first");
      return colocatedFleet(groupOf(placement.on, placement.instances), { policy, maxStepTokens: MOST_PROMPT_TOKENS });
    }
    case "chunked": {
      const { stepTokens } = placement;
      return colocatedFleet(groupOf(placement.on, placement.instances), {
        policy: () => createPolicy("splitfuse", { stepTokens }),
        budgetTokens: stepTokens,
      });
    }
    case "semi-pd": {
      const { on, instances, shares = { kind: "dynamic" }, sharing = {} } = placement;
      return semiPdFleet({ ...sharing, deployment: on.deployment, instances, shares });
    }
    case "disaggregated": {
      const { prefill, prefills, decode, decodes } = placement;
      return disaggregatedFleet(groupOf(prefill, prefills), groupOf(decode, decodes), prefill.link);
    }
    default:
      return placement satisfies never;
  }
}

/** What vLLM of 2023 allowed a step of prompts: its models' longest context. */
const MOST_PROMPT_TOKENS = 2048;

const groupOf = ({ deployment, pipeline, weightBytes }: DeviceChoice, instances: number): PhaseGroup => ({
  deployment,
  instances,
  pipeline,
  weightBytes,
});

/** Devices of one instance. */
export const devicesOfChoice = ({ deployment, pipeline }: DeviceChoice): number => deployment.devices * pipeline;

/** Devices of all its instances. */
export function devicesOf(placement: Placement): number {
  return partsOf(placement).reduce((sum, { on, instances }) => sum + devicesOfChoice(on) * instances, 0);
}

/** What it costs, in the currency of its devices' prices. */
export function pricePerHourOf(placement: Placement): number {
  return partsOf(placement).reduce((sum, { on, instances }) => sum + priceOfChoice(on) * instances, 0);
}

/** What one instance costs an hour. */
export const priceOfChoice = (on: DeviceChoice): number => devicesOfChoice(on) * on.pricePerHour;

/** "2 x h100 tp2 prefill : 1 x h100 tp1 decode": what is to be started. */
export function describePlacement(placement: Placement): string {
  const one = (on: DeviceChoice, instances: number): string => `${instances} x ${on.gpu} ${on.name}`;
  switch (placement.kind) {
    case "colocated":
      return `colocated      ${one(placement.on, placement.instances)}`;
    case "chunked":
      return `chunked        ${one(placement.on, placement.instances)}, steps of ${placement.stepTokens}`;
    case "semi-pd":
      return `semi-pd        ${one(placement.on, placement.instances)}${sharesText(placement)}`;
    case "disaggregated": {
      const { prefill, prefills, decode, decodes } = placement;
      return `disaggregated  ${one(prefill, prefills)} prefill : ${one(decode, decodes)} decode`;
    }
    default:
      return placement satisfies never;
  }
}

/** Nothing for what is the default: a name tells placements apart. */
function sharesText({ shares, sharing }: Extract<Placement, { readonly kind: "semi-pd" }>): string {
  const parts: string[] = [];
  if (shares?.kind === "static") parts.push(`${Math.round(shares.prefillShare * 100)} % for prompts`);
  if (shares?.kind === "uncontrolled") parts.push("half each");
  if (shares?.kind === "dynamic" && shares.controller !== undefined) parts.push(JSON.stringify(shares.controller));
  for (const [name, value] of Object.entries(sharing ?? {})) parts.push(`${name} ${value}`);
  return parts.map((part) => `, ${part}`).join("");
}

/** Which choices, and how many instances of each. */
export function partsOf(placement: Placement): readonly { readonly on: DeviceChoice; readonly instances: number }[] {
  if (placement.kind !== "disaggregated") return [{ on: placement.on, instances: placement.instances }];
  const { prefill, prefills, decode, decodes } = placement;
  return [
    { on: prefill, instances: prefills },
    { on: decode, instances: decodes },
  ];
}
