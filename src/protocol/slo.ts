/**
 * A deadline on the wire: the `slo` object of a request body, or `x-slo-*` headers for clients that
 * cannot add a field. Milliseconds from arrival at the server. The body wins, field by field.
 */
import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";

const milliseconds = z.number().positive().max(LIMITS.sloMs);

/** The `slo` object of a request. */
export const sloRequestSchema = z.object({
  class: z.enum(["latency", "deadline", "compound", "best-effort"]).nullish(),
  ttft_ms: milliseconds.nullish(),
  tpot_ms: milliseconds.nullish(),
  deadline_ms: milliseconds.nullish(),
  on_miss: z.enum(["finish", "cut", "reject"]).nullish(),
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
});
/** What became of the deadline. */
export type SloReport = z.infer<typeof sloReportSchema>;

const headerNumber = z
  .string()
  .regex(/^\d+(\.\d+)?$/, { error: "expected a number of milliseconds" })
  .transform(Number)
  .pipe(milliseconds)
  .optional();

const sloHeadersSchema = z.object({
  "x-slo-class": sloRequestSchema.shape.class,
  "x-slo-ttft-ms": headerNumber,
  "x-slo-tpot-ms": headerNumber,
  "x-slo-deadline-ms": headerNumber,
  "x-slo-on-miss": sloRequestSchema.shape.on_miss,
});
const SLO_HEADERS = Object.keys(sloHeadersSchema.shape);

/** The deadline a request asks for, from its headers and its body; every field is optional. */
export function readSlo(header: (name: string) => string | undefined, body: SloRequest | null | undefined): SloRequest {
  const present = SLO_HEADERS.flatMap((name): [string, string][] => {
    const value = header(name);
    return value === undefined ? [] : [[name, value.trim()]];
  });
  const headers = parseRequest(sloHeadersSchema, Object.fromEntries(present));
  return {
    class: body?.class ?? headers["x-slo-class"],
    ttft_ms: body?.ttft_ms ?? headers["x-slo-ttft-ms"],
    tpot_ms: body?.tpot_ms ?? headers["x-slo-tpot-ms"],
    deadline_ms: body?.deadline_ms ?? headers["x-slo-deadline-ms"],
    on_miss: body?.on_miss ?? headers["x-slo-on-miss"],
  };
}
