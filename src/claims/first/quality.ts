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

/** Asks all arms. */
export async function measureQuality(context: ClaimContext, subject: Subject): Promise<Quality> {
  const { items, kept, layers } = subject;
  const every = Array.from({ length: layers }, (_, layer) => layer);
  const keptOf = (mask: ArrayLike<number>): number[] => every.filter((layer) => mask[layer] === 1);
  const askOf = async (arm: Parameters<Subject["routesOf"]>[0], how: How): Promise<RoutedAnswer[]> => {
    context.progress(`quality: ${arm}`);
    await using engine = await subject.start(subject.routesOf(arm));
    const tokenizer = chatTokenizer(engine.tokenizer);
    return await askRouted(engine, tokenizer, items, how);
  };
  const routed = await askOf("routes", { compute: kept / layers });
  const free = await askOf("routes", { compute: "auto" });
  const full = await askOf("routes", { compute: "full" });
  const adapted = await askOf("lora-only", { keepLayers: every });
  const random = createRandom(context.seed, "random layers");
  const drawn = items.map(() => randomLayers(layers, kept, random.fork(`${random.uint32()}`)));
  const baselines = {
    unified: await askOf("unified", { keepLayers: keptOf(unifiedMask(layers, kept)) }),
    random: await askOf("random", (i) => ({ keepLayers: drawn[i]! })),
    shortgpt: await askOf("shortgpt", { keepLayers: await influentialLayers(subject) }),
  };
  const lines = [
    ratioLine(
      "quality at equal depth cut, of the full model with low-rank weights",
      routed,
      adapted,
      0.98,
      "right answers, whole and exact",
    ),
    ratioLine(
      "quality where routers choose the depth, of the full model with low-rank weights",
      free,
      adapted,
      null,
      layersNote(free, layers),
    ),
    ratioLine(
      "quality of the full model, of the full model with low-rank weights",
      full,
      adapted,
      null,
      "what low-rank weights alone are worth",
    ),
    ...Object.entries(baselines).map(([name, answers]) => differenceLine(name, routed, answers, kept, layers)),
  ];
  return { lines, routed };
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

function layersNote(answers: readonly RoutedAnswer[], layers: number): string {
  const mean = answers.reduce((sum, { skipped }) => sum + skipped.length, 0) / answers.length / layers;
  return `${(mean * 100).toFixed(0)} % of the layers left out, as routers please`;
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
  name: string,
  ours: readonly RoutedAnswer[],
  theirs: readonly RoutedAnswer[],
  kept: number,
  layers: number,
): Measured {
  const interval95 = pairedInterval(ours, theirs, (a, b) => a - b);
  const [low, high] = interval95;
  return {
    metric: `right answers more than ${name}, ${kept} of ${layers} layers each`,
    unit: "share",
    better: "higher",
    ours: shareOf(ours) - shareOf(theirs),
    baseline: null,
    ratio: null,
    target: 0,
    target_on: "ours",
    samples: ours.length,
    interval95,
    holds: low > 0 ? true : high <= 0 ? false : null,
    kind: "trained",
    paper_says: "better than other layer selection strategies",
    note: `routes ${shareOf(ours).toFixed(3)}, ${name} ${shareOf(theirs).toFixed(3)}, both with low-rank weights trained as long on the same examples`,
  };
}
