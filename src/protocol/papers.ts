/** GET /admin/papers: the papers that the product is built from, each with what was measured of it. Names as in docs/claims.json. */
import { z } from "zod";

/** Whether a claim, or all claims of a paper, hold by their 95 % intervals. */
export const paperStateSchema = z.enum(["holds", "does-not-hold", "undecided", "not-built"]);
/** Whether a paper's claims hold; "not-built" for a paper without any. */
export type PaperState = z.infer<typeof paperStateSchema>;

/** The commands under which papers are used. */
export const paperVerbSchema = z.enum(["serve", "talk", "watch", "search", "fit", "plan", "bench"]);
/** The command under which a paper is used. */
export type PaperVerb = z.infer<typeof paperVerbSchema>;

/** One measured line of a claim. */
export const measuredSchema = z.object({
  metric: z.string(),
  unit: z.string(),
  better: z.enum(["higher", "lower"]),
  ours: z.number(),
  baseline: z.number().nullable(),
  /** Improvement: above 1 is better. */
  ratio: z.number().nullable(),
  target: z.number().nullable(),
  target_on: z.enum(["ours", "ratio"]),
  samples: z.number().int(),
  interval95: z.tuple([z.number(), z.number()]).readonly().nullable(),
  holds: z.boolean().nullable(),
  kind: z.enum(["live", "simulated", "trained"]),
  paper_says: z.string().nullable(),
  note: z.string(),
  /** Points of the whole curve, all with the same keys. */
  curve: z
    .array(z.record(z.string(), z.union([z.number(), z.string()])))
    .readonly()
    .optional(),
});
/** One measured line of a claim. */
export type MeasuredLine = z.infer<typeof measuredSchema>;

/** The machine that a claim was measured on. */
const machineSchema = z.object({
  cpu: z.string(),
  cores: z.number().int(),
  memory_gib: z.number(),
  flags: z.array(z.string()).readonly(),
  os: z.string(),
  node: z.string(),
  ort: z.string(),
});

/** A claim and what came of it. */
export const claimSchema = z.object({
  id: z.string(),
  name: z.string(),
  headline: z.string(),
  baseline: z.string(),
  source: z.string(),
  targets: z.string(),
  state: paperStateSchema.exclude(["not-built"]),
  /** These three are null where it has not been measured. */
  mode: z.enum(["full", "quick", "smoke"]).nullable(),
  seconds: z.number().nullable(),
  machine: machineSchema.nullable(),
  measured: z.array(measuredSchema).readonly(),
  /** The command that measures it again. */
  repeat: z.string(),
});
/** A claim and what came of it. */
export type ClaimBody = z.infer<typeof claimSchema>;

/** One paper. */
export const paperSchema = z.object({
  number: z.string(),
  title: z.string(),
  /** Year and month. */
  date: z.string(),
  arxiv: z.string().nullable(),
  speedsUp: z.string(),
  verb: paperVerbSchema,
  module: z.string(),
  state: paperStateSchema,
  /** Of the first line that a target is set on; null when there is none. */
  ratio: z.object({ value: z.number(), target: z.number().nullable(), metric: z.string() }).nullable(),
  claims: z.array(claimSchema).readonly(),
});
/** One paper. */
export type PaperBody = z.infer<typeof paperSchema>;

/** The answer of GET /admin/papers: papers in order of number, and claims that come from none. */
export const papersSchema = z.object({
  papers: z.array(paperSchema).readonly(),
  own: z.array(claimSchema).readonly(),
});
/** The answer of GET /admin/papers. */
export type PapersBody = z.infer<typeof papersSchema>;
