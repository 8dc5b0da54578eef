/**
 * Claim `rivals`: the engine against what a user would pick instead, node-llama-cpp and transformers.js, on the same weights
 * and prompts in one run. Arms take turns in rounds, each in a process of its own that starts, loads, answers and ends
 * before the next one starts; ratios are of the same round. What HTTP adds to our own is measured here too.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, median, type RandomStream } from "../core/index.ts";
import { measureStreamBandwidth } from "../kernels/index.ts";
import type { Claim, ClaimContext, ClaimMode, Measured } from "./framework.ts";
import { steadyRate, type LoadOptions } from "./rivals/arm.ts";
import {
  ARM_NAMES,
  ARM_SCRIPTS,
  ArmProcess,
  MEASURED_CODE,
  requireRivalArms,
  type ArmName,
  type ArmScripts,
} from "./rivals/arm-process.ts";
import { measureHttp } from "./rivals/http-overhead.ts";
import { Journal } from "./rivals/journal.ts";
import { httpLines, shapeLines, type ArmRound, type ShapeSamples } from "./rivals/lines.ts";
import { writeModelFor, type ModelFiles } from "./rivals/model-files.ts";
import { shapesOf, type MeasuredShape } from "./rivals/shapes.ts";

/** Prompt of a stream that decodes: short, for a stream must still decode when the last of them has begun. */
const STREAM_PROMPT_TOKENS = 8;
const HTTP_PAIRS: Readonly<Record<ClaimMode, number>> = { full: 200, quick: 60, smoke: 4 };
const MIB = 2 ** 20;

/** How often a prompt of that length is timed in one process: the long ones speak for themselves. */
const repeatsOf = (length: number): number => (length <= 512 ? 3 : length <= 1024 ? 2 : 1);

/** The prompts of one round, the same for every arm and never twice. */
interface Prompts {
  readonly warmUp: readonly number[];
  readonly first: readonly { readonly length: number; readonly prompt: readonly number[] }[];
  readonly streams: readonly (readonly (readonly number[])[])[];
}

function drawPrompts(shape: MeasuredShape, vocabSize: number, random: RandomStream): Prompts {
  const draw = (length: number): number[] => Array.from({ length }, () => random.int(259, vocabSize - 1));
  return {
    warmUp: draw(8),
    first: shape.prompts.flatMap((length) =>
      Array.from({ length: repeatsOf(length) }, () => ({ length, prompt: draw(length) })),
    ),
    streams: shape.streams.map((count) => Array.from({ length: count }, () => draw(STREAM_PROMPT_TOKENS))),
  };
}

/** One round of all arms, as it is kept. */
interface Round {
  readonly [name: string]: unknown;
  readonly gigabytesPerSecond: number;
  readonly arms: Readonly<Record<ArmName, ArmRound>>;
}

/** One shape under measurement. */
class ShapeRun {
  readonly #context: ClaimContext;
  readonly #shape: MeasuredShape;
  readonly #scripts: ArmScripts;
  readonly #files: ModelFiles;
  readonly #options: LoadOptions;

  constructor(context: ClaimContext, shape: MeasuredShape, scripts: ArmScripts, files: ModelFiles, cacheDir: string) {
    this.#context = context;
    this.#shape = shape;
    this.#scripts = scripts;
    this.#files = files;
    this.#options = {
      gguf: files.gguf,
      onnxFolder: files.onnxFolder,
      dtype: files.dtype,
      threads: 2,
      streams: Math.max(...shape.streams),
      streamTokens: STREAM_PROMPT_TOKENS + shape.tokens + 1,
      contextTokens: Math.max(...shape.prompts) + 8,
      weightCacheDir: cacheDir,
    };
  }

  async samples(journal: Journal): Promise<ShapeSamples> {
    const { name, rounds } = this.#shape;
    const context = this.#context;
    if (journal.size > 0) context.progress(`${name}: going on with a run that was broken off`);
    context.progress(`${name}: our load without a cache`);
    const coldLoadMs = await this.#coldLoad();
    const arms: Record<ArmName, ArmRound[]> = { punctual: [], "node-llama-cpp": [], "transformers.js": [] };
    const gigabytesPerSecond: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const prompts = drawPrompts(
        this.#shape,
        this.#files.config.vocabSize,
        createRandom(context.seed, `prompts of ${name}, round ${round}`),
      );
      const measured = await journal.piece(`round ${round}`, () => this.#round(round, prompts));
      gigabytesPerSecond.push(measured.gigabytesPerSecond);
      for (const arm of ARM_NAMES) arms[arm].push(measured.arms[arm]);
    }
    return { shape: this.#shape, config: this.#files.config, arms, coldLoadMs, gigabytesPerSecond };
  }

  /** Fills the weight cache that later loads find. */
  async #coldLoad(): Promise<number> {
    await using arm = new ArmProcess(this.#scripts.punctual);
    return (await arm.ask<"load">({ kind: "load", options: this.#options })).ms;
  }

  /** All arms, one after the other; who goes first changes, so that nobody has the same neighbour every time. */
  async #round(round: number, prompts: Prompts): Promise<Round> {
    const { name, rounds } = this.#shape;
    const { clock, mode } = this.#context;
    const workingSetBytes = (mode === "smoke" ? 8 : 512) * MIB;
    const stream = await measureStreamBandwidth({ clock, threads: 2, workingSetBytes, passes: 2 });
    const arms: Partial<Record<ArmName, ArmRound>> = {};
    for (let turn = 0; turn < ARM_NAMES.length; turn++) {
      const arm = ARM_NAMES[(round + turn) % ARM_NAMES.length]!;
      this.#context.progress(`${name}: round ${round + 1} of ${rounds}, ${arm}`);
      arms[arm] = await this.#arm(arm, prompts);
    }
    return { gigabytesPerSecond: stream.bestGigabytesPerSecond, arms: arms as Round["arms"] };
  }

  async #arm(name: ArmName, prompts: Prompts): Promise<ArmRound> {
    await using arm = new ArmProcess(this.#scripts[name]);
    const loaded = await arm.ask<"load">({ kind: "load", options: this.#options });
    await arm.ask<"firstToken">({ kind: "firstToken", prompt: prompts.warmUp });
    const times: Record<number, number[]> = {};
    const tokens: number[] = [];
    for (const { length, prompt } of prompts.first) {
      const { ms, token } = await arm.ask<"firstToken">({ kind: "firstToken", prompt });
      (times[length] ??= []).push(ms);
      tokens.push(token);
    }
    const rates: Record<number, number> = {};
    let lagMs = 0;
    for (const streams of prompts.streams) {
      const decoded = await arm.ask<"decode">({ kind: "decode", prompts: streams, tokens: this.#shape.tokens });
      rates[streams.length] = steadyRate(decoded.times);
      lagMs = decoded.lagMs; // of the last: the most streams
    }
    const { pssBytes, rssBytes } = await arm.memory();
    return {
      loadMs: loaded.ms,
      firstTokenMs: Object.fromEntries(Object.entries(times).map(([length, all]) => [length, median(all)])),
      tokens,
      rates,
      lagMs,
      pssMiB: pssBytes / MIB,
      rssMiB: rssBytes / MIB,
    };
  }
}

/** Measures with any arms: the claim's own, or stand-ins under test. */
export async function measureRivals(context: ClaimContext, scripts: ArmScripts): Promise<Measured[]> {
  const lines: Measured[] = [];
  const journals: Journal[] = [];
  for (const shape of shapesOf(context.mode)) {
    const folder = await mkdtemp(join(tmpdir(), "punctual-rivals-"));
    try {
      context.progress(`${shape.name}: writing the model`);
      const files = await writeModelFor(shape, folder, context.seed);
      const run = new ShapeRun(context, shape, scripts, files, join(folder, "weights"));
      const journal = await Journal.open(shape, context, MEASURED_CODE);
      journals.push(journal);
      lines.push(...shapeLines(await run.samples(journal)));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  context.progress("what HTTP adds");
  lines.push(...httpLines(await measureHttp(HTTP_PAIRS[context.mode], context.clock, context.seed)));
  for (const journal of journals) await journal.end();
  return lines;
}

export const rivals: Claim = {
  id: "rivals",
  name: "rivals",
  headline: "The same model answers sooner and faster than with what people run it with from TypeScript today.",
  baseline:
    "node-llama-cpp (llama.cpp's CPU kernels) and transformers.js (ONNX Runtime) on the same weights and prompts, two threads each, one after the other in interleaved rounds",
  source: "our own; Q4_0 weights of given shapes, and the built-in model as shipped",
  targets:
    "against node-llama-cpp: one stream at least as fast, eight streams at least 5 times, first token at least as soon up to 4096 tokens of prompt, load from the weight cache at most twice its time; against transformers.js: eight streams at least 3 times; HTTP adds less than 3 ms to the first token",
  needsRivals: true,
  measure(context) {
    requireRivalArms();
    return measureRivals(context, ARM_SCRIPTS);
  },
};
