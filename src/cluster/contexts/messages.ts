/**
 * What instances say to each other about contexts: bodies of the control messages that hosts hand to their extension
 * "contexts". Questions and answers go over the bus, what is found goes over TCP (remote.ts). Bounded, checked before use.
 */
import { z } from "zod";

const address = z.object({ host: z.string().min(1).max(255), port: z.number().int().min(1).max(65_535) });

/** Most chunks that are asked for at once. */
export const FIND_CHUNKS_MAX = 512;

/** Asked: which of these have you? */
export const contextsMessageSchema = z.discriminatedUnion("kind", [
  /** Consecutive chunks of one prefix by their keys, in order; exact ones only. */
  z.object({
    kind: z.literal("find"),
    keys: z
      .array(z.string().regex(/^[0-9a-f]{32}$/))
      .min(1)
      .max(FIND_CHUNKS_MAX),
  }),
  /** A context by its name. */
  z.object({ kind: z.literal("named"), name: z.string().min(1).max(128) }),
]);
/** What one instance asks another. */
export type ContextsMessage = z.infer<typeof contextsMessageSchema>;

/** What is answered: how many of them are there, from the first, and where they are given; null: nothing is. */
export const foundMessageSchema = z.object({
  leading: z.number().int().min(0).max(FIND_CHUNKS_MAX),
  door: z.object({ address, token: z.string().min(1).max(128) }).nullable(),
});
/** What is answered. */
export type FoundMessage = z.infer<typeof foundMessageSchema>;
