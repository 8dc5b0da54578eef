/**
 * Claim 32: CacheGen (SIGCOMM 2024, arXiv 2310.07240): keys and values of a context in fewer bytes than int8, loaded
 * sooner than by computing the text or by fetching int8, with a controller that keeps objectives on links that vary. Both
 * of its encoders, the paper's and the released one, and ours by prediction, on our built-in models, with quality through
 * real attention.
 */
import type { Claim, Measured } from "./framework.ts";
import { measureGrid } from "./cachegen/grid.ts";
import { measureSpeeds } from "./cachegen/speed.ts";
import { measureViolations } from "./cachegen/violations.ts";

export const cacheGen: Claim = {
  id: "32",
  name: "cachegen",
  headline:
    "A context's keys and values travel in far fewer bytes than int8, and are there sooner, at nearly the same quality.",
  baseline:
    "keys and values in int8 with a scale per token and head; the text, computed again; each fixed level of the codec",
  source: "CacheGen, arXiv 2310.07240 and its released artifact",
  targets:
    "per cell (model x context length) bytes of the encoder and level chosen on other texts at least 3.7 times below int8, tables counted once per 1,000 contexts, at no more than 2 % more perplexity; delay at least 2.7 times below int8 and below text at the bandwidth where each is weakest; fewer missed objectives than any fixed level and text at 1 s",
  async measure(context) {
    const { lines, rated } = await measureGrid(context);
    const speeds = await measureSpeeds(context);
    const violations: Measured[] = measureViolations(context, rated);
    return [...lines, ...speeds, ...violations];
  },
};
