/** The heads that an engine's options ask for: found, held against the model, loaded, and what drafting with them costs. */
import { fail, type Clock } from "../../core/index.ts";
import {
  checkHeadsFit,
  hasHeads,
  HEADS_RUN_PLACES,
  HeadsDrafter,
  StepTimes,
  weightsFingerprint,
  readHeads,
  type DecoderConfig,
  type StoredHeads,
} from "../../llm/index.ts";
import { costFromPoints, type CostEstimate } from "../../sched/index.ts";
import { withWeights } from "../load-model.ts";
import type { EnginePlan } from "../plan.ts";
import type { EngineOptions } from "../types.ts";
import { SOURCES_OF, speculates } from "./options.ts";

/** Batches whose cost is measured beforehand, how often each, and for how long altogether. */
const MEASURED_SEQUENCES = [1, 4, 16] as const;
const MEASURED_REPEATS = 3;
const MEASURED_LIMIT_MS = 200;

/**
 * Heads that the options name, or that lie beside the model; null where none are wanted, and for "auto" where none fit.
 * @throws PunctualError model_not_found without any, invalid_file for those of another model, invalid_request where a model has no folder.
 */
export async function headsOf(options: EngineOptions, config: DecoderConfig): Promise<StoredHeads | null> {
  const { speculation, model } = options;
  if (speculation === undefined || !speculates(options)) return null;
  const { method, heads: named } = speculation;
  if (!SOURCES_OF[method].includes("heads")) return null;
  const dir = named?.dir ?? ("dir" in model ? model.dir : null);
  const optional = method === "auto" && named === undefined;
  if (dir === null) {
    return optional
      ? null
      : fail("invalid_request", "speculation.heads: a model without a folder has no heads beside it", {
          param: "speculation.heads",
        });
  }
  if (optional && !(await hasHeads(dir))) return null;
  const heads = await readHeads(dir);
  checkHeadsFit(heads.config, config);
  const own = await withWeights(model, config, async (weights) => weightsFingerprint(config, weights));
  if (own === heads.model) return heads;
  if (optional) return null;
  return fail("invalid_file", `heads: those in ${dir} were made for other weights: punctual fit heads makes new ones`, {
    param: "model",
  });
}

/**
 * What drafts cost, by sequences and places: measured before the first request, then learnt from drafts themselves. The first
 * run of a size pays for its memory, several times what a run costs, and noise only ever adds: of those measured beforehand the
 * quickest but the first counts.
 */
export class HeadsCost {
  /** By the places of a run, from 1 on: by sequences, the first run and the quickest since. */
  readonly #measured = Array.from({ length: HEADS_RUN_PLACES }, () => new Map<number, { first: number; ms: number }>());
  #curves: readonly CostEstimate[] = [];
  readonly #times = new StepTimes((sequences, places) => this.#curves[places - 1]?.stepMs(sequences) ?? 0);
  #measuring = true;
  /** Of runs, by sequences and places, since the last observation: a step asks for the same ones many times. */
  #known: number[] = [];

  /** A run of that many sequences and places took so long. */
  observe(sequences: number, places: number, ms: number): void {
    this.#known = [];
    if (!this.#measuring && this.#times.ms(sequences, places) > 0) return this.#times.observe(sequences, places, ms);
    const sizes = this.#measured[places - 1]!;
    const known = sizes.get(sequences);
    sizes.set(sequences, known === undefined ? { first: ms, ms: Infinity } : { ...known, ms: Math.min(known.ms, ms) });
    if (!this.#measuring) this.#draw();
  }

  /** What was observed so far was a measurement; from now on it is drafts. */
  measured(): void {
    this.#measuring = false;
    this.#draw();
  }

  /** Milliseconds that the draft's token of that place adds, from 1 on, for so many sequences. */
  passMs(sequences: number, place: number): number {
    return Math.max(0, this.#totalMs(sequences, place) - this.#totalMs(sequences, place - 1));
  }

  #draw(): void {
    this.#known = [];
    this.#curves = this.#measured.map((sizes) =>
      costFromPoints(
        [...sizes]
          .map(([sequences, { first, ms }]) => [sequences, Number.isFinite(ms) ? ms : first] as const)
          .toSorted((a, b) => a[0] - b[0]),
      ),
    );
  }

  #totalMs(sequences: number, places: number): number {
    const whole = Math.floor(places / HEADS_RUN_PLACES);
    const rest = places % HEADS_RUN_PLACES;
    const runMs = (count: number): number =>
      (this.#known[sequences * (HEADS_RUN_PLACES + 1) + count] ??= this.#times.ms(sequences, count));
    return whole * runMs(HEADS_RUN_PLACES) + (rest === 0 ? 0 : runMs(rest));
  }
}

/** Sessions over the heads and over the decoder's own table and head, measured. @throws PunctualError as loading a model does. */
export async function loadHeads(
  options: EngineOptions,
  { info }: EnginePlan,
  heads: StoredHeads,
  target: { readonly config: DecoderConfig; readonly endTokens: readonly number[] },
  clock: Clock,
): Promise<{ readonly drafter: HeadsDrafter; readonly cost: HeadsCost }> {
  const { weights: format = info.weights, drafts, vocabularyTokens } = options.speculation!;
  const { config, endTokens } = target;
  const cost = new HeadsCost();
  const draftedTokens = Math.min(heads.config.draftedTokens, vocabularyTokens ?? Infinity);
  const drafter = await withWeights(options.model, config, (decoderWeights) =>
    HeadsDrafter.create({
      heads: { ...heads.config, draftedTokens },
      decoder: config,
      weights: heads.weights,
      decoderWeights,
      vocabulary: draftedTokens === config.vocabSize ? null : heads.vocabulary.subarray(0, draftedTokens),
      format,
      threads: info.threads,
      endTokens,
      drawn: drafts === "drawn",
      clock,
      observe: (sequences, places, ms) => cost.observe(sequences, places, ms),
      ...(options.weightCacheDir === undefined ? {} : { weightCacheDir: options.weightCacheDir }),
    }),
  );
  await measure(drafter, config.hidden, clock);
  cost.measured();
  return { drafter, cost };
}

/** Drafts for nobody, so that costs are known before the first request. */
async function measure(drafter: HeadsDrafter, hidden: number, clock: Clock): Promise<void> {
  const startMs = clock.nowMs();
  const state = new Float32Array(hidden).fill(1);
  const tokens = Int32Array.of(0);
  for (const sequences of MEASURED_SEQUENCES) {
    for (let most = 1; most <= HEADS_RUN_PLACES; most++) {
      for (let repeat = 0; repeat <= MEASURED_REPEATS && clock.nowMs() - startMs < MEASURED_LIMIT_MS; repeat++) {
        const requests = Array.from({ length: sequences }, (_, i) => {
          const subject = { id: -1 - i, tokens, promptTokens: 1 };
          drafter.see(subject.id, 1, state);
          return { subject, most };
        });
        await drafter.draft(requests);
        for (const { subject } of requests) drafter.release(subject.id);
      }
    }
  }
}
