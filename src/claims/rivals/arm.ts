/**
 * Claim `rivals`: what one arm can be asked, the same for ours and for each rival. An arm is a process of its own, because
 * they would share an event loop, an allocator and cores otherwise; it loads one model, answers, and ends. The side that
 * measures is arm-process.ts, the side that computes serve-arm.ts.
 */

/** The model and what will be asked of it: an arm may allocate for that much and no more. */
export interface LoadOptions {
  readonly gguf: string;
  readonly onnxFolder: string;
  readonly dtype: "fp32" | "q4";
  readonly threads: 1 | 2;
  /** Most sequences that decode together. */
  readonly streams: number;
  /** Tokens of each of them, prompt included. */
  readonly streamTokens: number;
  /** Tokens of the longest prompt, and a few of its answer. */
  readonly contextTokens: number;
  /** Where our engine keeps packed weights. */
  readonly weightCacheDir: string;
}

/** A request to an arm's process. */
export type ArmCommand =
  | { readonly kind: "load"; readonly options: LoadOptions }
  | { readonly kind: "firstToken"; readonly prompt: readonly number[] }
  | { readonly kind: "decode"; readonly prompts: readonly (readonly number[])[]; readonly tokens: number }
  | { readonly kind: "end" };

/** How long it took from the library's import to a model that answers. */
export interface Loaded {
  readonly ms: number;
}

/** The time from the prompt's arrival to its first token, and that token. */
export interface FirstToken {
  readonly ms: number;
  readonly token: number;
}

/** Sequences that decoded together. */
export interface Decoded {
  /** When each token came, milliseconds, by stream. */
  readonly times: readonly (readonly number[])[];
  /** 99th percentile of how late a 1 ms timer of the arm's main thread was, milliseconds. */
  readonly lagMs: number;
}

/** What each command is answered with. */
export interface ArmAnswers {
  readonly load: Loaded;
  readonly firstToken: FirstToken;
  readonly decode: Decoded;
  readonly end: null;
}

/** What comes back over the channel. */
export type ArmReply = { readonly answer: ArmAnswers[keyof ArmAnswers] } | { readonly error: string };

/**
 * Tokens per second while all streams decode: counted from the last first token on until the first stream ends, so that
 * neither prompts nor stragglers are in it.
 */
export function steadyRate(times: readonly (readonly number[])[]): number {
  const from = Math.max(...times.map((stream) => stream[0]!));
  const to = Math.min(...times.map((stream) => stream.at(-1)!));
  const count = times.flat().filter((at) => at > from && at <= to).length;
  if (count > 0) return (count * 1000) / (to - from);
  // Streams that never overlapped: all that came, in all the time it took.
  const all = times.flat();
  return ((all.length - times.length) * 1000) / (Math.max(...all) - Math.min(...all));
}
