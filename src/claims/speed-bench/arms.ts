/**
 * Claim `11`: the engines that are compared, all on one built-in model with equal pages, budgets and threads, without a prefix
 * cache, and exact; they differ in how they draft only. Greedy throughout, so that all say the same.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtInModelDir, builtInModels, hasHeads } from "../../llm/index.ts";
import { fail } from "../../core/index.ts";
import { Engine, type EngineOptions, type SpeculationOptions } from "../../runtime/index.ts";

/** A way to draft. */
export interface SpeedArm {
  readonly name: string;
  readonly speculation: SpeculationOptions;
}

/** Without drafts: what everything is measured against. */
export const PLAIN: SpeedArm = { name: "no drafts", speculation: { method: "off" } };
/** Drafted tokens of a step where drafters are compared with each other. */
export const COMPARED_LENGTH = 3;
/** Fixed lengths of drafts, by heads. */
export const LENGTHS = [1, 2, 3, 5, 7] as const;

const fixed = (speculation: SpeculationOptions, tokens: number): SpeculationOptions => ({
  ...speculation,
  tokens,
  adaptive: false,
});

/** The drafters that are compared, three tokens each. */
export function drafterArms(): { readonly ngram: SpeedArm; readonly draft: SpeedArm; readonly heads: SpeedArm } {
  const small = builtInModels().find(({ name }) => name === "punctual-small");
  if (small === undefined) fail("model_not_found", "claim 11 drafts with punctual-small");
  return {
    ngram: { name: "n-gram lookup", speculation: fixed({ method: "ngram" }, COMPARED_LENGTH) },
    draft: {
      name: "punctual-small",
      speculation: fixed({ method: "draft", model: { dir: small.dir } }, COMPARED_LENGTH),
    },
    heads: lengthArm(COMPARED_LENGTH),
  };
}

/** Heads with so many tokens, whatever it brings. */
export function lengthArm(tokens: number): SpeedArm {
  return { name: `heads, ${tokens}`, speculation: fixed({ method: "heads" }, tokens) };
}

/** Heads with as many tokens as pay. */
export const ADAPTIVE: SpeedArm = {
  name: "heads, adaptive",
  speculation: { method: "heads", tokens: LENGTHS.at(-1)! },
};

/** What the request itself predicts, so many tokens at a time, whatever it brings. */
export function predictionArm(tokens: number): SpeedArm {
  return { name: `predictions, ${tokens}`, speculation: fixed({ method: "prediction" }, tokens) };
}

/** Predictions, as many tokens as pay. */
export const ADAPTIVE_PREDICTION: SpeedArm = {
  name: "predictions, adaptive",
  speculation: { method: "prediction", tokens: LENGTHS.at(-1)! },
};

/** No drafts, every fixed length and as many as pay, by one way to draft. */
export interface LengthArms {
  readonly plain: SpeedArm;
  /** By LENGTHS. */
  readonly fixed: readonly SpeedArm[];
  readonly adaptive: SpeedArm;
}

export const HEADS_LENGTHS: LengthArms = { plain: PLAIN, fixed: LENGTHS.map(lengthArm), adaptive: ADAPTIVE };
export const PREDICTION_LENGTHS: LengthArms = {
  plain: PLAIN,
  fixed: LENGTHS.map(predictionArm),
  adaptive: ADAPTIVE_PREDICTION,
};

/** In the order of measurements. */
export function armsOf({ plain, fixed, adaptive }: LengthArms): readonly SpeedArm[] {
  return [plain, ...fixed, adaptive];
}

/** Heads that know the most frequent tokens only. */
export function prunedArm(vocabularyTokens: number): SpeedArm {
  const { speculation } = lengthArm(COMPARED_LENGTH);
  return { name: `heads of ${vocabularyTokens} tokens`, speculation: { ...speculation, vocabularyTokens } };
}

/** Started engines by arm; each is started when it is first asked for, all end together. */
export class SpeedEngines implements AsyncDisposable {
  readonly #started = new Map<string, Engine>();
  readonly #budgetTokens: number;
  readonly #sharesStarts: boolean;
  readonly #model: EngineOptions["model"];
  #folder: string | null = null;

  /**
   * @param sharesStarts packed weights and costs of steps are found by the first engine and used by all: starts that are quick,
   *   and weights of many megabytes that are there once
   * @param model the built-in one when absent
   */
  constructor(budgetTokens: number, sharesStarts: boolean, model: EngineOptions["model"] = { dir: builtInModelDir() }) {
    this.#budgetTokens = budgetTokens;
    this.#sharesStarts = sharesStarts;
    this.#model = model;
  }

  async of({ name, speculation }: SpeedArm): Promise<Engine> {
    const known = this.#started.get(name);
    if (known !== undefined) return known;
    if (this.#sharesStarts) this.#folder ??= await mkdtemp(join(tmpdir(), "punctual-claim-11-"));
    const options: EngineOptions = {
      model: this.#model,
      threads: 1,
      maxRunning: MOST_SEQUENCES,
      budgetTokens: this.#budgetTokens,
      kvPages: KV_PAGES,
      prefixCache: false,
      exact: true,
      speculation,
      ...(this.#folder === null ? {} : { weightCacheDir: this.#folder }),
    };
    const engine = await Engine.start(options);
    this.#started.set(name, engine);
    return engine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const engine of this.#started.values()) await engine.stop({ graceMs: 0 });
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Most sequences that are asked for at a time. */
export const MOST_SEQUENCES = 16;
const KV_PAGES = 640;

/** Throws model_not_found where the built-in model has no heads yet. */
export async function requireHeads(): Promise<void> {
  const dir = builtInModelDir();
  if (!(await hasHeads(dir)))
    fail("model_not_found", `${dir} has no draft heads: punctual fit heads --model base makes them`);
}
