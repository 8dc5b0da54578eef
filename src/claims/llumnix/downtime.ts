/**
 * Downtime of a migration by length, for claim `29`: one sequence on an otherwise idle pair of instances, moved once
 * while it decodes, in stages, all at once, or by computing it again. Downtime is how long it is in no schedule; where it
 * is computed again, the gap between two of its tokens less the step that any token takes.
 */
import { leastQueue } from "../../sched/index.ts";
import { Simulation, type FleetController, type MigrationModel } from "../../sim/index.ts";
import type { Measured } from "../framework.ts";
import { compare, exact } from "../statistics.ts";
import { ENGINE, migrationOf } from "./setup.ts";

const LENGTHS = [256, 512, 1024, 2048, 4096, 8192] as const;
const KINDS = ["staged", "blocking", "recompute"] as const;
/** When it moves: long after its prompt is computed. */
const MOVE_MS = 10_000;
const ANSWER_TOKENS = 800;
/** The longest may stand still by this much longer than the shortest. */
const FLAT = 1.5;

function downtimeMs(kind: MigrationModel["kind"], promptTokens: number): number {
  let moved = false;
  const once: FleetController = {
    name: "once",
    everyMs: MOVE_MS,
    migration: migrationOf(kind),
    tick: () => {
      if (moved) return [];
      moved = true;
      return [{ kind: "migrate", id: 0, from: 0, to: 1 }];
    },
  };
  const request = { id: 0, arrivalMs: 0, promptTokens, outputTokens: ANSWER_TOKENS };
  const { gapMs, migrations } = new Simulation({
    trace: { name: "one", source: "one", blockTokens: 0, requests: [request] },
    instances: [ENGINE, ENGINE],
    dispatch: leastQueue(),
    controller: once,
  }).run();
  return kind === "recompute" ? gapMs.max! - gapMs.p50! : migrations.downtimeMs.max!;
}

/** The longest against the shortest, and against the other two ways at the longest. */
export function downtimeLines(): Measured[] {
  const rows = LENGTHS.map((tokens) => {
    const [staged, blocking, recompute] = KINDS.map((kind) => downtimeMs(kind, tokens)) as [number, number, number];
    return { tokens, staged_ms: staged, blocking_ms: blocking, recompute_ms: recompute };
  });
  const all = rows.map(({ staged_ms }) => staged_ms);
  const last = rows.at(-1)!;
  const text = { unit: "ms", better: "lower", kind: "simulated" } as const;
  const note = `${LENGTHS.at(-1)} tokens of a 7B model over 4 GB/s`;
  return [
    exact(
      {
        ...text,
        unit: "x",
        metric: "downtime of a migration, the longest over the shortest of 256 to 8,192 tokens",
        note: "one sequence, copied in stages while it decodes; a copy at once and computing again beside it",
        paper_says: "20-30 ms whatever the length",
        curve: rows,
      },
      Math.max(...all) / Math.min(...all),
      FLAT,
      rows.length,
    ),
    compare({ ...text, metric: "downtime against a copy at once", note }, [last.staged_ms], [last.blocking_ms], null),
    compare(
      { ...text, metric: "downtime against computing again", note, paper_says: "up to 111x" },
      [last.staged_ms],
      [last.recompute_ms],
      null,
    ),
  ];
}
