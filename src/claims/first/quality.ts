/** Claim 25, quality: every item of the test split to every arm, greedily, each arm by the engine with its own low-rank weights. */
import { createRandom, quantile } from "../../core/index.ts";
import { askRouted, unifiedMask, type RoutedAnswer } from "../../fit/index.ts";
import { DEFAULT_PROTECTED, isRoutable } from "../../llm/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { decide } from "../statistics.ts";
import { influentialLayers } from "./influence.ts";
import { chatTokenizer, type Subject } from "./subject.ts";

/** Lines, and the answers of the routed arm. */
export interface Quality {
  readonly lines: readonly Measured[];
  readonly routed: readonly RoutedAnswer[];
}

type How = Parameters<typeof askRouted>[3];
const RESAMPLES = 2000;

const shareOf = (answers: readonly RoutedAnswer[]): number =>
  answers.filter(({ right }) => right).length / answers.length;

/** 95 % interval of a statistic of two paired sets of answers, items drawn with replacement. */
function pairedInterval(
  ours: readonly RoutedAnswer[],
  theirs: readonly RoutedAnswer[],
  statistic: (ours: number, theirs: number) => number,
): [number, number] {
  const random = createRandom(25, "paired");
  const found: number[] = [];
  for (let i = 0; i < RESAMPLES; i++) {
    let [a, b] = [0, 0];
    for (let j = 0; j < ours.length; j++) {
      const at = random.int(0, ours.length - 1);
      a += ours[at]!.right ? 1 : 0;
      b += theirs[at]!.right ? 1 : 0;
    }
    found.push(statistic(a / ours.length, b / ours.length));
  }
  return [quantile(found, 0.025), quantile(found, 0.975)];
}

/** Ways to choose as many layers for an item. */
const WAYS = ["unified", "random", "shortgpt"] as const;

/**
 * Asks all arms. Ours is what routers choose; layers that they leave out are counted over all answers, and the other ways leave out
 * as many for each. What the same routers give when each answer must keep as many is published beside.
 */
export async function measureQuality(context: ClaimContext, subject: Subject): Promise<Quality> {
  const { items, kept, layers } = subject;
  const every = Array.from({ length: layers }, (_, layer) => layer);
  const unified = unifiedMask(layers, kept);
  const random = createRandom(context.seed, "random layers");
  const drawn = items.map(() => randomLayers(layers, kept, random.fork(`${random.uint32()}`)));
  const ways: Readonly<Record<(typeof WAYS)[number], How>> = {
    unified: { keepLayers: every.filter((layer) => unified[layer] === 1) },
    random: (i) => ({ keepLayers: drawn[i]! }),
    shortgpt: { keepLayers: await influentialLayers(subject) },
  };
  const share = { compute: kept / layers };
  const auto = { compute: "auto" } as const;
  const ask = (arm: Arm, hows: readonly How[]): Promise<RoutedAnswer[][]> => askArm(context, subject, arm, hows);
  const [routed, shared, full] = await ask("routes", [auto, share, { compute: "full" }]);
  const [adapted] = await ask("lora-only", [{ keepLayers: every }]);
  const [alone, ...bare] = await ask("alone", [auto, ...WAYS.map((way) => ways[way])]);
  const isFair = meanKept(routed!, layers) <= kept;
  const lines = [
    ratioLine(
      "quality as routers choose, of the full model with low-rank weights",
      routed!,
      adapted!,
      0.98,
      `right answers, whole and exact; ${layersNote(routed!, layers)}`,
    ),
    ratioLine(
      `quality at ${kept} of ${layers} layers for every answer, of the full model with low-rank weights`,
      shared!,
      adapted!,
      null,
      "a prompt that needs more gets no more, one that needs less no less",
    ),
    ratioLine(
      "quality of the full model, of the full model with low-rank weights",
      full!,
      adapted!,
      null,
      "what low-rank weights alone are worth",
    ),
  ];
  for (const [i, way] of WAYS.entries()) {
    const [answers] = await ask(way, [ways[way]]);
    lines.push(
      differenceLine(
        `right answers more than ${way}, ${kept} of ${layers} layers`,
        routed!,
        answers!,
        `both with low-rank weights trained as long on the same examples; ${layersNote(routed!, layers)}`,
        isFair,
      ),
      differenceLine(
        `the same before low-rank weights, more than ${way}`,
        alone!,
        bare[i]!,
        "the choice of layers alone, the model's own weights",
        isFair,
      ),
    );
  }
  return { lines, routed: routed! };
}

type Arm = Parameters<Subject["routesOf"]>[0];

/** One engine, every item asked in each of these ways. */
async function askArm(
  context: ClaimContext,
  subject: Subject,
  arm: Arm,
  hows: readonly How[],
): Promise<RoutedAnswer[][]> {
  context.progress(`quality: ${arm}`);
  await using engine = await subject.start(subject.routesOf(arm));
  const tokenizer = chatTokenizer(engine.tokenizer);
  const answers: RoutedAnswer[][] = [];
  for (const how of hows) answers.push(await askRouted(engine, tokenizer, subject.items, how));
  return answers;
}

function randomLayers(layers: number, kept: number, random: ReturnType<typeof createRandom>): number[] {
  const free = Array.from({ length: layers }, (_, layer) => layer).filter((layer) => isFree(layers, layer));
  const ranks = new Map(free.map((layer) => [layer, random.uniform()]));
  const chosen = free
    .toSorted((a, b) => ranks.get(a)! - ranks.get(b)!)
    .slice(0, Math.max(0, kept - (layers - free.length)));
  return Array.from({ length: layers }, (_, layer) => layer).filter(
    (layer) => !isFree(layers, layer) || chosen.includes(layer),
  );
}

function isFree(layers: number, layer: number): boolean {
  return isRoutable({ layers } as Parameters<typeof isRoutable>[0], DEFAULT_PROTECTED, layer);
}

function meanKept(answers: readonly RoutedAnswer[], layers: number): number {
  return layers - answers.reduce((sum, { skipped }) => sum + skipped.length, 0) / answers.length;
}

function layersNote(answers: readonly RoutedAnswer[], layers: number): string {
  return `ours keep ${meanKept(answers, layers).toFixed(2)} of ${layers} layers on average`;
}

function ratioLine(
  metric: string,
  ours: readonly RoutedAnswer[],
  theirs: readonly RoutedAnswer[],
  target: number | null,
  note: string,
): Measured {
  const floor = 1 / (2 * ours.length); // a smoke model is never right
  const statistic = (a: number, b: number): number => Math.max(a, floor) / Math.max(b, floor);
  const interval95 = pairedInterval(ours, theirs, statistic);
  return {
    metric,
    unit: "share right",
    better: "higher",
    ours: shareOf(ours),
    baseline: shareOf(theirs),
    ratio: statistic(shareOf(ours), shareOf(theirs)),
    target,
    target_on: "ratio",
    samples: ours.length,
    interval95,
    holds: target === null ? null : decide(interval95, target, "higher"),
    kind: "trained",
    paper_says: null,
    note,
  };
}

function differenceLine(
  metric: string,
  ours: readonly RoutedAnswer[],
  theirs: readonly RoutedAnswer[],
  note: string,
  isFair: boolean,
): Measured {
  const interval95 = pairedInterval(ours, theirs, (a, b) => a - b);
  const [low, high] = interval95;
  return {
    metric,
    unit: "share",
    better: "higher",
    ours: shareOf(ours) - shareOf(theirs),
    baseline: null,
    ratio: null,
    target: 0,
    target_on: "ours",
    samples: ours.length,
    interval95,
    // Who keeps more layers proves nothing by being better.
    holds: low > 0 && isFair ? true : high <= 0 ? false : null,
    kind: "trained",
    paper_says: "better than other layer selection strategies",
    note: `${shareOf(ours).toFixed(3)} against ${shareOf(theirs).toFixed(3)}; ${note}`,
  };
}
