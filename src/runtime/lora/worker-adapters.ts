/**
 * The worker's side of adapters: reads their folders, and changes the executor's set between two steps, never within one.
 * An adapter that is unloaded stays until the last sequence that has it is over.
 */
import { toErrorRecord, type ErrorRecord } from "../../core/index.ts";
import { readAdapter, type DecoderConfig, type LoraAdapter } from "../../llm/index.ts";
import type { NumberedAdapter } from "./book.ts";

/** What can be done to an engine's adapters. */
export type AdapterChange =
  | { readonly kind: "load"; readonly adapter: NumberedAdapter }
  | { readonly kind: "unload"; readonly id: number };

/** What of an executor it changes. */
export interface AdapterHolder {
  addAdapter(id: number, adapter: LoraAdapter): void;
  removeAdapter(id: number): void;
}

export class WorkerAdapters {
  readonly #holder: AdapterHolder;
  readonly #config: DecoderConfig;
  readonly #maxRank: number;
  /** What the next pause between two steps is to do. */
  #due: (() => void)[] = [];
  readonly #leaving = new Set<number>();
  /** Of every adapter that there has been: few, and a number is never given twice. */
  readonly #names = new Map<number, string>();

  constructor(holder: AdapterHolder, config: DecoderConfig, maxRank: number) {
    this.#holder = holder;
    this.#config = config;
    this.#maxRank = maxRank;
  }

  /** Those that are there from the start. @throws PunctualError as readAdapter, with the adapter's name. */
  async open(adapters: readonly NumberedAdapter[]): Promise<void> {
    for (const { id, dir, name } of adapters) {
      this.#holder.addAdapter(id, await this.#read(dir));
      this.#names.set(id, name);
    }
  }

  /** The name of that adapter, also of one that is gone. */
  nameOf(id: number): string {
    return this.#names.get(id) ?? String(id);
  }

  /**
   * Begins a change; `done` says null, or what was wrong, when it is in force.
   * @param wake has `settle` called soon
   */
  change(change: AdapterChange, wake: () => void, done: (error: ErrorRecord | null) => void): void {
    if (change.kind === "unload") {
      this.#leaving.add(change.id);
      done(null);
      wake();
      return;
    }
    void this.#load(change.adapter, wake, done);
  }

  /** Reads an adapter and has the next pause put it in force, or say what was wrong. */
  async #load(
    { id, dir, name }: NumberedAdapter,
    wake: () => void,
    done: (error: ErrorRecord | null) => void,
  ): Promise<void> {
    let outcome: () => ErrorRecord | null;
    try {
      const adapter = await this.#read(dir);
      this.#names.set(id, name);
      outcome = () => attempt(() => this.#holder.addAdapter(id, adapter));
    } catch (error) {
      outcome = () => toErrorRecord(error);
    }
    this.#due.push(() => done(outcome()));
    wake();
  }

  /** Between two steps. @param inUse whether a sequence has that adapter */
  settle(inUse: (id: number) => boolean): void {
    for (const id of this.#leaving) {
      if (inUse(id)) continue;
      this.#leaving.delete(id);
      this.#holder.removeAdapter(id);
    }
    const due = this.#due;
    this.#due = [];
    for (const act of due) act();
  }

  #read(dir: string): Promise<LoraAdapter> {
    return readAdapter(dir, this.#config, this.#maxRank);
  }
}

function attempt(act: () => void): ErrorRecord | null {
  try {
    act();
    return null;
  } catch (error) {
    return toErrorRecord(error);
  }
}
