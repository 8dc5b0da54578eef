/**
 * Results of durable work, kept for minutes under the id of their request. The first result of an id stands: whoever computes
 * it again finds it there. What a bus cannot carry in one message is kept in parts.
 */
import { z } from "zod";
import { assert } from "../../core/index.ts";
import { workResultSchema, type WorkResult } from "../../protocol/index.ts";
import type { Bus, KeyValue } from "../bus/types.ts";
import { subjectWord, type FleetNames } from "../registry/names.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";

const DEFAULT_KEPT_MS = 600_000;
const MAX_BYTES = 256 * 1024 * 1024;
const MAX_PARTS = 256;
/** Of a message, for what a directory adds to it. */
const MARGIN_BYTES = 4096;

const headSchema = z.union([z.object({ parts: z.number().int().min(1).max(MAX_PARTS) }), workResultSchema]);

/** See the head of this file. */
export class ResultStore {
  readonly #bus: Bus;
  readonly #directory: KeyValue;

  private constructor(bus: Bus, directory: KeyValue) {
    this.#bus = bus;
    this.#directory = directory;
  }

  /** @throws PunctualError unavailable, unsupported. */
  static async open(bus: Bus, names: FleetNames, keptMs: number = DEFAULT_KEPT_MS): Promise<ResultStore> {
    const options = { ttlMs: keptMs, isDurable: true, maxBytes: MAX_BYTES };
    return new ResultStore(bus, await bus.keyValue(names.results, options));
  }

  /** Null when there is none (any more). Errors: `unavailable`, `invalid_request` for what cannot be read. */
  async get(requestId: string): Promise<WorkResult | null> {
    const key = subjectWord(requestId);
    const entry = await this.#directory.get(key);
    if (entry === null) return null;
    const head = decodeMessage(headSchema, entry.value);
    if (!("parts" in head)) return head;
    const parts: Uint8Array[] = [];
    for (let part = 0; part < head.parts; part++) {
      const stored = await this.#directory.get(partKey(key, part));
      if (stored === null) return null; // the older parts go first
      parts.push(stored.value);
    }
    return decodeMessage(workResultSchema, Buffer.concat(parts));
  }

  /** Keeps a result unless there is one. @returns whether it was the first. Errors: `unavailable`, `out_of_space`. */
  async put(result: WorkResult): Promise<boolean> {
    const key = subjectWord(result.requestId);
    const bytes = encodeMessage(result);
    const most = this.#bus.maxMessageBytes - MARGIN_BYTES;
    if (bytes.length <= most) return (await this.#directory.create(key, bytes)) !== null;
    const parts = Math.ceil(bytes.length / most);
    assert(parts <= MAX_PARTS, "a result is smaller than all parts together");
    for (let part = 0; part < parts; part++) {
      await this.#directory.put(partKey(key, part), bytes.subarray(part * most, (part + 1) * most));
    }
    return (await this.#directory.create(key, encodeMessage({ parts }))) !== null;
  }
}

function partKey(key: string, part: number): string {
  return `${key}.${part}`;
}
