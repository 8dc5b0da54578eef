/** The store's bounds, under any order of what can happen to it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../../core/index.ts";
import type { ResponseBody } from "../../protocol/index.ts";
import { ResponseStore, type StoredResponse } from "./store.ts";

function body(id: string, status: ResponseBody["status"], padding = ""): ResponseBody {
  return {
    id,
    object: "response",
    created_at: 0,
    completed_at: null,
    status,
    error: null,
    incomplete_details: null,
    model: "m",
    output: [],
    usage: null,
    padding,
  };
}
function response(id: string, extra: Partial<StoredResponse> = {}): StoredResponse {
  const background = false;
  return {
    id,
    owner: null,
    body: body(id, "in_progress"),
    input: [],
    conversation: [],
    background,
    cancel: () => undefined,
    ...extra,
  };
}
const HOUR = 3_600_000;

describe("responses", () => {
  test("are found by their owner only", () => {
    const store = new ResponseStore(new FakeClock());
    store.add(response("a", { owner: "ann" }));
    expect(store.get("a", "ann").id).toBe("a");
    for (const other of ["bob", null]) {
      expect(() => store.get("a", other)).toThrow(expect.objectContaining({ code: "not_found", param: "response_id" }));
    }
    expect(() => store.delete("a", "bob")).toThrow(expect.objectContaining({ code: "not_found" }));
  });

  test("go out oldest first, by number, by bytes and by age", () => {
    const clock = new FakeClock();
    const byNumber = new ResponseStore(clock, { entries: 2, bytes: 1e6, ageMs: HOUR });
    for (const id of ["a", "b", "c"]) byNumber.add(response(id));
    expect(() => byNumber.get("a", null)).toThrow();
    expect(byNumber.get("b", null).id).toBe("b");
    clock.advance(HOUR);
    expect(() => byNumber.get("c", null)).toThrow();
    expect(byNumber.count).toBe(0);
    const byBytes = new ResponseStore(clock, { entries: 100, bytes: 2000, ageMs: HOUR });
    byBytes.add(response("a"));
    byBytes.add(response("b"));
    byBytes.update("b", body("b", "completed", "x".repeat(700)));
    expect(byBytes.count).toBe(1);
    byBytes.add(response("c", { body: body("c", "completed", "x".repeat(5000)) }));
    expect([byBytes.count, byBytes.bytes]).toEqual([0, 0]); // larger than everything: kept by nobody
  });

  test("the first end counts", () => {
    const store = new ResponseStore(new FakeClock());
    store.add(response("a"));
    store.update("a", body("a", "cancelled"));
    store.update("a", body("a", "completed"));
    expect(store.get("a", null).body.status).toBe("cancelled");
  });

  test("in the background are cancelled when they go out; others go on", () => {
    const store = new ResponseStore(new FakeClock(), { entries: 1, bytes: 1e6, ageMs: HOUR });
    const cancelled: string[] = [];
    for (const [id, background] of [
      ["a", true],
      ["b", false],
      ["c", true],
    ] as const) {
      store.add(response(id, { background, cancel: () => void cancelled.push(id) }));
    }
    expect(cancelled).toEqual(["a"]);
    store.delete("c", null);
    expect(cancelled).toEqual(["a", "c"]);
  });

  test("bounds hold and sizes add up, whatever happens", () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant("add" as const), size: fc.nat(900), background: fc.boolean() }),
      fc.record({ do: fc.constant("update" as const), which: fc.nat(40), size: fc.nat(900), ends: fc.boolean() }),
      fc.record({ do: fc.constant("delete" as const), which: fc.nat(40) }),
      fc.record({ do: fc.constant("wait" as const), ms: fc.nat(HOUR) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const clock = new FakeClock();
        const store = new ResponseStore(clock, { entries: 5, bytes: 6000, ageMs: HOUR });
        let made = 0;
        for (const step of actions) {
          if (step.do === "add") {
            const id = `r${made++}`;
            const cancel = (): void => store.update(id, body(id, "cancelled"));
            const conversation = [
              { item: { id, type: "message" }, meaning: { kind: "reasoning" as const, text: "" }, bytes: step.size },
            ];
            store.add(response(id, { conversation, background: step.background, cancel }));
          } else if (step.do === "update") {
            const id = `r${step.which}`;
            store.update(id, body(id, step.ends ? "completed" : "in_progress", "y".repeat(step.size)));
          } else if (step.do === "wait") clock.advance(step.ms);
          else {
            try {
              store.delete(`r${step.which}`, null);
            } catch (error) {
              expect(error).toMatchObject({ code: "not_found" });
            }
          }
          store.checkIntegrity();
        }
      }),
      { seed: 51, numRuns: 200 },
    );
  });
});
