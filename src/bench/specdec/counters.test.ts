import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { counterAcceptance, counterDifference, parseCounters, type SpecDecodeCounters } from "./counters.ts";

const page = (scale: number): string => `# HELP vllm:spec_decode_num_drafts_total x
# TYPE vllm:spec_decode_num_drafts_total counter
vllm:spec_decode_num_drafts_total{engine="0",model_name="m"} ${10 * scale}
vllm:spec_decode_num_drafts_total{engine="1",model_name="m"} ${2 * scale} 1700000000000
vllm:spec_decode_num_drafts_created{engine="0",model_name="m"} 1.7e9
vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="m"} ${36 * scale}
vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="m"} ${18 * scale}.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="0"} ${9 * scale}
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="1"} ${6 * scale}
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="2"} ${3 * scale}
vllm:generation_tokens_total{engine="0",model_name="m"} ${30 * scale}
punctual_spec_decode_num_drafts_total{model_name="m"} ${10 * scale}
vllm:gpu_cache_usage_perc 0.5
`;

describe("counters by difference", () => {
  test("vLLM's names, over engines; a server's own names are not counted twice", () => {
    const difference = counterDifference(parseCounters(page(1))!, parseCounters(page(3))!)!;
    expect(difference).toEqual({
      drafts: 24,
      draftTokens: 72,
      acceptedTokens: 36,
      acceptedPerPosition: [18, 12, 6],
      generatedTokens: 60,
    });
    const { length, rate, conditional, joint } = counterAcceptance(difference);
    expect(length).toBe(1 + 36 / 24);
    expect(rate).toBe(0.5);
    expect(joint).toEqual([0.75, 0.5, 0.25]);
    expect(conditional[0]).toBe(0.75);
    expect(conditional[1]).toBeCloseTo(2 / 3);
    expect(conditional[2]).toBeCloseTo(1 / 2);
    // Both ways to the length agree.
    expect(1 + joint.reduce((sum, share) => sum + share, 0)).toBeCloseTo(length!);
  });

  test("no speculation, no counters; a server that was started anew says nothing", () => {
    expect(parseCounters("vllm:generation_tokens_total 5\n")).toBeNull();
    expect(parseCounters("")).toBeNull();
    expect(counterDifference(parseCounters(page(3))!, parseCounters(page(1))!)).toBeNull();
    const none: SpecDecodeCounters = {
      drafts: 0,
      draftTokens: 0,
      acceptedTokens: 0,
      acceptedPerPosition: [],
      generatedTokens: 9,
    };
    expect(counterAcceptance(none)).toEqual({ length: null, rate: null, conditional: [], joint: [] });
  });

  test("whatever a page holds, counts are finite and not negative", () => {
    const line = fc.oneof(
      fc.string(),
      fc
        .tuple(
          fc.constantFrom("vllm:", "punctual_"),
          fc.constantFrom(
            "spec_decode_num_drafts",
            "spec_decode_num_accepted_tokens",
            "spec_decode_num_accepted_tokens_per_pos",
          ),
          fc.string(),
          fc.oneof(fc.double(), fc.string()),
        )
        .map(([prefix, name, labels, value]) => `${prefix}${name}_total{position="3",x="${labels}"} ${value}`),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const counters = parseCounters(lines.join("\n"));
        if (counters === null) return;
        for (const count of [counters.drafts, counters.acceptedTokens, ...counters.acceptedPerPosition]) {
          expect(Number.isFinite(count) && count >= 0).toBe(true);
        }
        expect(counters.acceptedPerPosition.length).toBeLessThanOrEqual(1024);
      }),
    );
  });
});
