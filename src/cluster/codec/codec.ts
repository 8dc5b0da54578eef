/**
 * Keys and values of consecutive tokens as few bytes and back. One codec per model and thread; what travels is a chunk:
 * whole pages and where they begin. Lossless is the default, exact to the bit, and the only one whose pages may enter an
 * exact prefix cache; the others are CacheGen's two variants at several levels.
 *
 *   const codec = await KvCodec.create(shape, { tables });
 *   const bytes = codec.encode({ pages, tokens, firstPosition }, { variant: "anchored", level: 1 });
 *   codec.decode(bytes).pages;   // whole pages again
 */
import { assert, fail } from "../../core/index.ts";
import { EntropyCoder } from "../../kernels/index.ts";
import { ANCHORED_LEVELS, decodeAnchored, encodeAnchored, type LoadedProfile } from "./anchored.ts";
import { openChunk, sealChunk, type ChunkHeader, type CodecVariant } from "./header.ts";
import { decodeLossless, encodeLossless } from "./lossless.ts";
import { pagesToPlanes, planesToPages } from "./planes.ts";
import { decodeReleased, encodeReleased, RELEASED_LEVELS } from "./released.ts";
import { pageLayout, type CacheShape } from "./shape.ts";
import type { ProfiledTables } from "./tables.ts";

/** Keys and values of consecutive tokens. */
export interface KvChunk {
  /** Whole pages as stored, all layers; the last may be filled in part. */
  readonly pages: Uint8Array;
  /** Tokens in them. */
  readonly tokens: number;
  /** Position of the first of them. */
  readonly firstPosition: number;
}

/** How to code. */
export type CodecLevel =
  | { readonly variant: "lossless" }
  | { readonly variant: "anchored" | "released"; readonly level: number };

/** Levels of each variant: 0 (the finest) to one less than this. */
export const CODEC_LEVELS: { readonly [V in CodecVariant]: number } = {
  lossless: 1,
  anchored: ANCHORED_LEVELS,
  released: RELEASED_LEVELS,
};

/** What a codec may have beside a shape. */
export interface KvCodecOptions {
  /** For the anchored variant. */
  readonly tables?: ProfiledTables;
}

/** Tokens that a chunk may have: no header makes a decoder reserve more. */
const CHUNK_TOKENS_MAX = 2 ** 20;
const CHUNK_BYTES_MAX = 2 ** 31;

/** Codes and decodes chunks of one model. See the head of this file. */
export class KvCodec {
  readonly shape: CacheShape;
  /** The profiled tables that it has, if any. */
  readonly tables: ProfiledTables | null;
  readonly #coder: EntropyCoder;
  readonly #profile: LoadedProfile | null;

  private constructor(shape: CacheShape, coder: EntropyCoder, tables: ProfiledTables | null) {
    this.shape = shape;
    this.tables = tables;
    this.#coder = coder;
    this.#profile =
      tables === null
        ? null
        : {
            profile: tables,
            anchors: coder.load(tables.anchors),
            deltas: tables.deltas.map((level) => coder.load(level)),
          };
  }

  /** @throws PunctualError missing_dependency when the package is not built. */
  static async create(shape: CacheShape, options: KvCodecOptions = {}): Promise<KvCodec> {
    return new KvCodec(shape, await EntropyCoder.create(), options.tables ?? null);
  }

  /** @throws PunctualError invalid_request for pages that do not fit, a level that is not there, or missing tables. */
  encode(chunk: KvChunk, how: CodecLevel = { variant: "lossless" }): Uint8Array<ArrayBuffer> {
    this.#checkChunk(chunk);
    const { pages, tokens, firstPosition } = chunk;
    const level = how.variant === "lossless" ? 0 : how.level;
    checkLevel(how.variant, level, "invalid_request");
    const seal = (tables: string | null, body: Uint8Array): Uint8Array<ArrayBuffer> =>
      sealChunk({ variant: how.variant, level, tables, firstPosition, tokens }, this.shape.fingerprint, body);
    if (how.variant === "lossless") return seal(null, encodeLossless(this.#coder, this.shape, pages));
    const planes = pagesToPlanes(this.shape, pages, tokens, firstPosition);
    if (how.variant === "released") return seal(null, encodeReleased(this.#coder, this.shape, planes, level));
    const profile = this.#profile ?? fail("invalid_request", "coding differences to anchors needs profiled tables");
    return seal(profile.profile.id, encodeAnchored(this.#coder, profile, this.shape, planes, level));
  }

  /**
   * The chunk that `encode` was given, exactly when lossless, nearly otherwise.
   * @param shift added to all positions: the tokens stand elsewhere now (not for lossless, whose keys stay turned)
   * @throws PunctualError invalid_file for damage, unsupported for another model or other tables.
   */
  decode(bytes: Uint8Array, shift = 0): KvChunk & { readonly header: ChunkHeader } {
    const { header, body } = openChunk(bytes, this.shape.fingerprint);
    this.#checkHeader(header);
    const { tokens, level } = header;
    assert(shift === 0 || header.variant !== "lossless", "exact pages stay where they are");
    const firstPosition = header.firstPosition + shift;
    assert(firstPosition >= 0, "positions are not negative");
    const pageCount = Math.ceil(tokens / this.shape.pageTokens);
    if (header.variant === "lossless") {
      const pages = decodeLossless(this.#coder, this.shape, body, pageCount);
      return { header, pages, tokens, firstPosition };
    }
    const planes =
      header.variant === "released"
        ? decodeReleased(this.#coder, this.shape, body, tokens, level)
        : decodeAnchored(this.#coder, this.#profileOf(header), this.shape, body, tokens, level);
    return { header, pages: planesToPages(this.shape, planes, firstPosition), tokens, firstPosition };
  }

  /** What a chunk says of itself, checked as `decode` checks it, without decoding. */
  header(bytes: Uint8Array): ChunkHeader {
    const { header } = openChunk(bytes, this.shape.fingerprint);
    this.#checkHeader(header);
    return header;
  }

  #profileOf({ tables }: ChunkHeader): LoadedProfile {
    if (this.#profile?.profile.id === tables && this.#profile !== null) return this.#profile;
    return fail("unsupported", `expected tables ${tables ?? "none"}, this side has ${this.tables?.id ?? "none"}`, {
      param: "tables",
    });
  }

  #checkChunk({ pages, tokens, firstPosition }: KvChunk): void {
    const { pageBytes } = pageLayout(this.shape);
    const count = Math.ceil(tokens / this.shape.pageTokens);
    if (!Number.isInteger(tokens) || tokens < 1 || tokens > CHUNK_TOKENS_MAX || pages.length !== count * pageBytes) {
      const expected = `${count} pages of ${pageBytes} bytes`;
      fail("invalid_request", `expected ${expected} for ${tokens} tokens, got ${pages.length} bytes`);
    }
    if (!Number.isInteger(firstPosition) || firstPosition < 0 || firstPosition >= 2 ** 31) {
      fail("invalid_request", `expected a position of at least 0, got ${firstPosition}`, { param: "firstPosition" });
    }
  }

  #checkHeader({ variant, level, tokens, firstPosition }: ChunkHeader): void {
    checkLevel(variant, level, "invalid_file");
    const bytes = Math.ceil(tokens / this.shape.pageTokens) * pageLayout(this.shape).pageBytes;
    if (tokens < 1 || tokens > CHUNK_TOKENS_MAX || bytes > CHUNK_BYTES_MAX || firstPosition >= 2 ** 31) {
      fail("invalid_file", `expected 1 to ${CHUNK_TOKENS_MAX} tokens, got ${tokens} from ${firstPosition}`);
    }
  }
}

function checkLevel(variant: CodecVariant, level: number, code: "invalid_request" | "invalid_file"): void {
  const levels = CODEC_LEVELS[variant];
  if (Number.isInteger(level) && level >= 0 && level < levels) return;
  fail(code, `expected a level from 0 to ${levels - 1} of ${variant}, got ${level}`, { param: "level" });
}
