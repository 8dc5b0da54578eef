/** Decoding one id at a time: the same for every vocabulary, because each piece is bytes. */
import type { DecodeOptions, StreamDecoder } from "./types.ts";

interface Pieces {
  pieceBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
}

const SPACE = 0x20;

/**
 * @param leadingSpace the vocabulary writes a space before the first word of a text (SentencePiece), which is taken off
 * again unless the ids continue another text
 */
export function createStreamDecoder(pieces: Pieces, leadingSpace: boolean, options: DecodeOptions): StreamDecoder {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let first = leadingSpace && options.continues !== true;
  return {
    push: (id) => {
      const bytes = pieces.pieceBytes(id);
      if (pieces.isSpecial(id) && options.special !== true) return "";
      const cut = first && bytes[0] === SPACE ? bytes.subarray(1) : bytes;
      if (bytes.length > 0) first = false;
      return decoder.decode(cut, { stream: true });
    },
    end: () => decoder.decode(),
  };
}

/** The whole at once, by way of the stream: they cannot differ. */
export function decodeAll(decoder: StreamDecoder, ids: readonly number[]): string {
  let text = "";
  for (const id of ids) text += decoder.push(id);
  return text + decoder.end();
}
