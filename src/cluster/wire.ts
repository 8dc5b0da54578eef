/**
 * Messages of a fleet as bytes: JSON under a schema, packed by deflate where that pays. Reading is bounded and typed:
 * what is too large, not JSON or not what was expected is `invalid_request`, never an exception of the platform.
 *
 *   first byte 0x7b `{`: JSON;  first byte 0x00: raw deflate of JSON follows
 */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import type { z } from "zod";
import { fail } from "../core/index.ts";
import { decodeJson, FLEET_LIMITS, formatPath } from "../protocol/index.ts";

/** Smaller ones are not worth the time. */
const PACK_FROM_BYTES = 16 * 1024;
const PACKED = 0;
/** Schemas of answers nest deeper than what an HTTP client may send, by the message around them. */
const MAX_DEPTH = 64;

/** The bytes of a message. */
export function encodeMessage(message: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(message));
  if (json.length < PACK_FROM_BYTES) return json;
  const packed = deflateRawSync(json, { level: constants.Z_BEST_SPEED });
  const bytes = new Uint8Array(packed.length + 1);
  bytes[0] = PACKED;
  bytes.set(packed, 1);
  return bytes;
}

/** The message that bytes hold. Errors: `invalid_request` saying what is wrong and where. */
export function decodeMessage<S extends z.ZodType>(schema: S, bytes: Uint8Array): z.output<S> {
  return decodeBody(schema, decodeJson(unpack(bytes), MAX_DEPTH));
}

/** The same of what has been read as JSON already: the body of another message. */
export function decodeBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const where = formatPath(issue.path);
  const text = `Invalid fleet message: ${where === "" ? "" : `${where}: `}${issue.message}`;
  return fail("invalid_request", text, where === "" ? {} : { param: where });
}

function unpack(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== PACKED) return bytes;
  try {
    return inflateRawSync(bytes.subarray(1), { maxOutputLength: FLEET_LIMITS.messageBytes });
  } catch (cause) {
    return fail("invalid_request", "Invalid fleet message: it cannot be unpacked within bounds.", { cause });
  }
}
