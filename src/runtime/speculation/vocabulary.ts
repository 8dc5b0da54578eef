/** Whether a model can draft for another: its token ids must mean the same. */
import { fail } from "../../core/index.ts";
import type { TextTokenizer } from "../../llm/index.ts";
import { loadFacts, type ModelFacts } from "../load-model.ts";
import type { EngineOptions } from "../types.ts";

/** Families add special tokens at the end of a shared vocabulary: so much of the larger one must be shared. */
const LEAST_SHARED = 0.9;

/** The first id that does not mean the same to both, among those that both have; null when all do. */
export function firstDifference(a: TextTokenizer, b: TextTokenizer): number | null {
  const shared = Math.min(a.vocabSize, b.vocabSize);
  if (shared < LEAST_SHARED * Math.max(a.vocabSize, b.vocabSize)) return shared;
  for (let id = 0; id < shared; id++) {
    const [one, other] = [a.pieceBytes(id), b.pieceBytes(id)];
    if (a.isSpecial(id) !== b.isSpecial(id) || one.length !== other.length) return id;
    for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return id;
  }
  return null;
}

/**
 * Reads the vocabularies of an engine's model and of the model that drafts for it, where there is one, and compares them.
 * @param known of the engine's model, where it has been read already
 * @returns what is known of the engine's model then
 * @throws PunctualError invalid_request naming the first token that differs; as `loadFacts` does.
 */
export async function checkDraftVocabulary(
  options: EngineOptions,
  known?: ModelFacts,
): Promise<ModelFacts | undefined> {
  const { model, method } = options.speculation ?? {};
  if (method !== "draft" || model === undefined) return known;
  const facts = known ?? (await loadFacts(options.model));
  const id = firstDifference(facts.tokenizer, (await loadFacts(model)).tokenizer);
  if (id === null) return facts;
  return fail("invalid_request", `speculation.model: expected the engine's vocabulary, but token ${id} is another`, {
    param: "speculation.model",
  });
}
