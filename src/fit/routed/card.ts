/** The card of the routed model. Markdown. */
import { countParameters, type DecoderConfig } from "../../llm/index.ts";
import type { RouteScores } from "../routes/scores.ts";
import type { TaskScore } from "./score.ts";

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** @param tasks on the test split, by an engine @param scores on the validation split, with baselines */
export function renderRoutedCard(config: DecoderConfig, tasks: readonly TaskScore[], scores: RouteScores): string {
  const rows = tasks.map(
    ({ name, items, share, interval95: [low, high], layers }) =>
      `| ${name} | ${items} | ${percent(share)} | ${percent(low)} to ${percent(high)} | ${percent(layers)} |`,
  );
  const arms = scores.arms.map(
    ({ name, exact, layers, loss }) => `| ${name} | ${percent(exact)} | ${percent(layers)} | ${loss.toFixed(3)} |`,
  );
  return `# punctual-routed

A decoder of ${config.layers} layers for six small tasks (copy, reverse, sort, modular arithmetic, translation into a language nobody
speaks, extraction), and routers that decide from each prompt which layers its answer leaves out.

| | |
|---|---|
| Parameters | ${countParameters(config).toLocaleString("en")} (hidden ${config.hidden}, ${config.heads} query and ${config.kvHeads} key heads of ${config.headDim}, feed-forward ${config.ffn}) |
| Routes | \`routes/\`: routers, and low-rank weights for answers that leave layers out; \`routes/baselines/\`: what they are compared with |
| Recipe | \`punctual train routed\` |

Ask it as in its training: \`reverse: sun red dog\`, \`sort: d b a\`, \`mod 7: 3+5*2\`, \`translate: the old dog sees the map\`,
\`extract city pet: name ana, city oslo, pet cat, …\`. Say \`compute\` in the request: "full", "auto", or a share of the layers.

## Test split, greedy, by the engine

| Task, compute | Items | Right | 95 % interval | Layers of answers |
|---|---|---|---|---|
${rows.join("\n")}

## Validation split, with baselines trained as long

| | Right | Layers | Nats per token |
|---|---|---|---|
${arms.join("\n")}

It knows its tasks and their words, and nothing else.
`;
}
