/** Exact coding for pages under way: what migration and the hand-over after a prefill may use without asking anybody. */
import { fail, PunctualError } from "../../core/index.ts";
import type { FrameCodec } from "../kv/types.ts";
import type { KvCodec } from "./codec.ts";
import { pageLayout } from "./shape.ts";

/** Of the frames that carry it. */
export const LOSSLESS_FRAME_CODEC = 1;

/** The first byte of a payload: pages of another size than the cache's (of a store, say) go as they are. */
const STORED = 0;
const CODED = 1;

/** Pages coded losslessly: the bytes that arrive are those that were sent. */
export function losslessFrameCodec(codec: KvCodec): FrameCodec {
  const { pageTokens } = codec.shape;
  const own = pageLayout(codec.shape).pageBytes;
  const decode = (body: Uint8Array, first: number, count: number): Uint8Array | null => {
    const { header, pages } = codec.decode(body);
    const { variant, tokens, firstPosition } = header;
    const isAsked = tokens === count * pageTokens && firstPosition === first * pageTokens;
    return variant === "lossless" && isAsked ? pages : null;
  };
  return {
    id: LOSSLESS_FRAME_CODEC,
    name: "lossless",
    encode(bytes, { first, count, pageBytes }) {
      if (pageBytes !== own) return Buffer.concat([Uint8Array.of(STORED), bytes]);
      const chunk = { pages: bytes, tokens: count * pageTokens, firstPosition: first * pageTokens };
      return Buffer.concat([Uint8Array.of(CODED), codec.encode(chunk)]);
    },
    decode(bytes, { first, count, pageBytes }) {
      const body = bytes.subarray(1);
      try {
        const pages = pageBytes === own && bytes[0] === CODED ? decode(body, first, count) : body;
        if (pages !== null && pages.length === count * pageBytes) return pages;
      } catch (cause) {
        if (!(cause instanceof PunctualError)) throw cause;
        return fail("invalid_request", `expected ${count} coded pages: ${cause.message}`, { cause });
      }
      return fail("invalid_request", `expected ${count} exactly coded pages from ${first}`);
    },
  };
}
