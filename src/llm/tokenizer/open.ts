/** From a vocabulary, as its file holds it, to a tokenizer. */
import { PunctualError } from "../../core/index.ts";
import type { TokenizerSource } from "../checkpoint/types.ts";
import { parseFields, type Fields } from "./fields.ts";
import { readByteLevel } from "./file.ts";
import { fileOfGguf } from "./gguf.ts";
import { readLibraryTokenizer } from "./library.ts";
import type { TextTokenizer } from "./types.ts";

/**
 * A tokenizer of a tokenizer.json or of a GGUF vocabulary. Byte-level byte pairs with a known pattern run on our own
 * fast path, everything else on @huggingface/tokenizers.
 * @throws PunctualError invalid_file, unsupported, naming the field.
 */
export function openTokenizer(source: TokenizerSource): TextTokenizer {
  if (source.kind === "gguf") {
    const { file, config } = fileOfGguf(source);
    return openFile(file, config);
  }
  const { config } = source;
  const plain = typeof config === "object" && config !== null && !Array.isArray(config) ? (config as Fields) : null;
  return openFile(parseFields(source.text), plain);
}

function openFile(file: Fields, config: Fields | null): TextTokenizer {
  if (!mentionsByteLevel(file["decoder"], 0) && !mentionsByteLevel(file["pre_tokenizer"], 0)) {
    return readLibraryTokenizer(file, config);
  }
  try {
    return readByteLevel(file, config);
  } catch (error) {
    if (!(error instanceof PunctualError) || error.code !== "unsupported") throw error;
    return readLibraryTokenizer(file, config);
  }
}

function mentionsByteLevel(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null || depth > 3) return false;
  const stage = value as Fields;
  const inner = stage["decoders"] ?? stage["pretokenizers"];
  return (
    stage["type"] === "ByteLevel" || (Array.isArray(inner) && inner.some((one) => mentionsByteLevel(one, depth + 1)))
  );
}
