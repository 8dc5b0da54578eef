/** What an engine says that nobody disturbs: the text that every answer of a fleet is held against. */
import { startTestServer } from "../support/engine.ts";
import { askWhole, type Asked } from "./answers.ts";
import { MODEL } from "./test-fleet.ts";

/** The answers of a lone engine over that model folder, in order. */
export async function rightAnswers(modelDir: string, asked: readonly Asked[]): Promise<readonly string[]> {
  const lone = await startTestServer({ model: { dir: modelDir }, name: MODEL, kvPages: 4096, threads: 1, exact: true });
  try {
    const texts: string[] = [];
    for (const one of asked) {
      const answer = await askWhole(lone.url, one);
      if (answer?.status !== 200) throw new Error(`a lone engine answered ${JSON.stringify(answer)}`);
      texts.push(answer.text);
    }
    return texts;
  } finally {
    await lone.stop();
  }
}

/** A request of so many tokens; equal seeds are equal requests but for their ids. */
export function question(id: string, seed = 1, maxTokens = 2500): Asked {
  return { id, model: MODEL, prompt: `What is ${seed} plus ${seed}?`, seed, maxTokens };
}
