/**
 * What a checkpoint is once it is open, whatever its format: Hugging Face's configuration fields, weights
 * under Hugging Face's names, and the vocabulary as the file has it. No code in here.
 */
import type { WeightSource } from "../types.ts";

/** A vocabulary as its file holds it; tokenizer/ makes a tokenizer of it. */
export type TokenizerSource =
  | {
      readonly kind: "json";
      /** tokenizer.json, unparsed. */
      readonly text: string;
      /** tokenizer_config.json, parsed; null when there is none. */
      readonly config: unknown;
    }
  | {
      readonly kind: "gguf";
      /** `tokenizer.ggml.model`: "gpt2" is byte-level BPE, "llama" SentencePiece, others exist. */
      readonly model: string;
      /** `tokenizer.ggml.pre`, which names the pre-tokenizer's pattern. */
      readonly pre: string | null;
      /** By id. */
      readonly tokens: readonly string[];
      /** By id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. Normal where the file says nothing. */
      readonly types: readonly number[];
      /** "left right", best first; empty for vocabularies without merges. */
      readonly merges: readonly string[];
      /** By id: log-probabilities of SentencePiece pieces. */
      readonly scores: Float32Array | null;
      /** Ids by the file's name for their role: `tokenizer.ggml.<role>_token_id` such as bos, eos, eot, unknown, padding. */
      readonly specials: Readonly<Record<string, number>>;
      /** Prompts start with `specials.bos`. */
      readonly addBos: boolean;
      /** `tokenizer.ggml.add_space_prefix`: SentencePiece text starts with a space; true when absent. */
      readonly addSpacePrefix?: boolean;
    };

/** An open model file or folder. Weights are read from disk when they are asked for, until close(). */
export interface Checkpoint {
  readonly format: "safetensors" | "gguf";
  /** config.json, or the same fields made from GGUF metadata; fromHuggingFaceConfig reads both. */
  readonly config: unknown;
  /** Names are Hugging Face's in both formats, and rotary pairs are half-split. `get` reads synchronously. */
  readonly weights: WeightSource;
  /** Null when the checkpoint brings no vocabulary. */
  readonly tokenizer: TokenizerSource | null;
  /** The template's text (Jinja), unparsed. */
  readonly chatTemplate: string | null;
  /** Tokens that end an answer: of generation_config.json and config.json, or of GGUF's metadata. Ids are below vocab_size. */
  readonly endTokens: readonly number[];
  /** Size of all weight files. */
  readonly bytes: number;
  /** Closes the files; weights cannot be read afterwards. May be called twice. */
  close(): Promise<void>;
}
