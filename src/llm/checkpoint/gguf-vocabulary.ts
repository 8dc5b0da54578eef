/** The vocabulary of a GGUF file as a TokenizerSource, checked: lists of one length, ids that exist. */
import { fail } from "../../core/index.ts";
import type { Metadata } from "./gguf-config.ts";
import type { TokenizerSource } from "./types.ts";

const PREFIX = "tokenizer.ggml.";
const NORMAL = 1;
/** Pre-tokenizers of Llama 3's kind: their prompts start with bos although they are byte-level. */
const STARTS_WITH_BOS = ["llama3", "llama-v3", "llama-bpe"];
/** Roles whose token ends an answer. */
const ENDING_ROLES = ["eos", "eot", "eom"];

/** Null when the file has no vocabulary. @throws PunctualError invalid_file naming the key. */
export function vocabularyOf(metadata: Metadata): Extract<TokenizerSource, { kind: "gguf" }> | null {
  const model = metadata.text(`${PREFIX}model`);
  const tokens = metadata.texts(`${PREFIX}tokens`);
  if (tokens === null || model === null || model === "no_vocab") return null;
  const perToken = (key: string): readonly number[] | null => {
    const values = metadata.numbers(key);
    if (values === null || values.length === tokens.length) return values;
    return fail("invalid_file", `gguf: ${key} has ${values.length} items for ${tokens.length} tokens`, { param: key });
  };
  const scores = perToken(`${PREFIX}scores`);
  const pre = metadata.text(`${PREFIX}pre`);
  const specials = specialsOf(metadata, tokens.length);
  const asked = metadata.flag(`${PREFIX}add_bos_token`);
  return {
    kind: "gguf",
    model,
    pre,
    tokens,
    types: perToken(`${PREFIX}token_type`) ?? tokens.map(() => NORMAL),
    merges: metadata.texts(`${PREFIX}merges`) ?? [],
    scores: scores === null ? null : Float32Array.from(scores),
    specials,
    addBos: asked ?? (model === "llama" || (pre !== null && STARTS_WITH_BOS.includes(pre))),
    addSpacePrefix: metadata.flag(`${PREFIX}add_space_prefix`) ?? true,
  };
}

function specialsOf(metadata: Metadata, size: number): Record<string, number> {
  const specials = new Map<string, number>();
  for (const key of metadata.keys()) {
    const role = /^tokenizer\.ggml\.([a-z0-9_]+)_token_id$/.exec(key)?.[1];
    if (role === undefined) continue;
    const id = metadata.number(key);
    if (!Number.isInteger(id) || id < 0 || id >= size) {
      fail("invalid_file", `gguf: ${key} ${id} is not one of ${size} tokens`, { param: key });
    }
    // The format's own spelling of separator lacks a letter.
    specials.set(role === "seperator" ? "separator" : role, id);
  }
  return Object.fromEntries(specials);
}

/** Tokens that end an answer, without repeats. */
export function endTokensOf(specials: Readonly<Record<string, number>>): number[] {
  return [...new Set(ENDING_ROLES.flatMap((role) => specials[role] ?? []))];
}
