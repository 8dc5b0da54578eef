import { describe, expect, test } from "vitest";
import { afterEvent, afterSilence, isUnderWay, newPull } from "./pull-state.ts";

describe("a pull", () => {
  test("goes from waiting over files to its name", () => {
    let pull = newPull("hf:a/b");
    pull = afterEvent(pull, { kind: "waiting" });
    expect(pull).toMatchObject({ state: "waiting", note: "Another process pulls the same; waiting for it." });
    pull = afterEvent(pull, { kind: "progress", file: "model.safetensors", doneBytes: 5, totalBytes: 10 });
    expect(pull).toMatchObject({ state: "pulling", doneBytes: 5, totalBytes: 10, note: "" });
    expect(isUnderWay(pull)).toBe(true);
    pull = afterEvent(pull, { kind: "done", id: "b" });
    expect(pull).toMatchObject({ state: "done", note: "b", source: "hf:a/b" });
    expect(afterSilence(pull)).toBe(pull);
  });

  test("that fails says why, and one that ends without a word failed, too", () => {
    const error = { message: "No such repository.", type: "invalid_request_error", code: "not_found", param: null };
    expect(afterEvent(newPull("x"), { kind: "failed", error })).toMatchObject({
      state: "failed",
      note: "No such repository.",
    });
    expect(afterSilence(newPull("x")).state).toBe("failed");
  });
});
