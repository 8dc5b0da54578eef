/** Claim `structured-output`: the lines about generated schemas: our texts through the whole engine, the rival's by random tokens. */
import type { Measured } from "../framework.ts";
import { exact } from "../statistics.ts";
import type { Rival } from "./rival.ts";
import type { Run } from "./run.ts";
import { generatedSchemas } from "./schemas.ts";
import { textsOfEngine } from "./validity.ts";

const EXAMPLES = 3;
/** What the judge says, without places and numbers. */
const kindOf = (fault: string): string =>
  fault
    .replace(/^data\S* /, "")
    .replaceAll(/\d+/g, "N")
    .slice(0, 60);

/** Faults by kind, most frequent first. */
function faultTable(faults: readonly string[]): Record<string, string | number>[] {
  const counts = new Map<string, number>();
  for (const fault of faults) counts.set(kindOf(fault), (counts.get(kindOf(fault)) ?? 0) + 1);
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([fault, texts]) => ({ fault: fault.replaceAll("|", "\\|"), texts }));
}

/** Every schema on both sides; `small` has the vocabulary of bytes, over which the same language is found faster. */
export async function validityLines({ context, size, vocabulary }: Run, small: Rival): Promise<Measured[]> {
  const schemas = generatedSchemas(size.schemas, context.seed);
  context.progress(`structured output: ${schemas.length} generated schemas through the engine`);
  const ours = await textsOfEngine(schemas, vocabulary, { seed: context.seed, maxTokens: size.maxTokens });
  const ourFaults = (await small.judge(schemas, ours)).flatMap((fault) => (fault === null ? [] : [fault]));
  context.progress(`structured output: ${schemas.length} generated schemas through web-xgrammar`);
  const theirs = await small.texts(schemas, context.seed, size.maxTokens);
  const theirFaults = await small.judge(
    schemas,
    theirs.map((one) => ("text" in one ? one.text : "null")),
  );
  const taken = theirs.flatMap((one, i) => ("text" in one ? [theirFaults[i]!] : []));
  const refused = theirs.flatMap((one) => ("refused" in one ? [one.refused] : []));
  const bad = taken.filter((fault) => fault !== null);
  const text = { unit: "of 1", better: "higher", kind: "live" } as const;
  const shown = ourFaults.slice(0, EXAMPLES).join("; ");
  return [
    exact(
      {
        ...text,
        metric: "generated schemas whose text parses and validates",
        note:
          `one text each through the whole engine, random weights with a habit of closing what is open, six ways of sampling; judged ` +
          `by ajv with ajv-formats; none is refused${shown === "" ? "" : `; faults: ${shown}`}`,
      },
      (schemas.length - ourFaults.length) / schemas.length,
      1,
      schemas.length,
    ),
    exact(
      {
        ...text,
        metric: "the same schemas by web-xgrammar: taken, and its text parses and validates",
        note: `random allowed tokens; ${refused.length} schemas are refused, which aborts its WebAssembly instance; ${bad.length} texts of ${taken.length} are invalid`,
        curve: [...faultTable(bad), ...faultTable(refused.map((why) => `refused: ${why}`))],
      },
      (taken.length - bad.length) / schemas.length,
      null,
      schemas.length,
    ),
  ];
}
