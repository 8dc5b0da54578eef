/** GET /metrics for engines whose phases are apart: who has which share of the compute, and what moves between caches. */
import type { EngineStats } from "../runtime/index.ts";
import type { Exposition, Labels } from "./exposition.ts";

const PHASES = ["prefill", "decode"] as const;

/** Nothing for an engine that computes prompts and decodes in the same steps. */
export function writePhases(page: Exposition, { name, phases }: EngineStats): void {
  if (phases === null) return;
  const { mode, sharing, shares, use, sequences, moves, transfers } = phases;
  const labels: Labels = { model_name: name };
  const about = { ...labels, mode, ...(sharing === null ? {} : { sharing }) };
  page.gauge("punctual_phases_info", "How prompts and decodes are arranged.", about, 1);
  for (const phase of PHASES) {
    const share = "Share of the compute that a phase may claim, 0 to 1.";
    page.gauge("punctual_pd_share", share, { ...labels, phase }, shares[phase]);
    for (const worker of PHASES) {
      const which = { ...labels, worker, phase };
      const { slots, ms } = use[worker][phase];
      page.counter("punctual_pd_slots_total", "Layers that a worker has computed of a phase.", which, slots);
      page.counter("punctual_pd_slot_seconds_total", "Time a worker has spent on a phase.", which, ms / 1000);
    }
  }
  for (const [stage, count] of Object.entries(sequences)) {
    page.gauge("punctual_pd_sequences", "Sequences at a stage.", { ...labels, stage }, count);
  }
  page.counter("punctual_pd_share_moves_total", "Times the controller has moved the share.", labels, moves);
  if (mode !== "disaggregated") return;
  const moved = { ...labels, end: "complete" };
  page.counter("punctual_kv_transfers_total", "Hand-overs between the caches.", moved, transfers.count);
  page.counter("punctual_kv_transfers_total", "", { ...labels, end: "aborted" }, transfers.aborted);
  page.counter("punctual_kv_transfer_bytes_total", "Keys and values moved.", labels, transfers.bytes);
  page.counter("punctual_kv_transfer_seconds_total", "Time that hand-overs took.", labels, transfers.ms / 1000);
  const took = "From a request's first token to its place among the decodes, in seconds: waiting for room and copying.";
  page.histogram("punctual_request_kv_transfer_seconds", took, labels, transfers.seconds);
}
