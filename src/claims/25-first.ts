/**
 * Claim 25: FiRST (arXiv 2410.12513): layers left out by the prompt, decided once by routers while it is computed, with
 * low-rank weights for the gaps. Live: the engine serves the committed twelve-layer model in full and by its routes, and the
 * same model by other ways to leave out as many layers, each with low-rank weights of its own trained as long.
 */
import type { Claim } from "./framework.ts";
import { openSubject } from "./first/subject.ts";
import { measureMasks } from "./first/masks.ts";
import { measureQuality } from "./first/quality.ts";
import { measureSpeed } from "./first/speed.ts";

export const first: Claim = {
  id: "25",
  name: "first",
  headline:
    "Answers leave out the layers that their prompts do not need, other layers for other prompts, and are as good and sooner there.",
  baseline:
    "the full model without and with low-rank weights; as many layers as ours keep on average or more, chosen at regular intervals, by lot for every prompt, and by influence (ShortGPT), each with low-rank weights trained as long on the same examples",
  source: "FiRST, arXiv 2410.12513 (about 18 % less time at 25 % of layers skipped)",
  targets:
    "time per output token at least 18 % lower than the full model's at 25 % or more of the layers left out, routers included, alone and eight at once; at least 98 % of the quality of the full model with low-rank weights; above every other way to leave out as many layers, with and before low-rank weights, the interval of the difference above zero; KV memory in proportion to the layers; masks differ more between tasks than within, p < 0.01; routers less than 1 % of a prompt's time",
  async measure(context) {
    await using subject = await openSubject(context);
    const speed = await measureSpeed(context, subject);
    const quality = await measureQuality(context, subject);
    return [...speed, ...quality.lines, ...measureMasks(context, subject, quality.routed)];
  },
};
