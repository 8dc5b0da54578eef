/** The world: splits are disjoint, every statement in it is true, and graders are strict. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import {
  ENTITIES,
  evaluate,
  generateItem,
  generateMixture,
  grade,
  interval95,
  multiTurnItem,
  REFUSAL_PREFIX,
  SKILLS,
  TOOLS,
  TOPICS,
  WITHHELD_NUMBERS,
  writeCall,
  type Reply,
  type Skill,
  type Split,
  type WorldItem,
} from "./index.ts";
import { inReadingOrder, node, render, steps } from "./steps.ts";

const SAMPLES = 1500;

function sample(skill: Skill, split: Split, count = SAMPLES, seed = 5): WorldItem[] {
  const random = createRandom(seed, `${split}/${skill}`);
  return Array.from({ length: count }, () => generateItem(skill, split, random));
}

function replyOf(item: WorldItem): Reply {
  const { text, thinking, call } = item.turns.at(-1)!;
  return { text, ...(thinking === undefined ? {} : { thinking }), ...(call === undefined ? {} : { call }) };
}

/** What is asked, without case and marks: how we compare across splits. */
function asked(item: WorldItem): string {
  return item.turns
    .filter((turn) => turn.role !== "assistant")
    .map((turn) => `${turn.text}|${turn.context ?? ""}`.toLowerCase().replaceAll(/[^\p{L}\p{N}+*/:$-]/gu, ""))
    .join("|");
}

const SETS = new Map(
  SKILLS.map((skill) => [
    skill,
    // Commands have some twelve hundred frames: enough items that each is met.
    {
      train: sample(skill, "train", skill === "tool-call" ? 14_000 : 4000),
      validation: sample(skill, "validation", skill === "tool-call" ? 2000 : 200),
      test: sample(skill, "test"),
    },
  ]),
);

describe.each(SKILLS)("%s", (skill) => {
  const { train, validation, test } = SETS.get(skill)!;

  it("has at least 40 frames, a fifth of them held out", () => {
    const trainFrames = new Set(train.map((item) => item.template));
    const testFrames = new Set(test.map((item) => item.template));
    const validationFrames = new Set(validation.map((item) => item.template));
    // Frames that validation shares with training are training's.
    const heldOut = new Set([...testFrames, ...(skill === "tool-call" ? validationFrames : [])]);
    expect(trainFrames.size + heldOut.size).toBeGreaterThanOrEqual(40);
    expect(heldOut.size / (trainFrames.size + heldOut.size)).toBeGreaterThanOrEqual(0.18);
    expect([...heldOut].filter((frame) => trainFrames.has(frame))).toEqual([]);
    expect([...validationFrames].filter((frame) => testFrames.has(frame))).toEqual([]);
    if (skill === "tool-call") return; // validation has frames of its own
    // Composed chains are too many to have met them all.
    const listed = validation.filter(({ kind }) => !kind.includes("-then-"));
    expect(listed.filter(({ template }) => !trainFrames.has(template)).map(({ template }) => template)).toEqual([]);
  });

  it("never asks a test or validation question in training", () => {
    const seen = new Set(train.map(asked));
    expect(test.map(asked).filter((text) => seen.has(text))).toEqual([]);
    if (skill === "greeting" || skill === "help") return; // few texts: validation shares them
    expect(validation.map(asked).filter((text) => seen.has(text))).toEqual([]);
  });

  it("builds held-out frames from words that training frames of the skill use", () => {
    const words = (item: WorldItem): string[] =>
      item.template
        .replaceAll(/\{\w+\}/gu, " ")
        .toLowerCase()
        .match(/[\p{L}']+/gu) ?? [];
    const known = new Set(train.flatMap(words));
    expect([...new Set(test.flatMap(words))].filter((word) => !known.has(word))).toEqual([]);
  });

  it("accepts its own answers and refuses those of other questions", () => {
    for (const item of [...train.slice(0, 500), ...validation, ...test]) {
      expect({ item, grade: grade(item, replyOf(item)) }).toEqual({ item, grade: { correct: true } });
    }
    for (const [i, item] of test.entries()) {
      const other = SETS.get(SKILLS[(SKILLS.indexOf(skill) + 1 + (i % (SKILLS.length - 1))) % SKILLS.length]!)!.test[
        i
      ]!;
      // An answer of another skill may hold the right word or number by chance; a call or a refusal may not.
      if (item.expect.kind === "number" || item.expect.kind === "text") continue;
      expect(grade(item, replyOf(other)).correct).toBe(false);
    }
  });

  it("is the same for the same stream", () => {
    expect(sample(skill, "train", 50, 11)).toEqual(sample(skill, "train", 50, 11));
    expect(sample(skill, "train", 50, 11)).not.toEqual(sample(skill, "train", 50, 12));
  });
});

describe("numbers", () => {
  it.each(["arithmetic", "word-problem"] as const)(
    "of %s: training states no withheld one, each test item one",
    (skill) => {
      const stated = (item: WorldItem): boolean =>
        (item.turns[0]!.text.match(/\d+/gu) ?? []).some((digits) => WITHHELD_NUMBERS.has(Number(digits)));
      const { train, validation, test } = SETS.get(skill)!;
      expect(train.filter(stated)).toEqual([]);
      expect(validation.filter(stated)).toEqual([]);
      expect(test.filter((item) => !stated(item))).toEqual([]);
    },
  );

  it("every step that is thought is a true equation, and the last one is the answer", () => {
    for (const skill of ["arithmetic", "word-problem"] as const) {
      for (const item of [...SETS.get(skill)!.train.slice(0, 1500), ...SETS.get(skill)!.test]) {
        const { thinking } = item.turns.at(-1)!;
        for (const line of thinking!.split(";")) {
          const values = line.split("=").map(compute);
          expect({ line, values: new Set(values).size }).toEqual({ line, values: 1 });
        }
        if (item.expect.kind === "number") {
          expect(Number(thinking!.split("=").at(-1))).toBe(item.expect.value);
          expect(item.expect.value).toBeGreaterThanOrEqual(0);
        }
      }
    }
  });

  it("renders an expression so that reading it back gives its value", () => {
    const random = createRandom(3, "render");
    const signs = { "+": "+", "-": "-", "*": "*", "/": "/" };
    for (let i = 0; i < 500; i++) {
      const ops = ["+", "-", "*"] as const;
      const leaf = (): number => random.int(0, 30);
      const left = random.chance(0.5) ? leaf() : node(random.pick(ops), leaf(), leaf());
      const right = random.chance(0.5) ? leaf() : node(random.pick(ops), leaf(), leaf());
      const expression = node(random.pick(ops), left, right);
      expect(compute(render(expression, signs))).toBe(evaluate(expression));
    }
  });

  it("writes steps in the compact form", () => {
    expect(steps(node("+", 47, 38))).toBe("47+38=70+15=85");
    expect(steps(node("-", 585, 338))).toBe("585-338=285-38=255-8=247");
    expect(steps(node("*", 47, 12))).toBe("47*12=470+94=564");
    expect(steps(node("+", 12, node("*", 7, 3)))).toBe("7*3=21;12+21=30+3=33");
    expect(steps(node("/", 84, 7))).toBe("84/7=12");
    expect(inReadingOrder(node("+", 9, 5), "Add {b} to {a}.", { a: 9, b: 5 })).toEqual(node("+", 5, 9));
  });
});

/** A second evaluator, by precedence climbing over characters: the oracle of `steps` and `render`. */
function compute(text: string): number {
  let at = 0;
  const atom = (): number => {
    if (text[at] === "(") {
      at += 1;
      const inner = sum();
      at += 1;
      return inner;
    }
    const digits = /^-?\d+/u.exec(text.slice(at))![0];
    at += digits.length;
    return Number(digits);
  };
  const product = (): number => {
    let value = atom();
    while (text[at] === "*" || text[at] === "/") value = text[at++] === "*" ? value * atom() : value / atom();
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (text[at] === "+" || text[at] === "-") value = text[at++] === "+" ? value + product() : value - product();
    return value;
  };
  return sum();
}

describe("entities", () => {
  it("are many, different, and divided", () => {
    const all = Object.values(ENTITIES);
    for (const { train, test } of all) {
      expect(new Set([...train, ...test]).size).toBe(train.length + test.length);
      expect(test.length).toBeGreaterThanOrEqual(Math.floor((train.length + test.length) / 5));
    }
    expect(ENTITIES.people.train.length + ENTITIES.people.test.length).toBeGreaterThanOrEqual(500);
    expect(new Set(TOPICS.train).size).toBeGreaterThanOrEqual(400);
    expect(TOPICS.test.filter((topic) => TOPICS.train.includes(topic))).toEqual([]);
  });

  it("of calls never cross the split, made-up names included", () => {
    const values = (split: "train" | "test", key: string): Set<unknown> =>
      new Set(
        SETS.get("tool-call")![split].flatMap((item) =>
          item.expect.kind === "call" && key in item.expect.call.arguments ? [item.expect.call.arguments[key]] : [],
        ),
      );
    for (const key of ["room", "music", "item", "product", "to", "name", "text"]) {
      const known = values("train", key);
      expect([...values("test", key)].filter((value) => known.has(value))).toEqual([]);
    }
  });
});

describe("tools", () => {
  it("get arguments by their schemas, in canonical order", () => {
    const tools = new Map(TOOLS.map((tool) => [tool.name, tool]));
    const used = new Set<string>();
    for (const item of [...SETS.get("tool-call")!.train, ...SETS.get("tool-call")!.test]) {
      if (item.expect.kind !== "call") throw new Error("expected a call");
      const { name, arguments: given } = item.expect.call;
      const { properties } = tools.get(name)!.parameters;
      used.add(name);
      expect(Object.keys(given)).toEqual(Object.keys(properties));
      for (const [key, value] of Object.entries(given)) {
        const parameter = properties[key]!;
        expect(typeof value).toBe(parameter.type === "integer" ? "number" : parameter.type);
        if (typeof value === "number") {
          expect(value).toBeGreaterThanOrEqual(parameter.minimum!);
          expect(value).toBeLessThanOrEqual(parameter.maximum!);
        }
      }
    }
    expect([...used].toSorted()).toEqual([...tools.keys()].toSorted());
    expect(tools.size).toBeGreaterThanOrEqual(14);
  });
});

describe("mixtures", () => {
  it("hold every skill and about an eighth of several exchanges, ending in the graded one", () => {
    const random = createRandom(4, "mixture");
    const items = Array.from({ length: 2000 }, () => generateMixture("train", random));
    expect(new Set(items.map((item) => item.skill)).size).toBe(SKILLS.length);
    for (const item of items) {
      expect(item.turns.at(-1)!.role).toBe("assistant");
      expect(item.turns.slice(1).every((turn) => turn.role !== "system")).toBe(true);
      expect(grade(item, replyOf(item)).correct).toBe(true);
      const roles = item.turns.map((turn) => turn.role).filter((role) => role !== "system");
      expect(roles.every((role, i) => role === (i % 2 === 0 ? "user" : "assistant"))).toBe(true);
    }
  });

  it("contain exchanges that need the one before", () => {
    const random = createRandom(6, "multi");
    const kinds = new Set(Array.from({ length: 500 }, () => multiTurnItem("test", random).kind));
    expect(kinds.has("follow-up")).toBe(true);
    expect([...kinds].some((kind) => kind.endsWith("-elsewhere"))).toBe(true);
  });
});

describe("graders", () => {
  const item = (expectation: WorldItem["expect"]): WorldItem => ({
    skill: "reading",
    kind: "x",
    template: "",
    turns: [],
    expect: expectation,
  });

  it("numbers: exactly one number, and the right one", () => {
    const number = item({ kind: "number", value: 33 });
    expect(grade(number, { text: "The answer is 33." }).correct).toBe(true);
    expect(grade(number, { text: "That is 133." }).correct).toBe(false);
    expect(grade(number, { text: "33 or 34." }).correct).toBe(false);
    expect(grade(number, { text: "-33" }).correct).toBe(false);
    expect(grade(number, { text: "It is." }).reason).toBe("no number in the reply");
    expect(grade(number, { text: "33", call: { name: "set_timer", arguments: { minutes: 33 } } }).correct).toBe(false);
  });

  it("calls: name, values, types and key order", () => {
    const call = { name: "set_light", arguments: { room: "kitchen", on: true } };
    const light = item({ kind: "call", call });
    expect(grade(light, { text: "", call }).correct).toBe(true);
    expect(grade(light, { text: "Okay" }).reason).toBe("no call");
    for (const given of [{ on: true, room: "kitchen" }, { room: "kitchen", on: "true" }, { room: "kitchen" }]) {
      expect(
        grade(light, { text: "", call: { name: "set_light", arguments: given as Record<string, string> } }).correct,
      ).toBe(false);
    }
    expect(writeCall(call)).toBe('{"name":"set_light","arguments":{"room":"kitchen","on":true}}');
  });

  it("texts: the right value and no wrong one, words kept whole", () => {
    const clock = item({ kind: "text", accepted: ["clock"], rejected: ["alarm clock", "$4"] });
    expect(grade(clock, { text: "The CLOCK is cheaper!" }).correct).toBe(true);
    expect(grade(clock, { text: "The alarm clock is cheaper." }).correct).toBe(false);
    expect(grade(clock, { text: "The clock costs $4." }).correct).toBe(false);
    expect(grade(clock, { text: "The clock costs $40." }).correct).toBe(true);
    expect(grade(clock, { text: "Clocks." }).correct).toBe(false);
    const alarm = item({ kind: "text", accepted: ["alarm clock"], rejected: ["clock"] });
    expect(grade(alarm, { text: "The alarm clock." }).correct).toBe(true);
    expect(grade(alarm, { text: "The alarm clock and the clock." }).correct).toBe(false);
  });

  it("refusals: by the form, and never in place of an answer", () => {
    const refusal = item({ kind: "refusal" });
    expect(grade(refusal, { text: `${REFUSAL_PREFIX} the house.` }).correct).toBe(true);
    expect(grade(refusal, { text: "The moon is far away." }).correct).toBe(false);
    expect(grade(item({ kind: "number", value: 3 }), { text: `${REFUSAL_PREFIX} 3.` }).correct).toBe(false);
  });

  it("intervals are Wilson's", () => {
    const [low, high] = interval95(90, 100);
    expect(low).toBeCloseTo(0.8256, 4);
    expect(high).toBeCloseTo(0.9448, 4);
    expect(interval95(0, 10)[0]).toBe(0);
    expect(interval95(10, 10)[1]).toBeCloseTo(1, 12);
  });
});
