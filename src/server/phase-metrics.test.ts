import { expect, test } from "vitest";
import type { EngineStats, PhaseStats } from "../runtime/index.ts";
import { Exposition } from "./exposition.ts";
import { writePhases } from "./phase-metrics.ts";

const use = { slots: 4, ms: 20 };
const phases: PhaseStats = {
  mode: "semi-pd",
  sharing: "controlled",
  shares: { prefill: 0.6, decode: 0.4 },
  use: { prefill: { prefill: use, decode: use }, decode: { prefill: use, decode: { slots: 9, ms: 1500 } } },
  sequences: { prefill: 1, transfer: 0, decode: 3 },
  moves: 2,
  lastDecision: null,
  transfers: {
    count: 5,
    aborted: 1,
    bytes: 4096,
    ms: 250,
    seconds: { bounds: [0.01, 0.1], cumulative: [2, 5, 5], sum: 0.3, count: 5 },
  },
};

function page(of: PhaseStats | null): string {
  const exposition = new Exposition();
  writePhases(exposition, { name: "m", phases: of } as EngineStats);
  return exposition.text();
}

test("shares and slots by phase, and transfers where there are any", () => {
  const shared = page(phases);
  expect(shared).toContain('punctual_phases_info{model_name="m",mode="semi-pd",sharing="controlled"} 1');
  expect(shared).toContain('punctual_pd_share{model_name="m",phase="prefill"} 0.6');
  expect(shared).toContain('punctual_pd_slot_seconds_total{model_name="m",worker="decode",phase="decode"} 1.5');
  expect(shared).toContain('punctual_pd_sequences{model_name="m",stage="decode"} 3');
  expect(shared).not.toContain("kv_transfer");
  const apart = page({ ...phases, mode: "disaggregated", sharing: null });
  expect(apart).toContain('punctual_phases_info{model_name="m",mode="disaggregated"} 1');
  expect(apart).toContain('punctual_kv_transfers_total{model_name="m",end="aborted"} 1');
  expect(apart).toContain('punctual_kv_transfer_seconds_total{model_name="m"} 0.25');
  expect(apart).toContain('punctual_request_kv_transfer_seconds_bucket{model_name="m",le="0.1"} 5');
  expect(apart).toContain('punctual_request_kv_transfer_seconds_sum{model_name="m"} 0.3');
});

test("nothing of an engine whose phases are colocated", () => {
  expect(page(null)).toBe("");
});
