/** POST /v1/embeddings: texts or tokens to vectors. */
import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";
import { sloReportSchema } from "./slo.ts";

const text = z.string().min(1, { error: "expected text that is not empty" }).max(LIMITS.textCharacters);
const tokenIds = z.array(z.number().int().min(0)).min(1).max(LIMITS.promptTokens);

/** One text or several, in one form; comes out as a list of strings or token id lists. */
const inputSchema = z
  .union(
    [
      text,
      tokenIds,
      z.array(text).min(1).max(LIMITS.embeddingInputs),
      z.array(tokenIds).min(1).max(LIMITS.embeddingInputs),
    ],
    {
      error: `expected text that is not empty, an array of token ids, or an array of at most ${LIMITS.embeddingInputs} of either`,
    },
  )
  .transform((input): (string | number[])[] => {
    if (typeof input === "string") return [input];
    return typeof input[0] === "number" ? [input as number[]] : (input as (string | number[])[]);
  });

/** A request for embeddings; `input` comes out as a list. */
export const embeddingRequestSchema = z.object({
  model: z.string().min(1).max(LIMITS.modelNameCharacters),
  input: inputSchema,
  /** Whether the model allows it is the server's to say. */
  dimensions: z.number().int().min(1).max(LIMITS.embeddingDimensions).nullish(),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  user: z.string().max(LIMITS.nameCharacters).nullish(),
});
/** A request for embeddings that has passed the schema. */
export type EmbeddingRequest = z.infer<typeof embeddingRequestSchema>;

/** Errors: `invalid_request` with the field in `param`. */
export function parseEmbeddingRequest(body: unknown): EmbeddingRequest {
  return parseRequest(embeddingRequestSchema, body);
}

/** The answer: one vector per text, in order. */
export const embeddingListSchema = z.object({
  object: z.literal("list"),
  data: z.array(
    z.object({
      object: z.literal("embedding"),
      index: z.number().int(),
      /** Numbers, or the base64 of their bytes as little-endian float32. */
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  model: z.string(),
  usage: z.object({
    prompt_tokens: z.number().int(),
    total_tokens: z.number().int(),
    slo: sloReportSchema.optional(),
  }),
});
/** The answer: one vector per text, in order. */
export type EmbeddingList = z.infer<typeof embeddingListSchema>;
