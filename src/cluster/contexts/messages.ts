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
