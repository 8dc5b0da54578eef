/** The card of a model: what it is, how it was made, what it scored, what it can and cannot do. Markdown. */
import type { SetScore } from "./evaluate.ts";
import type { LogEnd, LogHeader } from "./train-log.ts";
import type { DecoderRecipe } from "./types.ts";

export interface CardFacts {
  readonly recipe: DecoderRecipe;
  /** Of the first plan and of the refinements, in order. */
  readonly headers: readonly LogHeader[];
  /** Of the same plans. */
  readonly ends: readonly LogEnd[];
  /** Bytes of model.safetensors. */
  readonly fileBytes: number;
  readonly scores: readonly SetScore[];
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function scoreRow({ name, items, share, interval95: [low, high] }: SetScore): string {
  return `| ${name} | ${items} | ${percent(share)} | ${percent(low)} to ${percent(high)} |`;
}

const RELIABLE = 0.9;

function listOf(scores: readonly SetScore[], reliable: boolean): string {
  const names = scores.filter(({ interval95: [low] }) => low >= RELIABLE === reliable).map(({ name }) => name);
  return names.length === 0 ? "nothing" : names.join(", ");
}

/** Kinds of items that it gets wrong more often than one time in ten. */
function weakKinds(scores: readonly SetScore[]): string[] {
  return scores.flatMap(({ name, kinds }) =>
    Object.entries(kinds)
      .filter(([, { share, items }]) => share < 0.9 && items >= 20)
      .map(([kind, { share, items }]) => `- ${name}, ${kind}: ${percent(share)} of ${items}`),
  );
}

/** The Markdown of card.md. Kinds below nine in ten correct are listed as weak, from 20 items of the kind on. */
export function renderCard({ recipe, headers, ends, fileBytes, scores }: CardFacts): string {
  const header = headers[0]!;
  const told = (of: (header: LogHeader) => string): string => [...new Set(headers.map(of))].join(" and ");
  const { config } = recipe;
  const weak = weakKinds(scores);
  const sum = (of: (end: LogEnd) => number): number => ends.reduce((total, end) => total + of(end), 0);
  const minutes = (sum(({ trainingSeconds }) => trainingSeconds) / 60).toFixed(0);
  const steps = ends.map(({ stepsTaken }) => stepsTaken.toLocaleString("en")).join(" and ");
  return `# ${recipe.name}

${recipe.summary}

| | |
|---|---|
| Parameters | ${header.parameters.toLocaleString("en")} (${config.layers} layers, hidden ${config.hidden}, ${config.heads} query and ${config.kvHeads} key heads of ${config.headDim}, feed-forward ${config.ffn}, tied embeddings) |
| Vocabulary | ${config.vocabSize} byte-level pieces, digits single; shared by the family |
| Context | ${config.maxPositions} tokens |
| File | model.safetensors, half precision, ${(fileBytes / 2 ** 20).toFixed(1)} MiB |
| Recipe | \`punctual train ${recipe.name}\`, ${headers.length > 1 ? "seeds" : "seed"} ${told(({ seed }) => `${seed}`)}, identity ${told(({ identity }) => identity)} |
| Training | ${steps} steps, ${(sum(({ tokens }) => tokens) / 1e6).toFixed(1)} M tokens, ${minutes} minutes on ${header.machine.cores} cores (${header.machine.cpu}), shared with other work |
| Source | ${told(({ revision }) => revision ?? "not recorded")} |

## Scores on the test split

Sentence frames and entities of the test split are in no training item; numbers of its arithmetic lie in withheld
bands. Replies are greedy, graded exactly, weights as in the file; intervals are 95 % after Wilson.

| Skill | Items | Correct | 95 % interval |
|---|---|---|---|
${scores.map(scoreRow).join("\n")}

## What it can do

It speaks the English of one small household-and-shop world. Sums show their steps, and questions over a given text show the line that
tells, word for word, before the answer. On frames, entities and numbers it has not met it is reliable
(lower end of the interval at ${percent(RELIABLE)} or more) at: ${listOf(scores, true)}.

## What it cannot do

Not reliable on new frames, entities and numbers: ${listOf(scores, false)}. It knows nothing about the world beyond its
generator, does not follow instructions about style or format, does not write prose or code, and has not seen other
languages. Numbers beyond a thousand, chains of more than three operations and prompts longer than
${config.maxPositions} tokens are outside its training.
${weak.length === 0 ? "" : `\nKinds of test items that it gets wrong more often than one time in ten:\n\n${weak.join("\n")}\n`}`;
}
