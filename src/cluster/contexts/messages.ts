/**
 * What instances say to each other about contexts: bodies of the control messages that hosts hand to their extension
 * "contexts". Questions and answers go over the bus, what is found goes over TCP (remote.ts). Bounded, checked before use.
 */
import { z } from "zod";
import { controlReplySchema, FLEET_VERSION } from "../../protocol/index.ts";
import type { Bus } from "../bus/types.ts";
import { decodeBody, decodeMessage, encodeMessage } from "../wire.ts";

const address = z.object({ host: z.string().min(1).max(255), port: z.number().int().min(1).max(65_535) });

/** Most chunks that are asked for at once. */
export const FIND_CHUNKS_MAX = 512;

/** Most levels that are asked for at once, and most tables that are named. */
export const LEVELS_MAX = 16;
const levelNameSchema = z.string().regex(/^[a-z]{1,16}(-\d)?$/);

/** Asked: which of these have you? */
export const contextsMessageSchema = z.discriminatedUnion("kind", [
  /** Consecutive chunks of one prefix by their keys, in order: exact ones when no levels are named, else those at any of them. */
  z.object({
    kind: z.literal("find"),
    keys: z
      .array(z.string().regex(/^[0-9a-f]{32}$/))
      .min(1)
      .max(FIND_CHUNKS_MAX),
    levels: z.array(levelNameSchema).min(1).max(LEVELS_MAX).optional(),
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
  /** Where levels were named: bytes by level of each of those chunks. */
  chunks: z
    .array(z.array(z.tuple([levelNameSchema, z.number().int().min(0)])).max(LEVELS_MAX))
    .max(FIND_CHUNKS_MAX)
    .optional(),
  /** And the newest profiled tables that are there, by id: levels other than exact may have been coded with them. */
  tables: z
    .array(z.string().regex(/^[0-9a-f]{16}$/))
    .max(LEVELS_MAX)
    .optional(),
});
/** What is answered. */
export type FoundMessage = z.infer<typeof foundMessageSchema>;

/** The extension of hosts that these are for. */
export const CONTEXTS = "contexts";

/**
 * Asks the instance behind that control subject. Null: it does not keep contexts.
 * @throws PunctualError when it does not answer in time, or not so.
 */
export async function askContexts(
  bus: Bus,
  subject: string,
  body: ContextsMessage,
  timeoutMs: number,
): Promise<FoundMessage | null> {
  const message = encodeMessage({ version: FLEET_VERSION, kind: "extension", name: CONTEXTS, body });
  const reply = decodeMessage(controlReplySchema, (await bus.request(subject, message, { timeoutMs })).data);
  return reply.kind === "extension" ? decodeBody(foundMessageSchema, reply.body) : null;
}
