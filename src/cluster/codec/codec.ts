/**
 * Keys and values of consecutive tokens as few bytes and back. One codec per model and thread; what travels is a chunk:
 * whole pages and where they begin. Lossless is the default, exact to the bit, and the only one whose pages may enter an
 * exact prefix cache; the others are CacheGen's two variants and one by prediction (predicted.ts), at several levels.
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
import { pagesToPlanes, planesToPages, type Planes } from "./planes.ts";
import { decodePredicted, encodePredicted, loadPrediction, type LoadedPrediction } from "./predicted.ts";
import { PREDICTED_LEVELS, type PredictionTables } from "./prediction.ts";
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
  /** Ids of the tokens, one each: what the predicted variant needs, and only that. */
  readonly tokenIds?: readonly number[];
}

/** How to decode, where a chunk needs more than its bytes. */
export interface DecodeOptions {
  /** Added to all positions: the tokens stand elsewhere now (not for lossless, whose keys stay turned). */
  readonly shift?: number;
  /** Ids of the tokens, one each, as they were encoded: for the predicted variant. */
  readonly tokenIds?: readonly number[];
}

/** How to code. */
export type CodecLevel =
  | { readonly variant: "lossless" }
  | { readonly variant: "anchored" | "released" | "predicted"; readonly level: number };

/** Levels of each variant: 0 (the finest) to one less than this. */
export const CODEC_LEVELS: { readonly [V in CodecVariant]: number } = {
  lossless: 1,
  anchored: ANCHORED_LEVELS,
  released: RELEASED_LEVELS,
  predicted: PREDICTED_LEVELS,
};

/** What a codec may have beside a shape. */
export interface KvCodecOptions {
  /** For the anchored variant. */
  readonly tables?: ProfiledTables;
  /** For the predicted variant. */
  readonly prediction?: PredictionTables;
}

/** Tokens that a chunk may have: no header makes a decoder reserve more. */
const CHUNK_TOKENS_MAX = 2 ** 20;
const CHUNK_BYTES_MAX = 2 ** 31;

/** Codes and decodes chunks of one model. See the head of this file. */
export class KvCodec {
  readonly shape: CacheShape;
  /** The profiled tables that it has, if any. */
  readonly tables: ProfiledTables | null;
  /** The tables of predictions that it has, if any. */
  readonly prediction: PredictionTables | null;
  readonly #coder: EntropyCoder;
  readonly #profile: LoadedProfile | null;
  readonly #predictor: LoadedPrediction | null;

  private constructor(
    shape: CacheShape,
    coder: EntropyCoder,
    tables: ProfiledTables | null,
    predictor: LoadedPrediction | null,
  ) {
    this.shape = shape;
    this.tables = tables;
    this.prediction = predictor?.tables ?? null;
    this.#coder = coder;
    this.#predictor = predictor;
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
    const { tables = null, prediction } = options;
    const predictor = prediction === undefined ? null : await loadPrediction(shape, prediction);
    return new KvCodec(shape, await EntropyCoder.create(), tables, predictor);
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
    if (how.variant === "predicted") {
      const predictor = this.#predictor ?? fail("invalid_request", "coding by prediction needs tables of predictions");
      const tokenIds = chunk.tokenIds ?? fail("invalid_request", "coding by prediction needs the ids of the tokens");
      return seal(predictor.tables.id, encodePredicted(predictor, pages, { tokenIds, firstPosition }, level));
    }
    const planes = pagesToPlanes(this.shape, pages, tokens, firstPosition);
    if (how.variant === "released") return seal(null, encodeReleased(this.#coder, this.shape, planes, level));
    const profile = this.#profile ?? fail("invalid_request", "coding differences to anchors needs profiled tables");
    return seal(profile.profile.id, encodeAnchored(this.#coder, profile, this.shape, planes, level));
  }

  /**
   * The chunk that `encode` was given, exactly when lossless, nearly otherwise.
   * @throws PunctualError invalid_file for damage and for other tokens, unsupported for another model or other tables,
   * invalid_request for a predicted chunk without the ids of its tokens.
   */
  decode(bytes: Uint8Array, { shift = 0, tokenIds }: DecodeOptions = {}): KvChunk & { readonly header: ChunkHeader } {
    const { header, body } = openChunk(bytes, this.shape.fingerprint);
    this.#checkHeader(header);
    const { tokens } = header;
    assert(shift === 0 || header.variant !== "lossless", "exact pages stay where they are");
    const firstPosition = header.firstPosition + shift;
    assert(firstPosition >= 0, "positions are not negative");
    const pageCount = Math.ceil(tokens / this.shape.pageTokens);
    if (header.variant === "lossless") {
      const pages = decodeLossless(this.#coder, this.shape, body, pageCount);
      return { header, pages, tokens, firstPosition };
    }
    if (header.variant === "predicted") {
      return { header, pages: this.#predictedPages(header, body, tokenIds, firstPosition), tokens, firstPosition };
    }
    const planes = this.#planesOf(header, body);
    return { header, pages: planesToPages(this.shape, planes, firstPosition), tokens, firstPosition };
  }

  /** What a chunk says of itself, checked as `decode` checks it, without decoding. */
  header(bytes: Uint8Array): ChunkHeader {
    const { header } = openChunk(bytes, this.shape.fingerprint);
    this.#checkHeader(header);
    return header;
  }

  #planesOf(header: ChunkHeader, body: Uint8Array): Planes {
    const { tokens, level } = header;
    if (header.variant === "released") return decodeReleased(this.#coder, this.shape, body, tokens, level);
    return decodeAnchored(this.#coder, this.#profileOf(header), this.shape, body, tokens, level);
  }

  #predictedPages(
    header: ChunkHeader,
    body: Uint8Array,
    tokenIds: readonly number[] | undefined,
    firstPosition: number,
  ): Uint8Array<ArrayBuffer> {
    const predictor = this.#predictor;
    if (predictor === null || predictor.tables.id !== header.tables) {
      fail(
        "unsupported",
        `expected tables ${header.tables ?? "none"}, this side has ${predictor?.tables.id ?? "none"}`,
        {
          param: "tables",
        },
      );
    }
    if (tokenIds?.length !== header.tokens) {
      fail("invalid_request", `expected the ids of the chunk's ${header.tokens} tokens`, { param: "tokenIds" });
    }
    return decodePredicted(predictor, body, { tokenIds, firstPosition }, header.level);
  }

  #profileOf({ tables }: ChunkHeader): LoadedProfile {
    if (this.#profile?.profile.id === tables && this.#profile !== null) return this.#profile;
    return fail("unsupported", `expected tables ${tables ?? "none"}, this side has ${this.tables?.id ?? "none"}`, {
      param: "tables",
    });
  }

  #checkChunk({ pages, tokens, firstPosition, tokenIds }: KvChunk): void {
    const { pageBytes } = pageLayout(this.shape);
    const count = Math.ceil(tokens / this.shape.pageTokens);
    if (!Number.isInteger(tokens) || tokens < 1 || tokens > CHUNK_TOKENS_MAX || pages.length !== count * pageBytes) {
      const expected = `${count} pages of ${pageBytes} bytes`;
      fail("invalid_request", `expected ${expected} for ${tokens} tokens, got ${pages.length} bytes`);
    }
    if (tokenIds !== undefined && (tokenIds.length !== tokens || !tokenIds.every((id) => id >= 0 && id < 2 ** 31))) {
      fail("invalid_request", `expected ${tokens} token ids, got ${tokenIds.length}`, { param: "tokenIds" });
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
