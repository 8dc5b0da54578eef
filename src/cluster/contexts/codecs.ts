/**
 * Codecs of one model by the profiled tables that they decode with: an instance codes with the newest tables of its own store,
 * and what another one coded with others is decoded once those are here. Tables are named by their hash, so they are checked
 * by it, whoever they came from.
 */
import { createHash } from "node:crypto";
import { fail } from "../../core/index.ts";
import { KvCodec, type CodecLevel } from "../codec/codec.ts";
import type { ChunkHeader, CodecVariant } from "../codec/header.ts";
import { isPrediction, readPrediction } from "../codec/prediction.ts";
import { readTables } from "../codec/tables.ts";
import type { ContextStore } from "./store.ts";

/** Other instances' tables that are held at once; those used longest ago go first. */
const MOST_TABLES = 8;

/** What is decoded with tables: of which variant they are, and the codec that has them. */
interface Tabled {
  readonly variant: CodecVariant;
  readonly codec: KvCodec;
}

/** See the head of this file. */
export class ContextCodecs {
  /** Codes what is kept here, and decodes what needs no tables or its own. */
  readonly own: KvCodec;
  readonly #others = new Map<string, Tabled>();

  /** @param own with the tables, if any, that this instance codes with */
  constructor(own: KvCodec) {
    this.own = own;
  }

  /** With the newest tables of each kind that a store has. @param codec of the same shape, which may be without tables */
  static async open(codec: KvCodec, store: ContextStore | null): Promise<ContextCodecs> {
    const kept = await Promise.all(((await store?.tableIds()) ?? []).toReversed().map((id) => store!.tables(id)));
    const newest = (prediction: boolean) => kept.find((bytes) => bytes !== null && isPrediction(bytes) === prediction);
    const [tables, prediction] = [newest(false) ?? null, newest(true) ?? null];
    if (tables === null && prediction === null) return new ContextCodecs(codec);
    const { shape } = codec;
    const own = await KvCodec.create(shape, {
      ...(tables === null ? {} : { tables: readTables(shape, tables) }),
      ...(prediction === null ? {} : { prediction: readPrediction(shape, prediction) }),
    });
    return new ContextCodecs(own);
  }

  /** Whether this instance can code at that level. */
  codes({ variant }: CodecLevel): boolean {
    if (variant === "anchored") return this.own.tables !== null;
    return variant !== "predicted" || this.own.prediction !== null;
  }

  /** Ids of all tables that are here. */
  get ids(): string[] {
    const own = [this.own.tables?.id, this.own.prediction?.id].filter((id) => id !== undefined);
    return [...own, ...this.#others.keys()];
  }

  /** Whether tables of that id are here. */
  has(id: string): boolean {
    return this.own.tables?.id === id || this.own.prediction?.id === id || this.#others.has(id);
  }

  /** Whether a level can be decoded that was coded with some of these tables. */
  decodes({ variant }: CodecLevel, tables: readonly string[]): boolean {
    if (variant === "lossless" || variant === "released") return true;
    const own = variant === "anchored" ? this.own.tables : this.own.prediction;
    return tables.some((id) => own?.id === id || this.#others.get(id)?.variant === variant);
  }

  /** What decodes a chunk of that header. @throws PunctualError unsupported when its tables are not here. */
  of({ tables }: ChunkHeader): KvCodec {
    if (tables === null || tables === this.own.tables?.id || tables === this.own.prediction?.id) return this.own;
    const found = this.#others.get(tables) ?? fail("unsupported", `the tables ${tables} are not here`);
    this.#others.delete(tables);
    this.#others.set(tables, found);
    return found.codec;
  }

  /** Takes tables in. @throws PunctualError invalid_file for what is not what that id names, or is of another model. */
  async learn(id: string, bytes: Uint8Array): Promise<void> {
    if (this.has(id)) return;
    if (!createHash("sha256").update(bytes).digest("hex").startsWith(id)) fail("invalid_file", `expected tables ${id}`);
    const { shape } = this.own;
    const codec = isPrediction(bytes)
      ? await KvCodec.create(shape, { prediction: readPrediction(shape, bytes) })
      : await KvCodec.create(shape, { tables: readTables(shape, bytes) });
    this.#others.set(id, { variant: isPrediction(bytes) ? "predicted" : "anchored", codec });
    const [oldest] = this.#others.keys();
    if (this.#others.size > MOST_TABLES) this.#others.delete(oldest!);
  }
}
