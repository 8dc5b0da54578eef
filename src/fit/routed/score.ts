/** The routed model on its test split: by an engine, as it is served, in full and by its routes. */
import { chatPrompt, type Compute, type Tokenizer } from "../../llm/index.ts";
import { shareOf, type Share } from "../../recipes/index.ts";
import { Engine } from "../../runtime/index.ts";
import { routedItems } from "./examples.ts";
import { ROUTED_TASKS, type RoutedItem, type RoutedTask } from "./tasks.ts";

const SEED = 1;
const PER_TASK = 200;
const MAX_TOKENS = 28;

/** How one task went by one measure of compute. */
export interface TaskScore extends Share {
  readonly name: string;
  readonly kinds: Readonly<Record<string, Share>>;
  /** Mean share of layers that answers went through. */
  readonly layers: number;
}

/** An answer of the routed model. */
export interface RoutedAnswer {
  readonly right: boolean;
  /** Layers left out. */
  readonly skipped: readonly number[];
}

/** Asks every item of an engine, greedily, all at once. */
export function askRouted(
  engine: Engine,
  tokenizer: Tokenizer,
  items: readonly RoutedItem[],
  how:
    | { readonly compute?: Compute; readonly keepLayers?: readonly number[] }
    | ((i: number) => { readonly keepLayers: readonly number[] }),
): Promise<RoutedAnswer[]> {
  return Promise.all(
    items.map(async ({ prompt, answer }, i): Promise<RoutedAnswer> => {
      const request = {
        promptTokens: chatPrompt(tokenizer, [{ role: "user", text: prompt }]),
        maxTokens: MAX_TOKENS,
        sampling: { temperature: 0 },
        ...(typeof how === "function" ? how(i) : how),
      };
      let text = "";
      let skipped: readonly number[] = [];
      for await (const event of engine.submit(request)) {
        text += event.text;
        if (event.kind === "finish") skipped = event.usage.route?.skipped ?? [];
      }
      return { right: text.trim() === answer, skipped };
    }),
  );
}

/** Scores of the folder's model, full and by its routes. */
export async function scoreTasks(dir: string, tokenizer: Tokenizer): Promise<TaskScore[]> {
  await using engine = await Engine.start({
    model: { dir },
    name: "routed",
    exact: true,
    maxWaiting: 10_000,
    budgetTokens: 256,
  });
  const items = routedItems("test", PER_TASK, SEED);
  const scores: TaskScore[] = [];
  for (const compute of ["full", "auto"] as const) {
    const answers = await askRouted(engine, tokenizer, items, { compute });
    for (const task of ROUTED_TASKS) scores.push(scoreOf(task, compute, items, answers, engine.config.layers));
  }
  return scores;
}

function scoreOf(
  task: RoutedTask,
  compute: string,
  items: readonly RoutedItem[],
  answers: readonly RoutedAnswer[],
  layers: number,
): TaskScore {
  const own = answers.filter((_, i) => items[i]!.task === task);
  const skipped = own.reduce((sum, answer) => sum + answer.skipped.length, 0) / Math.max(1, own.length);
  const share = shareOf(own.filter(({ right }) => right).length, own.length);
  return { name: `${task}, ${compute}`, ...share, kinds: {}, layers: 1 - skipped / layers };
}
