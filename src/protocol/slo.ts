/**
 * A deadline on the wire: the `slo` object of a request body, or `x-slo-*` and `x-task-*` headers for clients that
 * cannot add a field. Milliseconds from arrival at the server. The body wins, field by field.
 */
import { z } from "zod";
import { fail } from "../core/index.ts";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";

const milliseconds = z.number().positive().max(LIMITS.sloMs);

const taskId = z
  .string()
  .regex(/^[\x21-\x7e]+$/, { error: "expected printable characters without spaces" })
  .max(LIMITS.taskIdCharacters);

const taskStage = z.number().int().min(0).max(LIMITS.taskStages);

/** The `slo` object of a request. */
export const sloRequestSchema = z.object({
  class: z.enum(["latency", "deadline", "compound", "best-effort"]).nullish(),
  ttft_ms: milliseconds.nullish(),
  tpot_ms: milliseconds.nullish(),
  deadline_ms: milliseconds.nullish(),
  on_miss: z.enum(["finish", "cut", "reject"]).nullish(),
  /** Requests of one compound task bear the same id; a "compound" deadline is the task's, from its first request on. */
  task_id: taskId.nullish(),
  task_stage: taskStage.nullish(),
});
/** A deadline as asked for; every field is optional. */
export type SloRequest = z.infer<typeof sloRequestSchema>;

/** What became of the deadline; part of `usage` in every answer. */
export const sloReportSchema = z.object({
  attained: z.boolean(),
  ttft_ms: z.number().nullable(),
  tpot_ms: z.number().nullable(),
  e2e_ms: z.number().nullable(),
  slack_ms: z.number().nullable(),
  /**
   * Of the time to the second token, that of moving keys and values to where tokens are made: from the first token on, what was
   * moved while the prompt was computed does not count. Absent where nothing moved.
   */
  kv_transfer_ms: z.number().optional(),
});
/** What became of the deadline. */
export type SloReport = z.infer<typeof sloReportSchema>;

const headerNumber = z
  .string()
  .regex(/^\d+(\.\d+)?$/, { error: "expected a number of milliseconds" })
  .transform(Number)
  .pipe(milliseconds)
  .optional();

const { shape } = sloRequestSchema;
const sloHeadersSchema = z.object({
  "x-slo-class": shape.class,
  "x-slo-ttft-ms": headerNumber,
  "x-slo-tpot-ms": headerNumber,
  "x-slo-deadline-ms": headerNumber,
  "x-deadline-ms": headerNumber,
  "x-slo-on-miss": shape.on_miss,
  "x-task-id": shape.task_id,
  "x-task-stage": z
    .string()
    .regex(/^\d{1,9}$/, { error: "expected a whole number" })
    .transform(Number)
    .pipe(taskStage)
    .optional(),
});
type SloHeaders = z.infer<typeof sloHeadersSchema>;
const SLO_HEADERS = Object.keys(sloHeadersSchema.shape);

/** The header of each field; a deadline has a second, shorter name. */
const HEADER_OF = {
  class: "x-slo-class",
  ttft_ms: "x-slo-ttft-ms",
  tpot_ms: "x-slo-tpot-ms",
  deadline_ms: "x-slo-deadline-ms",
  on_miss: "x-slo-on-miss",
  task_id: "x-task-id",
  task_stage: "x-task-stage",
} as const satisfies Record<keyof SloRequest, keyof SloHeaders>;
const FIELDS = Object.keys(HEADER_OF) as (keyof SloRequest)[];
const TASK_FIELDS: ReadonlySet<keyof SloRequest> = new Set<keyof SloRequest>(["task_id", "task_stage"]);

/** What a request asks for in so many words. */
export interface AskedSlo {
  /** Null when neither body nor headers name any part of an objective. */
  readonly objective: SloRequest | null;
  /** The compound task it belongs to; null when it names none. */
  readonly task: { readonly id: string; readonly stage: number } | null;
  /** Pairs of a field's path and the name under which this client has or would have given it, for complaints. */
  readonly names: readonly (readonly [path: string, name: string])[];
}

/**
 * The deadline and the task that a request asks for, from its headers and its body.
 * Errors: `invalid_request` naming the header or the field, also for headers that contradict each other.
 */
export function readSlo(header: (name: string) => string | undefined, body: SloRequest | null | undefined): AskedSlo {
  const headers = readHeaders(header);
  const merged: Record<string, unknown> = {};
  const names: [string, string][] = [];
  const isByHeader = FIELDS.every((field) => !isSet(body?.[field]));
  for (const field of FIELDS) {
    const given = body?.[field];
    const headerName = field === "deadline_ms" && isSet(headers["x-deadline-ms"]) ? "x-deadline-ms" : HEADER_OF[field];
    const fromHeader = headers[headerName];
    merged[field] = given ?? fromHeader;
    const path = `slo.${field}`;
    const byHeader = isSet(given) ? false : isSet(fromHeader) || isByHeader;
    names.push([path, byHeader ? headerName : path]);
  }
  const { task_id: id, task_stage: stage, ...objective } = merged as SloRequest;
  if (isSet(stage) && !isSet(id)) {
    const [, param] = names.find(([path]) => path === "slo.task_stage")!;
    fail("invalid_request", `Invalid '${param}': a stage needs the id of its task.`, { param });
  }
  const isNamed = FIELDS.some((field) => !TASK_FIELDS.has(field) && isSet(merged[field]));
  return {
    objective: isNamed ? objective : null,
    task: isSet(id) ? { id, stage: stage ?? 0 } : null,
    names,
  };
}

function readHeaders(header: (name: string) => string | undefined): SloHeaders {
  const present = SLO_HEADERS.flatMap((name): [string, string][] => {
    const value = header(name);
    return value === undefined ? [] : [[name, value.trim()]];
  });
  const headers = parseRequest(sloHeadersSchema, Object.fromEntries(present));
  const [long, short] = [headers["x-slo-deadline-ms"], headers["x-deadline-ms"]];
  if (isSet(long) && isSet(short) && long !== short) {
    const param = "x-deadline-ms";
    fail("invalid_request", `Invalid '${param}': it says ${short}, and x-slo-deadline-ms says ${long}.`, { param });
  }
  return headers;
}

function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
