/** Claim 25, adaptivity: whether masks differ more between tasks than within, by permutation of the tasks' names. */
import { createRandom } from "../../core/index.ts";
import type { RoutedAnswer } from "../../fit/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { exact } from "../statistics.ts";
import { taskNumber, type Subject } from "./subject.ts";

const PERMUTATIONS = { full: 2000, quick: 1000, smoke: 50 } as const;
const TARGET = 0.01;

/** One minus the share that two sets have in common; 0 for two empty ones. */
export function jaccardDistance(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  const both = [...a].filter((x) => b.has(x)).length;
  const either = a.size + b.size - both;
  return either === 0 ? 0 : 1 - both / either;
}

/** Mean distance between items of different groups less that within groups. @param distance row-major [n, n] */
export function separation(distance: Float64Array, groups: Int32Array): number {
  const n = groups.length;
  let [between, within, betweenPairs, withinPairs] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      if (groups[i] === groups[j]) {
        within += distance[i * n + j]!;
        withinPairs += 1;
      } else {
        between += distance[i * n + j]!;
        betweenPairs += 1;
      }
    }
  }
  return between / Math.max(1, betweenPairs) - within / Math.max(1, withinPairs);
}

/** Most items whose pairs are compared. */
const MOST = 240;

/** The permutation test over the routed answers. */
export function measureMasks(context: ClaimContext, { items }: Subject, routed: readonly RoutedAnswer[]): Measured[] {
  const n = Math.min(MOST, routed.length);
  const sets = routed.slice(0, n).map(({ skipped }) => new Set(skipped));
  const distance = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) distance[i * n + j] = jaccardDistance(sets[i]!, sets[j]!);
  const groups = Int32Array.from(items.slice(0, n), taskNumber);
  const found = separation(distance, groups);
  const random = createRandom(context.seed, "permutations");
  const permutations = PERMUTATIONS[context.mode];
  let asLarge = 0;
  for (let i = 0; i < permutations; i++) {
    const shuffled = groups.slice();
    for (let j = n - 1; j > 0; j--) {
      const k = random.int(0, j);
      [shuffled[j], shuffled[k]] = [shuffled[k]!, shuffled[j]!];
    }
    if (separation(distance, shuffled) >= found) asLarge += 1;
  }
  const kinds = new Set(sets.map((set) => [...set].join())).size;
  return [
    exact(
      {
        metric: "masks differ between tasks, p of a permutation test",
        unit: "p",
        better: "lower",
        kind: "trained",
        note: `mean Jaccard distance of what is left out is ${found.toFixed(3)} larger between tasks than within; ${kinds} masks over ${n} prompts`,
      },
      (asLarge + 1) / (permutations + 1),
      TARGET,
      n,
    ),
  ];
}
