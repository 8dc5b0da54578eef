/** Every order of messages, losses, duplicates and deaths of a migration, on small cases. */
import { describe, expect, test } from "vitest";
import { explore } from "./explore.conformance.ts";
import type { Case, Party } from "./world.conformance.ts";

const QUIET: Case = {
  mode: "live",
  growing: false,
  tokens: 2,
  promptPages: 2,
  maxStages: 3,
  lastStagePages: 1,
  unbounded: false,
  drops: 0,
  duplicates: 0,
  crashes: 0,
  mayCrash: [],
  suspicions: 0,
  refusals: 0,
  cancels: 0,
  acknowledges: true,
  timers: 0,
  spare: true,
};
const GROWING: Partial<Case> = { mode: "hand-over", growing: true };
const ANYBODY: readonly Party[] = ["source", "target", "router"];
/** More of everything, for `npm run test:slow`. */
const isThorough = process.env["MIGRATIONS"] !== undefined;

/** What may happen, and in which ways it may end. */
const QUICK: readonly (readonly [string, Partial<Case>, readonly string[]])[] = [
  ["nothing unusual", {}, ["finished"]],
  ["nothing is acknowledged", { acknowledges: false }, ["finished"]],
  ["somebody dies", { crashes: 1, mayCrash: ANYBODY }, ["finished", "no router"]],
  [
    "somebody dies, nobody is left",
    { crashes: 1, mayCrash: ["source", "target"], spare: false },
    ["failed", "finished"],
  ],
  ["a message is lost", { drops: 1 }, ["finished"]],
  ["no room, broken links, preemptions", { refusals: 1 }, ["finished"]],
  [
    "everything may come again, ever so late",
    { unbounded: true, crashes: 1, mayCrash: ["source", "target"] },
    ["finished"],
  ],
  ["everything may come again, and the client may leave", { unbounded: true, cancels: 1 }, ["cancelled", "finished"]],
  ["standing still", { mode: "blocking", crashes: 1, mayCrash: ["source", "target"] }, ["finished"]],
  ["computed again", { mode: "recompute", crashes: 1, mayCrash: ["source", "target"] }, ["finished"]],
  ["handed over", { mode: "hand-over", crashes: 1, mayCrash: ["source", "target"] }, ["finished"]],
  ["handed over, no room", { mode: "hand-over", refusals: 1, drops: 1 }, ["finished"]],
  ["handed over page by page", { ...GROWING, crashes: 1, mayCrash: ["source", "target"] }, ["finished"]],
  ["handed over page by page, no room, broken pulls, a loss", { ...GROWING, refusals: 1, drops: 1 }, ["finished"]],
  [
    "handed over page by page, everything comes again, the client may leave",
    { ...GROWING, unbounded: true, cancels: 1 },
    ["cancelled", "finished"],
  ],
];

const SLOW: readonly (readonly [string, Partial<Case>, readonly string[]])[] = [
  ["a timer goes off early", { timers: 1, acknowledges: false }, ["finished"]],
  ["a message comes twice", { duplicates: 1 }, ["finished"]],
  ["the client leaves", { cancels: 1 }, ["cancelled", "finished"]],
  ["the living are taken for dead", { suspicions: 1 }, ["finished"]],
  ["dead source, early timer", { timers: 1, crashes: 1, mayCrash: ["source"] }, ["finished"]],
  ["dead target, early timer", { timers: 1, crashes: 1, mayCrash: ["target"] }, ["finished"]],
  ["two of them die", { crashes: 2, mayCrash: ANYBODY }, ["finished", "no router"]],
  ["a death and a loss", { crashes: 1, mayCrash: ["source", "target"], drops: 1 }, ["finished"]],
  [
    "a death, and the client leaves",
    { cancels: 1, crashes: 1, mayCrash: ANYBODY },
    ["cancelled", "finished", "no router"],
  ],
  ["no room and a loss", { refusals: 1, drops: 1 }, ["finished"]],
  [
    "handed over, early timer",
    { mode: "hand-over", timers: 1, crashes: 1, mayCrash: ANYBODY },
    ["finished", "no router"],
  ],
  [
    "handed over page by page, early timer",
    { ...GROWING, timers: 1, crashes: 1, mayCrash: ANYBODY },
    ["finished", "no router"],
  ],
  ["handed over page by page, a suspicion", { ...GROWING, suspicions: 1 }, ["finished"]],
  ["handed over page by page, longer", { ...GROWING, promptPages: 3, drops: 1, acknowledges: false }, ["finished"]],
  ["computed again, loss, early timer", { mode: "recompute", timers: 1, drops: 1 }, ["finished"]],
  ["longer", { tokens: 3, drops: 1, acknowledges: false }, ["finished"]],
  [
    "again and late, a death, a suspicion",
    { unbounded: true, crashes: 1, mayCrash: ANYBODY, suspicions: 1 },
    ["finished", "no router"],
  ],
];

describe("every order of events", () => {
  test.each(isThorough ? [...QUICK, ...SLOW] : QUICK)(
    "%s",
    (_, over, ends) => {
      const seen = explore({ ...QUIET, ...over }, 5_000_000);
      expect(Object.keys(seen.ends).toSorted()).toEqual(ends);
      expect(seen.worlds).toBeGreaterThan(300);
    },
    1_200_000,
  );
});
