/**
 * The head of a coded chunk: what made it, of which model, for which tokens, and a checksum over all of it.
 *
 *     0  magic "PKVC"   4  version   5  variant   6  level   7  0
 *     8  model (16, hash of the fingerprint)     24  tables (8, id of the profiled ones; zeros: none)
 *    32  first position (u32)   36  tokens (u32)   40  body bytes (u32)   44  CRC-32 of 0..44 and the body
 */
import { crc32 } from "node:zlib";
import { fail } from "../../core/index.ts";
import { fingerprintBytes } from "./tables.ts";

/**
 * How a chunk is coded. lossless: the stored bytes, exactly. anchored: CacheGen's paper. released: CacheGen's code.
 * predicted: by what is known of its tokens (predicted.ts).
 */
export type CodecVariant = "lossless" | "anchored" | "released" | "predicted";

const VARIANTS: readonly CodecVariant[] = ["lossless", "anchored", "released", "predicted"];

const MAGIC = 0x43564b50; // "PKVC"
const VERSION = 1;
export const HEADER_BYTES = 48;

/** What a chunk says of itself. */
export interface ChunkHeader {
  readonly variant: CodecVariant;
  /** 0 is the finest of the variant's; 0 for lossless. */
  readonly level: number;
  /** Of the profiled tables that made it; null when none did. */
  readonly tables: string | null;
  /** Position of the first token in its sequence. */
  readonly firstPosition: number;
  readonly tokens: number;
  readonly bodyBytes: number;
}

/** Header and body as one, sealed with their checksum. */
export function sealChunk(
  header: Omit<ChunkHeader, "bodyBytes">,
  fingerprint: string,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, VERSION);
  view.setUint8(5, VARIANTS.indexOf(header.variant));
  view.setUint8(6, header.level);
  bytes.set(fingerprintBytes(fingerprint), 8);
  if (header.tables !== null) bytes.set(Buffer.from(header.tables, "hex"), 24);
  view.setUint32(32, header.firstPosition, true);
  view.setUint32(36, header.tokens, true);
  view.setUint32(40, body.length, true);
  bytes.set(body, HEADER_BYTES);
  view.setUint32(44, checksum(bytes), true);
  return bytes;
}

function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(HEADER_BYTES), crc32(bytes.subarray(0, 44)));
}

/**
 * Reads and checks a chunk's head.
 * @param fingerprint of the model that it must be of
 * @throws PunctualError invalid_file for damage and for other versions, unsupported for another model.
 */
export function openChunk(bytes: Uint8Array, fingerprint: string): { header: ChunkHeader; body: Uint8Array } {
  if (bytes.length < HEADER_BYTES) fail("invalid_file", `expected at least ${HEADER_BYTES} bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) fail("invalid_file", "expected a chunk of keys and values");
  if (view.getUint8(4) !== VERSION) fail("invalid_file", `expected version ${VERSION}, got ${view.getUint8(4)}`);
  const bodyBytes = view.getUint32(40, true);
  if (bytes.length !== HEADER_BYTES + bodyBytes) {
    fail("invalid_file", `expected ${HEADER_BYTES + bodyBytes} bytes, got ${bytes.length}`);
  }
  if (view.getUint32(44, true) !== checksum(bytes)) fail("invalid_file", "the checksum does not match: damaged");
  if (!fingerprintBytes(fingerprint).every((byte, i) => bytes[8 + i] === byte)) {
    fail("unsupported", "expected keys and values of this model, got those of another", { param: "model" });
  }
  const variant = VARIANTS[view.getUint8(5)];
  if (variant === undefined) fail("invalid_file", `expected a known variant, got ${view.getUint8(5)}`);
  const tables = Buffer.from(bytes.subarray(24, 32)).toString("hex");
  return {
    header: {
      variant,
      level: view.getUint8(6),
      tables: /^0+$/.test(tables) ? null : tables,
      firstPosition: view.getUint32(32, true),
      tokens: view.getUint32(36, true),
      bodyBytes,
    },
    body: bytes.subarray(HEADER_BYTES),
  };
}
