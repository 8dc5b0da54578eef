/** The card of fitted heads: what they are, how they were made, how often they are right. Markdown. */
import type { HeadsConfig } from "../../llm/index.ts";
import type { LogHeader } from "../../recipes/index.ts";
import type { HeldOutAcceptance } from "./places.ts";
import type { HeadsPlan } from "./plan.ts";

/** What a card tells. */
export interface HeadsCardFacts {
  readonly model: string;
  readonly config: HeadsConfig;
  readonly plan: HeadsPlan;
  readonly data: string;
  readonly acceptance: HeldOutAcceptance;
  readonly header: LogHeader;
  readonly seconds: number;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** The Markdown of heads.md. */
export function renderHeadsCard({ model, config, plan, data, acceptance, header, seconds }: HeadsCardFacts): string {
  const { hidden, width, draftedTokens, vocabSize } = config;
  const { byPlace, acceptanceLength, drafts } = acceptance;
  return `# Draft heads of ${model}

They guess the next tokens of ${model} from its own last state, so that it can check several in one step. What it says does not change.

| | |
|---|---|
| Parameters | ${header.parameters.toLocaleString("en")} (one recurrent cell of width ${width} over states of ${hidden}; table and head are the model's) |
| Tokens that can be drafted | ${draftedTokens} of ${vocabSize} |
| Data | ${data}; the model's own next tokens along these texts, read with ${plan.weights} weights |
| Training | ${plan.steps.toLocaleString("en")} steps of ${plan.drafts} drafts, ${plan.places} places each, seed ${plan.seed}, ${(seconds / 60).toFixed(1)} minutes with ${header.machine.threads} threads (${header.machine.cpu}) |
| Identity | ${header.identity} |
| Source | ${header.revision ?? "not recorded"} |

## Acceptance on held-out texts

Greedy drafts against what the model says, over ${drafts.toLocaleString("en")} places of texts that were not trained on. A place counts where all before it were right.

| Place | Right |
|---|---|
${byPlace.map((share, i) => `| ${i + 1} | ${percent(share)} |`).join("\n")}

With ${plan.places} drafted tokens a step says ${acceptanceLength.toFixed(2)} on average.
`;
}
