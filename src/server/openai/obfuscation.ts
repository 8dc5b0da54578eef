/**
 * `include_obfuscation`: random filling that makes chunks alike in size, so that somebody who watches an encrypted
 * connection learns less of the text from the lengths of its records. Only where a client asks: it costs bytes.
 */
import { randomBytes } from "node:crypto";
import type { GenerationFields } from "../../protocol/index.ts";

/** Chunks are filled up to a multiple of so many bytes: most tokens then look alike. */
const BLOCK_BYTES = 64;

/** The chunk, filled when the request asks for it. */
export function obfuscated<T extends object>(
  { stream_options: options }: Pick<GenerationFields, "stream_options">,
  chunk: T,
): T & { readonly obfuscation?: string } {
  if (options?.include_obfuscation !== true) return chunk;
  const bare = { ...chunk, obfuscation: "" };
  const missing = BLOCK_BYTES - (Buffer.byteLength(JSON.stringify(bare)) % BLOCK_BYTES);
  // Base64 has four characters for three bytes, each of them one byte long.
  return { ...bare, obfuscation: randomBytes(missing).toString("base64url").slice(0, missing) };
}
