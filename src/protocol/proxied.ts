/** What a server reads of a request that it passes on to another: everything else is the other server's to judge. */
import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";
import { sloRequestSchema } from "./slo.ts";

const tokens = z.number().int().min(1).max(LIMITS.maxTokens);

/** Fields of chat, completion and embedding requests that matter on the way; all others stay as they are. */
export const proxiedRequestSchema = z.looseObject({
  model: z.string().min(1).max(LIMITS.modelNameCharacters),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: tokens.nullish(),
  max_completion_tokens: tokens.nullish(),
  n: z.number().int().min(1).max(LIMITS.choices).nullish(),
  service_tier: z.enum(["auto", "default", "flex", "scale", "priority"]).nullish(),
  slo: sloRequestSchema.nullish(),
});
/** A request that is passed on. */
export type ProxiedRequest = z.infer<typeof proxiedRequestSchema>;

/** Errors: `invalid_request` naming the field. */
export function parseProxiedRequest(body: unknown): ProxiedRequest {
  return parseRequest(proxiedRequestSchema, body);
}
