import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryStorage, readSetting, RecordCollection, writeSetting, type TextStorage } from "./storage.ts";

interface Note {
  readonly text: string;
}
const isNote = (value: unknown): value is Note => typeof (value as Partial<Note> | null)?.text === "string";
const LIMITS = { maxRecords: 5, maxCharacters: 400 };

function collection(storage: TextStorage = memoryStorage()): RecordCollection<Note> {
  return new RecordCollection(storage, "t", LIMITS, isNote);
}

describe("settings", () => {
  test("what is not accepted, or no JSON, is the fallback", () => {
    const storage = memoryStorage();
    const isText = (value: unknown): value is string => typeof value === "string";
    expect(readSetting(storage, "a", isText, "none")).toBe("none");
    expect(writeSetting(storage, "a", "kept")).toBe(true);
    expect(readSetting(storage, "a", isText, "none")).toBe("kept");
    writeSetting(storage, "a", 3);
    expect(readSetting(storage, "a", isText, "none")).toBe("none");
    storage.setItem("a", "{");
    expect(readSetting(storage, "a", isText, "none")).toBe("none");
  });
});

describe("a collection", () => {
  test("lists the latest change first and forgets what is deleted", () => {
    const notes = collection();
    for (const [i, id] of ["a", "b", "a"].entries()) notes.write(id, `title ${i}`, i, { text: `${i}` });
    expect(notes.list().map(({ id, title }) => [id, title])).toEqual([
      ["a", "title 2"],
      ["b", "title 1"],
    ]);
    expect(notes.read("a")).toEqual({ text: "2" });
    notes.delete("a");
    notes.delete("never there");
    expect(notes.read("a")).toBeNull();
    expect(notes.list().map(({ id }) => id)).toEqual(["b"]);
  });

  test("stays within its bounds whatever is written, and says what went", () => {
    const step = fc.record({
      id: fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"),
      size: fc.integer({ min: 0, max: 380 }),
      isGone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const storage = memoryStorage();
        const notes = collection(storage);
        const alive = new Map<string, number>();
        for (const [i, { id, size, isGone }] of steps.entries()) {
          if (isGone) {
            notes.delete(id);
            alive.delete(id);
          } else {
            const dropped = notes.write(id, "t", i, { text: "x".repeat(size) });
            for (const other of dropped) expect(alive.delete(other)).toBe(true);
            alive.set(id, size);
          }
          notes.checkIntegrity();
        }
        expect(new Set(notes.list().map(({ id }) => id))).toEqual(new Set(alive.keys()));
        for (const [id, size] of alive) expect(notes.read(id)?.text.length).toBe(size);
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  test("makes room when the browser refuses before its own bound", () => {
    const room = 260;
    const items = new Map<string, string>();
    const storage: TextStorage = {
      getItem: (key) => items.get(key) ?? null,
      removeItem: (key) => void items.delete(key),
      setItem: (key, value) => {
        const others = [...items].filter(([other]) => other !== key).reduce((sum, [, text]) => sum + text.length, 0);
        if (others + value.length > room) throw new DOMException("full", "QuotaExceededError");
        items.set(key, value);
      },
    };
    const notes = collection(storage);
    notes.write("a", "t", 0, { text: "x".repeat(60) });
    expect(notes.write("b", "t", 1, { text: "y".repeat(60) })).toEqual(["a"]);
    notes.checkIntegrity();
    expect(() => notes.write("c", "t", 2, { text: "z".repeat(300) })).toThrow(/no room/);
    expect(() => notes.write("d", "t", 3, { text: "z".repeat(500) })).toThrow(/too large/);
  });

  test("an index that somebody else wrote is an empty one", () => {
    const storage = memoryStorage();
    for (const text of ["", "[]", "null", '{"entries":3}', '{"entries":[null,{"id":1}]}']) {
      storage.setItem("t", text);
      expect(collection(storage).list()).toEqual([]);
    }
  });
});
