/**
 * Bytes to JSON with every failure typed: what is not UTF-8, not JSON or nested too deeply becomes an
 * `invalid_request`, never an exception of the platform.
 */
import { fail } from "../core/index.ts";
import { LIMITS } from "./limits.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** The deepest nesting of arrays and objects, strings skipped. Right for valid JSON, bounded work for any bytes. */
export function jsonDepth(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (inString) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) deepest = Math.max(deepest, (depth += 1));
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth -= 1;
  }
  return deepest;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    return fail("invalid_request", "Expected the request body to be valid UTF-8.", { cause });
  }
}

/**
 * The value a JSON body holds.
 * Errors: `invalid_request` for bytes that are empty, not UTF-8, nested deeper than `maxDepth`, or not JSON.
 */
export function decodeJson(bytes: Uint8Array, maxDepth: number = LIMITS.jsonDepth): unknown {
  if (bytes.length === 0) fail("invalid_request", "Expected a JSON request body, got an empty one.");
  const depth = jsonDepth(bytes);
  if (depth > maxDepth) {
    fail("invalid_request", `Expected the request body to nest at most ${maxDepth} levels, got ${depth}.`);
  }
  const text = decodeUtf8(bytes);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return fail("invalid_request", `Expected the request body to be JSON: ${reason}`, { cause });
  }
}
