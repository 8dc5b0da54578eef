/** Vocabularies and random walks for tests of grammars. */
import type { RandomStream } from "../../src/core/index.ts";
import { GrammarVocabulary, type GrammarState, type PieceSource } from "../../src/llm/index.ts";

const encoder = new TextEncoder();

/** Id 0 is special, 1 ends an answer, then the bytes, then more pieces. */
export function sourceOf(more: readonly Uint8Array[]): PieceSource & { readonly pieces: readonly Uint8Array[] } {
  const marks = ["<|mark|>", "<|end|>"].map((name) => encoder.encode(name));
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const pieces = [...marks, ...bytes, ...more];
  return { pieces, vocabSize: pieces.length, pieceBytes: (id) => pieces[id]!, isSpecial: (id) => id < 2 };
}

export function vocabularyOf(source: PieceSource): GrammarVocabulary {
  // a few rows that the tokenizer knows nothing of, as padded models have them
  return new GrammarVocabulary(source, { endTokens: [1], vocabSize: source.vocabSize + 5 });
}

/** Bytes only; pieces that JSON is full of; random cuts of text, many of them through characters. */
export function vocabularies(random: RandomStream): ReturnType<typeof sourceOf>[] {
  const common = [
    '{"',
    '":',
    '": "',
    '",',
    '", "',
    '"}',
    "}}",
    "]}",
    "[]",
    "true",
    "null",
    "12",
    "0.5",
    "  ",
    "\n  ",
    ' "',
    "name",
    "a",
  ];
  const text = encoder.encode(
    '{"näme": "日本語 — 🙂🙃", "größe": [1.5, -20, {"x": "\\u00e9\\n"}], "ok": false, "日": null}\n    ',
  );
  const cuts = Array.from({ length: 300 }, () => {
    const from = random.int(0, text.length - 1);
    return text.slice(from, Math.min(from + random.int(1, 9), text.length));
  });
  return [sourceOf([]), sourceOf(common.map((piece) => encoder.encode(piece))), sourceOf(cuts)];
}

/** Ids whose bits are set. */
export function idsOf(bits: Uint32Array): number[] {
  const ids: number[] = [];
  for (let id = 0; id < bits.length * 32; id++) if (((bits[id >>> 5]! >>> (id & 31)) & 1) === 1) ids.push(id);
  return ids;
}

const HINTS = ["foo", "z", " ", "1", "//"];

/**
 * Takes random allowed tokens until the grammar is done; after `freeTokens` of them it prefers what closes. Throws when
 * the grammar leaves nothing or takes back what it allowed.
 */
export function randomText(
  state: GrammarState,
  source: ReturnType<typeof sourceOf>,
  random: RandomStream,
  freeTokens: number,
): string {
  const bytes: Uint8Array[] = [];
  const words = new Uint32Array(Math.ceil((source.vocabSize + 5) / 32));
  for (let count = 0; !state.complete; count++) {
    state.mask(words);
    const allowed = idsOf(words);
    if (allowed.length === 0) throw new Error(`no token is allowed after ${Buffer.concat(bytes).toString()}`);
    if (count > 20_000) throw new Error(`endless: ${Buffer.concat(bytes).toString().slice(-200)}`);
    if (count >= freeTokens && random.uniform() < 0.3) {
      // what a pattern that is searched for may be waiting for
      for (const byte of encoder.encode(HINTS[random.int(0, HINTS.length - 1)])) {
        if (state.accept(byte + 2)) bytes.push(Uint8Array.of(byte));
      }
      continue;
    }
    const closing =
      count < freeTokens
        ? []
        : allowed.filter((id) => id === 1 || /^["}\]]+$/.test(Buffer.from(source.pieces[id]!).toString()));
    const pool = closing.length > 0 && random.uniform() < 0.9 ? closing : allowed;
    const id = pool[random.int(0, pool.length - 1)]!;
    if (!state.accept(id)) throw new Error(`token ${id} was allowed and then refused`);
    if (id === 1) break;
    bytes.push(source.pieces[id]!);
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(bytes));
}
