/**
 * Results of durable work, kept for minutes under the id of their request. The first result of an id stands: whoever computes
 * it again finds it there. What a bus cannot carry in one message is kept in parts.
 *
 * Beside them, how often each piece was begun, and given back by who had begun it: the difference are the times that it took
 * its instance with it. How often a bus handed it out says nothing of that: it does so again after every lost connection,
 * and to instances that have no room.
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

const attemptsSchema = z.object({ begun: z.number().int().min(0), givenBack: z.number().int().min(0) });

/** What became of a piece so far. */
export type WorkAttempts = z.infer<typeof attemptsSchema>;

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

  /** A piece is begun; answers that attempt with those before it. Errors: `unavailable`, and then it must not be begun. */
  async begin(requestId: string): Promise<WorkAttempts> {
    return this.#attempted(requestId, ({ begun, givenBack }) => ({ begun: begun + 1, givenBack }));
  }

  /** It is not done, and who had it is well. Errors: `unavailable`. */
  async giveBack(requestId: string): Promise<void> {
    await this.#attempted(requestId, ({ begun, givenBack }) => ({ begun, givenBack: givenBack + 1 }));
  }

  async #attempted(requestId: string, change: (attempts: WorkAttempts) => WorkAttempts): Promise<WorkAttempts> {
    const key = `${subjectWord(requestId)}.attempts`;
    const entry = await this.#directory.get(key);
    const attempts = change(entry === null ? { begun: 0, givenBack: 0 } : decodeMessage(attemptsSchema, entry.value));
    await this.#directory.put(key, encodeMessage(attempts));
    return attempts;
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
