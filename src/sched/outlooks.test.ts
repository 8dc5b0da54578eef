/** Switching what policies are told: nothing is forgotten, whenever it happens. */
import { expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { createOutlook, type ArrivedRequest, type Outlook, type OutlookKind } from "../sched/index.ts";
import { Outlooks } from "./outlooks.ts";

const KINDS: readonly OutlookKind[] = ["mean", "learning"];

/** The same life of the same requests for all of `outlooks`, with `between` called at random moments. */
function live(seed: number, outlooks: readonly Outlook[], between: (chance: () => number) => void): void {
  const random = createRandom(seed, "life");
  const open: { readonly request: ArrivedRequest; generated: number }[] = [];
  let nowMs = 0;
  let nextId = 0;
  const each = (tell: (outlook: Outlook) => void): void => {
    for (const outlook of outlooks) tell(outlook);
  };
  for (let turn = 0; turn < 300; turn++) {
    nowMs += random.int(0, 20);
    const [first] = open;
    if (first === undefined || (open.length < 8 && random.uniform() < 0.3)) {
      const request: ArrivedRequest = {
        id: nextId++,
        arrivalMs: nowMs,
        prompt: Array.from({ length: random.int(1, 30) }, () => random.int(0, 99)),
        maxTokens: random.int(1, 64),
        slo: { class: "compound", deadlineMs: 5000, onMiss: "finish" },
        ...(random.uniform() < 0.5 ? { task: { id: `task-${random.int(0, 3)}`, stage: random.int(0, 3) } } : {}),
      };
      open.push({ request, generated: 0 });
      each((outlook) => outlook.arrived(request));
    } else if (random.uniform() < 0.2) {
      open.shift();
      const complete = random.uniform() < 0.8;
      each((outlook) => outlook.ended(first.request.id, first.generated, complete, nowMs));
    } else {
      for (const one of open) one.generated = Math.min(one.request.maxTokens, one.generated + 1);
      each((outlook) => open.forEach(({ request }) => outlook.computed(request.id, 2)));
    }
    between(() => random.uniform());
    const told = outlooks.map((outlook) =>
      open.map(({ request, generated }) => outlook.of(request.id, generated, nowMs)),
    );
    expect(told.at(-1)).toEqual(told[0]);
  }
}

test.each(KINDS)("%s: away and back again is as if nothing had happened", (kind) => {
  for (let seed = 0; seed < 5; seed++) {
    const outlooks = new Outlooks(kind, 0);
    const twin = createOutlook(kind, 0);
    live(seed, [outlooks, twin], (chance) => {
      if (chance() < 0.3) for (const other of KINDS) outlooks.use(other);
      outlooks.use(kind);
    });
  }
});

test("a kind that is made late knows what is open, and answers as one that was told only that", () => {
  const outlooks = new Outlooks("mean", 0);
  const request: ArrivedRequest = {
    id: 1,
    arrivalMs: 5,
    prompt: [1, 2, 3],
    maxTokens: 9,
    slo: { class: "compound", deadlineMs: 500, onMiss: "finish" },
    task: { id: "t", stage: 0 },
  };
  outlooks.arrived({ ...request, id: 0 });
  outlooks.ended(0, 4, true, 6);
  outlooks.arrived(request);
  outlooks.computed(1, 3);
  outlooks.use("learning");
  const twin = createOutlook("learning", 0);
  twin.arrived(request);
  twin.computed(1, 3);
  expect(outlooks.of(1, 0, 7)).toEqual(twin.of(1, 0, 7));
  expect(outlooks.of(1, 0, 7).attainedTokens).toBe(3);
});
