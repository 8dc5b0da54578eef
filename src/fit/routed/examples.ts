/** The tasks of the routed model as examples to fit on. */
import { createRandom, type RandomStream } from "../../core/index.ts";
import type { Tokenizer } from "../../llm/index.ts";
import type { Example, ExampleSource } from "../examples.ts";
import { drawTask, encodeRouted } from "./base.ts";
import { ROUTED_TASKS, routedItem, type RoutedItem, type RoutedSplit, type RoutedTask } from "./tasks.ts";

const HELD_OUT_SEED = 4711;
/** All tasks alike: what routes are for. */
const EVEN: Readonly<Record<RoutedTask, number>> = {
  copy: 1,
  reverse: 1,
  sort: 1,
  modular: 1,
  translate: 1,
  extract: 1,
};

/** Examples of the training split; held out are those of the validation split, task after task. */
export function routedExamples(tokenizer: Tokenizer): ExampleSource {
  return {
    identity: "routed tasks",
    draw: (random: RandomStream): Example =>
      encodeRouted(tokenizer, routedItem(drawTask(EVEN, random), "train", random)),
    heldOut: (count) =>
      routedItems("validation", Math.ceil(count / ROUTED_TASKS.length), HELD_OUT_SEED)
        .slice(0, count)
        .map((item) => encodeRouted(tokenizer, item)),
  };
}

/** So many items of every task, in turn: the same for the same seed. */
export function routedItems(split: RoutedSplit, perTask: number, seed: number): RoutedItem[] {
  const streams = ROUTED_TASKS.map((task) => [task, createRandom(seed, `routed/${split}/${task}`)] as const);
  return Array.from({ length: perTask }).flatMap(() =>
    streams.map(([task, random]) => routedItem(task, split, random)),
  );
}
