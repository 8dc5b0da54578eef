/**
 * A server's own tokens: counted, and as ids, so that every arm gets the very same sequence whatever its template would
 * make of a text. By /tokenize, as vLLM and our server have it; where there is none, lengths are estimated from words.
 */
import { tokenIds, type ServerAddress } from "../server-facts.ts";
import type { Question } from "./types.ts";

/** How texts become tokens. */
export interface TokenSource {
  /** "server" where it is asked, "words" where words are counted instead. */
  readonly kind: "server" | "words";
  count(text: string): Promise<number>;
  /** Ids of the first turn as the model is told it; null where the server does not say. */
  promptIds(question: Question): Promise<readonly number[] | null>;
  /** Ids of a plain text, without anything around it; null where the server does not say. */
  textIds(text: string): Promise<readonly number[] | null>;
}

/** Asks a server whether it tokenises, once. */
export async function tokenSource(server: ServerAddress, model: string, isChat: boolean): Promise<TokenSource> {
  const probe = await tokenIds(server, { model, prompt: "one two three", add_special_tokens: false });
  if (probe === null) return WORD_COUNTS;
  const textIds = (text: string): Promise<readonly number[] | null> =>
    tokenIds(server, { model, prompt: text, add_special_tokens: false });
  return {
    kind: "server",
    count: async (text) => (text === "" ? 0 : ((await textIds(text))?.length ?? wordsOf(text))),
    promptIds: ({ turns }) =>
      tokenIds(
        server,
        isChat ? { model, messages: [{ role: "user", content: turns[0] }] } : { model, prompt: turns[0] },
      ),
    textIds,
  };
}

/** English text has about four tokens to three words. */
const TOKENS_PER_WORD = 4 / 3;

function wordsOf(text: string): number {
  return Math.ceil((text.match(/\S+/g)?.length ?? 0) * TOKENS_PER_WORD);
}

/** Where no server tokenises. */
export const WORD_COUNTS: TokenSource = {
  kind: "words",
  count: (text) => Promise.resolve(wordsOf(text)),
  promptIds: () => Promise.resolve(null),
  textIds: () => Promise.resolve(null),
};
