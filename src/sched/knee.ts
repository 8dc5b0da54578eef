/**
 * Where the knee of the cost curve is looked for: chunks of prompts beside running decodes, as steps will be. Each decode
 * has costs of its own (attention, its scores), which a step of more tokens spreads over more; a lone chunk knows nothing of
 * them and puts the knee too low. One definition for engines, which measure those steps, and simulations, which ask a cost
 * model.
 */
import { costFromPoints, kneeTokens } from "./cost.ts";

/** Chunks beside the decodes, tokens, ascending. */
export const KNEE_CHUNKS = [8, 16, 32, 64, 96, 128, 256, 512, 1024] as const;
/** Tokens in place of each decode: a short answer under way. */
export const KNEE_DECODE_CONTEXT = 32;
const MOST_DECODES = 16;

/** How many sequences decode beside: half of the slots, and no more than a step's attention is worth. */
export function kneeDecodes(maxRunning: number): number {
  return Math.min(MOST_DECODES, Math.ceil(maxRunning / 2));
}

/**
 * The knee of measured steps, ascending by tokens, within the sizes that were measured. A larger step that was quicker is
 * noise.
 * @returns null when nothing was measured.
 */
export function kneeOfSteps(points: readonly { readonly tokens: number; readonly stepMs: number }[]): number | null {
  let least = 0;
  const rising = points.map(({ tokens, stepMs }) => [tokens, (least = Math.max(least, stepMs))] as const);
  return kneeTokens(costFromPoints(rising), Math.max(1, Math.floor(rising.at(-1)?.[0] ?? 1)));
}
