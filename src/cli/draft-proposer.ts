/**
 * The engine's own n-gram drafter as `bench specdec` replays it over finished answers, with a vocabulary of any size: what
 * the engine drafts for a text depends on that text alone, so drafting again says what a pruned drafter would have done.
 */
import type { Proposer } from "../bench/index.ts";

/** A proposer that drafts as the engine does; a pruned one stops before the first token that it has not. */
export async function engineProposer(): Promise<Proposer> {
  const { NgramDrafter } = await import("../llm/index.ts");
  const drafter = new NgramDrafter();
  let [id, known] = [0, 0];
  let last: readonly number[] = [];
  return {
    name: "the engine's n-gram lookup",
    async propose(context, count, allowed) {
      // The drafter keeps an index of each text; another text is another sequence.
      if (known > context.length || !extendsText(context, last)) drafter.release(id++);
      [last, known] = [context.slice(), context.length];
      const subject = { id, tokens: Int32Array.from(context), promptTokens: context.length };
      const most = count === 0 ? 0 : drafter.available(subject, count);
      if (most === 0) return [];
      const [draft] = await drafter.draft([{ subject, most }]);
      const tokens = draft!.tokens.slice(0, most);
      const end = allowed === null ? -1 : tokens.findIndex((token) => !allowed.has(token));
      return end < 0 ? tokens : tokens.slice(0, end);
    },
  };
}

function extendsText(text: readonly number[], start: readonly number[]): boolean {
  return start.every((token, i) => text[i] === token);
}
