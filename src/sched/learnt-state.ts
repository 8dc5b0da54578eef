/**
 * What an outlook has learnt, as text and back: finished requests (features and lengths) and the graphs of past tasks. It
 * grows no larger than what it is learnt with, and is read with suspicion: version, sizes, ranges and a checksum.
 *
 *   {"kind":"punctual-policy-state","version":1,"model":…,"vocabSize":…,"lengths":[["0a1f…",37],…],"patterns":[["…","…"],…]}
 *   checksum of the line above, in hex
 *
 * It holds no text, but counts of a prompt's tokens in 62 buckets confirm a guess of a short prompt: a file for its owner only.
 */
import { fail, hashString } from "../core/index.ts";
import { MAX_LEVELS, MAX_STAGES, STAGE_BYTES, type PatternGraph } from "./jitserve/pattern-graph.ts";
import { FEATURE_COUNT, FEATURE_LEVELS } from "./predict/features.ts";
import type { LoggedLength } from "./predict/quantile-forest.ts";

/** What an outlook starts from; see the head of this file. Both lists oldest first. */
export interface LearntState {
  readonly lengths: readonly LoggedLength[];
  readonly patterns: readonly PatternGraph[];
}

/** Whose requests were learnt from: features are of one vocabulary's ids, lengths of one model's answers. */
export interface LearntBy {
  readonly model: string;
  readonly vocabSize: number;
}

const KIND = "punctual-policy-state";
/** Of the format; another is not read. */
export const LEARNT_VERSION = 1;
/** Most characters of a state; the largest that is written has a fifth of it. */
export const MAX_LEARNT_CHARACTERS = 8 * 2 ** 20;
const MAX_LENGTHS = 10_000;
const MAX_PATTERNS = 500;
const MAX_TOKENS = 2 ** 31;
const FLOAT_BYTES = 4;

/** The state as text, two lines. */
export function writeLearnt({ model, vocabSize }: LearntBy, { lengths, patterns }: LearntState): string {
  const body = JSON.stringify({
    kind: KIND,
    version: LEARNT_VERSION,
    model,
    vocabSize,
    lengths: lengths.slice(-MAX_LENGTHS).map(({ features, tokens }) => [toHex(features), tokens]),
    patterns: patterns.slice(-MAX_PATTERNS).map(({ stages, spansMs }) => [toHex(stages), toHex(floatBytes(spansMs))]),
  });
  return `${body}\n${checksum(body)}\n`;
}

/** @throws PunctualError invalid_file naming the fault. */
export function readLearnt(text: string, by: LearntBy): LearntState {
  if (text.length > MAX_LEARNT_CHARACTERS) {
    return refuse(`expected at most ${MAX_LEARNT_CHARACTERS} characters, got ${text.length}`);
  }
  const [body = "", sum, ...rest] = text.split("\n");
  const row = parseObject(body);
  if (row.kind !== KIND) return refuse(`expected kind "${KIND}", got ${describe(row.kind)}`);
  if (row.version !== LEARNT_VERSION) {
    return refuse(`expected version ${LEARNT_VERSION}, got ${describe(row.version)}`);
  }
  if (sum !== checksum(body) || rest.join("") !== "")
    return refuse("the checksum does not fit: it was cut off or changed");
  if (row.model !== by.model || row.vocabSize !== by.vocabSize) {
    return refuse(
      `expected what was learnt of "${by.model}" with ${by.vocabSize} tokens, got ${describe(row.model)} with ${describe(row.vocabSize)}`,
    );
  }
  return {
    lengths: list(row.lengths, "lengths", MAX_LENGTHS).map((entry, i) => readLength(entry, `lengths[${i}]`)),
    patterns: list(row.patterns, "patterns", MAX_PATTERNS).map((entry, i) => readGraph(entry, `patterns[${i}]`)),
  };
}

function readLength(entry: unknown, place: string): LoggedLength {
  const [hex, tokens] = pair(entry, place);
  const features = fromHex(hex, place);
  if (features.length !== FEATURE_COUNT || features.some((level) => level >= FEATURE_LEVELS)) {
    return refuse(`${place}: expected ${FEATURE_COUNT} levels below ${FEATURE_LEVELS}`);
  }
  if (!(Number.isInteger(tokens) && (tokens as number) >= 0 && (tokens as number) <= MAX_TOKENS)) {
    return refuse(`${place}: expected a number of tokens, got ${describe(tokens)}`);
  }
  return { features, tokens: tokens as number };
}

function readGraph(entry: unknown, place: string): PatternGraph {
  const [stageHex, spanHex] = pair(entry, place);
  const stages = fromHex(stageHex, place);
  if (stages.length % STAGE_BYTES !== 0 || stages.length > MAX_STAGES * STAGE_BYTES || stages.length === 0) {
    return refuse(`${place}: expected 1 to ${MAX_STAGES} stages of ${STAGE_BYTES} bytes, got ${stages.length} bytes`);
  }
  const bytes = fromHex(spanHex, place);
  const levels = bytes.length / (2 * FLOAT_BYTES);
  if (!Number.isInteger(levels) || levels < 1 || levels > MAX_LEVELS) {
    return refuse(`${place}: expected two spans for each of 1 to ${MAX_LEVELS} levels, got ${bytes.length} bytes`);
  }
  for (let at = 0; at < stages.length; at += STAGE_BYTES) {
    if (stages[at]! >> 1 >= levels) return refuse(`${place}: a stage is at a level that the graph does not have`);
  }
  const data = new DataView(bytes.buffer);
  const spansMs = Float32Array.from({ length: 2 * levels }, (_, i) => data.getFloat32(i * FLOAT_BYTES, true));
  if (spansMs.some((ms) => !(ms >= 0 && ms < Infinity))) return refuse(`${place}: expected spans of 0 ms or more`);
  return { stages, spansMs };
}

function floatBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * FLOAT_BYTES);
  const data = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) data.setFloat32(i * FLOAT_BYTES, value, true);
  return bytes;
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: unknown, place: string): Uint8Array {
  if (typeof text !== "string" || !/^(?:[\da-f]{2})*$/.test(text)) return refuse(`${place}: expected bytes in hex`);
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** Against damage, not against malice. */
function checksum(text: string): string {
  return [0, 1].map((part) => (hashString(`${part}${text}`) >>> 0).toString(16).padStart(8, "0")).join("");
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse("it is not JSON");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) return refuse("expected an object");
  return value as Record<string, unknown>;
}

function list(value: unknown, name: string, most: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > most) return refuse(`${name}: expected a list of at most ${most}`);
  return value as readonly unknown[];
}

function pair(value: unknown, place: string): readonly [unknown, unknown] {
  if (!Array.isArray(value) || value.length !== 2) return refuse(`${place}: expected a pair`);
  return value as [unknown, unknown];
}

function describe(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 80) ?? String(value);
}

function refuse(fault: string): never {
  return fail("invalid_file", `policy state: ${fault}`);
}
