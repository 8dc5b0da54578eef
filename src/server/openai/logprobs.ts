/** Log-probabilities in the two shapes that OpenAI's endpoints give them. */
import type { TextTokenizer, TokenLogprobs } from "../../llm/index.ts";
import type { ChatTokenLogprob, CompletionLogprobs, TokenLogprob } from "../../protocol/index.ts";

const decoder = new TextDecoder();

/** A token's own text; bytes that are part of a character show as U+FFFD, which is why `bytes` exists. */
function tokenText(tokenizer: TextTokenizer, id: number): string {
  return decoder.decode(tokenizer.pieceBytes(id));
}

function entry(tokenizer: TextTokenizer, id: number, logprob: number): TokenLogprob {
  return { token: tokenText(tokenizer, id), logprob, bytes: Array.from(tokenizer.pieceBytes(id)) };
}

/** One entry of `choices[].logprobs.content`. */
export function chatLogprob(tokenizer: TextTokenizer, id: number, logprobs: TokenLogprobs): ChatTokenLogprob {
  return {
    ...entry(tokenizer, id, logprobs.logprob),
    top_logprobs: logprobs.top.map((top) => entry(tokenizer, top.id, top.logprob)),
  };
}

/** Gathers the column form of /v1/completions. `text_offset` counts UTF-16 units from the start of the answer. */
export class CompletionLogprobColumns {
  readonly #tokenizer: TextTokenizer;
  #columns = emptyColumns();
  #offset = 0;

  constructor(tokenizer: TextTokenizer) {
    this.#tokenizer = tokenizer;
  }

  push(id: number, logprobs: TokenLogprobs): void {
    const token = tokenText(this.#tokenizer, id);
    const top = logprobs.top.map((other): [string, number] => [tokenText(this.#tokenizer, other.id), other.logprob]);
    this.#columns.tokens.push(token);
    this.#columns.token_logprobs.push(logprobs.logprob);
    this.#columns.top_logprobs.push(Object.fromEntries(top));
    this.#columns.text_offset.push(this.#offset);
    this.#offset += token.length;
  }

  /** What came since the last call. */
  take(): CompletionLogprobs {
    const taken = this.#columns;
    this.#columns = emptyColumns();
    return taken;
  }
}

function emptyColumns(): CompletionLogprobs {
  return { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
}
