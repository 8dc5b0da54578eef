/** The JSON payloads of frames: who wants what, what is granted, why not. Bounded, and checked before use. */
import { z } from "zod";
import { fail, fromErrorRecord, type PunctualError, toErrorRecord } from "../../core/index.ts";
import { fleetErrorSchema } from "../../protocol/index.ts";

/** Payloads of frames other than pages. */
export const MAX_NOTE_BYTES = 16 * 1024;

const count = z.number().int().min(0).max(0xffff_ffff);

/** The payload of `open`. */
export const openNoteSchema = z.object({
  resource: z.string().min(1).max(512),
  token: z.string().max(512),
  direction: z.enum(["push", "pull"]),
  /** Codecs that the opener has, by number. */
  codecs: z.array(z.number().int().min(1).max(255)).max(255),
  /** Of a pull: which pages, and how many bytes may be under way. */
  first: count.optional(),
  count: count.optional(),
  windowBytes: count.optional(),
});
/** The payload of `open`. */
export type OpenNote = z.infer<typeof openNoteSchema>;

/** The payload of `opened`. */
export const openedNoteSchema = z.object({
  pageBytes: count,
  /** Of a push: the frame that is expected next, and how many bytes may be under way. */
  next: count,
  windowBytes: count,
  /** Codecs that both sides have. */
  codecs: z.array(z.number().int().min(1).max(255)).max(255),
  /** Of a push: frames of kind "last" are taken. */
  takesLast: z.boolean().optional(),
});
/** The payload of `opened`. */
export type OpenedNote = z.infer<typeof openedNoteSchema>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A note as a payload. */
export function encodeNote(note: OpenNote | OpenedNote): Uint8Array {
  return encoder.encode(JSON.stringify(note));
}

/** @throws PunctualError invalid_request */
export function decodeNote<S extends z.ZodType>(schema: S, payload: Uint8Array): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(payload));
  } catch (cause) {
    fail("invalid_request", "A frame's note is not JSON.", { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  return fail("invalid_request", `A frame's note is not valid: ${result.error.issues[0]!.message}.`);
}

/** Why a transfer is over, as a payload. */
export function encodeRefusal(thrown: unknown): Uint8Array {
  const { message, ...rest } = toErrorRecord(thrown);
  return encoder.encode(JSON.stringify({ ...rest, message: message.slice(0, 1024) }));
}

/** The error in a payload of `refuse`. @throws PunctualError invalid_request when there is none. */
export function decodeRefusal(payload: Uint8Array): PunctualError {
  return fromErrorRecord(decodeNote(fleetErrorSchema, payload));
}
