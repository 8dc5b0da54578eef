/** Strict graders: a reply is right or wrong, and a wrong one says why. Also the interval of a score. */
import { assert } from "../core/index.ts";
import { REFUSAL_PREFIX } from "./refusal.ts";
import { writeCall } from "./tools.ts";
import type { Expectation, Grade, Reply, WorldItem } from "./types.ts";

const RIGHT: Grade = { correct: true };
const wrong = (reason: string): Grade => ({ correct: false, reason });

/** Lower case, single spaces, no marks at the edges of words; `$12` and `9:30` stay whole. */
export function normalise(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[’‘]/gu, "'")
    .split(/\s+/u)
    .map((word) => word.replaceAll(/^[^\p{L}\p{N}$]+|[^\p{L}\p{N}]+$/gu, ""))
    .filter((word) => word !== "")
    .join(" ");
}

/** True when the normalised phrase stands in the normalised text as whole words. */
function holds(text: string, phrase: string): boolean {
  return ` ${text} `.includes(` ${normalise(phrase)} `);
}

function gradeNumber(value: number, reply: Reply): Grade {
  const numbers = reply.text.match(/-?\d+(?:\.\d+)?/gu) ?? [];
  const different = new Set(numbers);
  if (different.size === 0) return wrong("no number in the reply");
  if (different.size > 1) return wrong("more than one number in the reply");
  return Number(numbers[0]) === value ? RIGHT : wrong(`expected ${value}, got ${numbers[0]}`);
}

function gradeText(expect: Extract<Expectation, { kind: "text" }>, reply: Reply): Grade {
  const text = normalise(reply.text);
  // The right value may be a word of a wrong one ("clock", "alarm clock") …
  const longer = expect.rejected.find(
    (phrase) => holds(text, phrase) && expect.accepted.some((right) => holds(normalise(phrase), right)),
  );
  if (longer !== undefined) return wrong(`says ${JSON.stringify(longer)}`);
  const accepted = expect.accepted.find((phrase) => holds(text, phrase));
  if (accepted === undefined) return wrong(`expected one of ${JSON.stringify(expect.accepted)}`);
  // … and the other way round: only what is left without the right one counts against the reply.
  const rest = ` ${text} `.replaceAll(` ${normalise(accepted)} `, " | ");
  const named = expect.rejected.find((phrase) => rest.includes(` ${normalise(phrase)} `));
  return named === undefined ? RIGHT : wrong(`also says ${JSON.stringify(named)}`);
}

/** Grades the reply to the last turn of an item. */
export function grade(item: WorldItem, reply: Reply): Grade {
  const { expect } = item;
  if (expect.kind === "call") {
    if (reply.call === undefined) return wrong("no call");
    const [expected, got] = [writeCall(expect.call), writeCall(reply.call)];
    return expected === got ? RIGHT : wrong(`expected ${expected}, got ${got}`);
  }
  if (reply.call !== undefined) return wrong("an unasked call");
  const refused = normalise(reply.text).startsWith(normalise(REFUSAL_PREFIX));
  if (expect.kind === "refusal") return refused ? RIGHT : wrong("not a refusal");
  if (refused) return wrong("a refusal");
  return expect.kind === "number" ? gradeNumber(expect.value, reply) : gradeText(expect, reply);
}

/** Wilson's 95 % interval of a proportion (Wilson 1927): [low, high]. */
export function interval95(correct: number, total: number): readonly [number, number] {
  assert(total > 0 && correct >= 0 && correct <= total, "0 <= correct <= total, total > 0");
  const z = 1.959963984540054;
  const p = correct / total;
  const centre = p + (z * z) / (2 * total);
  const spread = z * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total));
  const scale = 1 + (z * z) / total;
  return [Math.max(0, (centre - spread) / scale), Math.min(1, (centre + spread) / scale)];
}
