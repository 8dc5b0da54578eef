/** The main thread's book of an engine's adapters: names and numbers. A number is never given twice: it keys cached prefixes. */
import { fail } from "../../core/index.ts";
import { checkAdapterName, type AdapterSource } from "./options.ts";

/** An adapter with the number that steps know it by. */
export interface NumberedAdapter extends AdapterSource {
  readonly id: number;
}

export class AdapterBook {
  readonly #adapters = new Map<string, NumberedAdapter>();
  /** Being loaded. */
  readonly #coming = new Set<string>();
  #nextId = 0;

  constructor(modules: readonly AdapterSource[]) {
    for (const module of modules) this.#adapters.set(module.name, { ...module, id: this.#nextId++ });
  }

  get list(): readonly NumberedAdapter[] {
    return [...this.#adapters.values()];
  }

  /** The number of that adapter. @throws PunctualError model_not_found, naming those there are. */
  idOf(name: string): number {
    const known = [...this.#adapters.keys()].map((each) => `'${each}'`).join(", ");
    const adapter = this.#adapters.get(name);
    if (adapter !== undefined) return adapter.id;
    return fail("model_not_found", `There is no adapter '${name}'; there are ${known === "" ? "none" : known}.`, {
      param: "adapter",
    });
  }

  /** Enters an adapter once `load` has succeeded. @throws PunctualError invalid_request for a name that is taken, and what `load` throws. */
  async add(source: AdapterSource, load: (adapter: NumberedAdapter) => Promise<void>): Promise<void> {
    const name = checkAdapterName(source.name);
    if (this.#adapters.has(name) || this.#coming.has(name)) {
      fail("invalid_request", `The adapter '${name}' is loaded already.`, { param: "lora_name" });
    }
    const adapter = { ...source, id: this.#nextId++ };
    this.#coming.add(name);
    try {
      await load(adapter);
      this.#adapters.set(name, adapter);
    } finally {
      this.#coming.delete(name);
    }
  }

  /** Strikes it out. @throws PunctualError model_not_found. */
  remove(name: string): number {
    const id = this.idOf(name);
    this.#adapters.delete(name);
    return id;
  }
}
