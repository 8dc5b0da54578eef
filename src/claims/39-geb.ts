/**
 * Claim 39: GEB-1.3B (arXiv 2406.09900), a lightweight model that answers on CPUs. We run its geometry with
 * random weights and say what share of the memory's speed a decode reaches, what quantisation gains and costs, and
 * what its grouped queries and online softmax are worth. Its bilingual training and alignment are left out.
 */
import type { Claim } from "./framework.ts";
import { measureAttention } from "./geb/attention.ts";
import { measureQuality } from "./geb/quality.ts";
import { measureSpeed } from "./geb/speed.ts";

export const geb: Claim = {
  id: "39",
  name: "geb-1.3b",
  headline: "A 1.3 B-parameter model answers on two CPU cores as fast as memory lets it.",
  baseline:
    "the memory bandwidth of the same minute; our own f32; plain TypeScript; ORT's GroupQueryAttention; multi-head attention",
  source: "GEB-1.3B, arXiv 2406.09900 (geometry: model card and config)",
  targets:
    "f32 decode at least 80 % of the bandwidth bound; int8 at least 2.5 times f32 with at most 1 % more perplexity; int8 and int4 at least 12 tokens/s at full shape; kernel at least 5 times plain TypeScript and faster than GroupQueryAttention from 512 tokens; a quarter of the KV bytes; online softmax within 1e-4 with flat memory",
  async measure(context) {
    const attention = await measureAttention(context);
    const quality = await measureQuality(context);
    const speed = await measureSpeed(context);
    return [...speed, ...attention, ...quality];
  },
};
