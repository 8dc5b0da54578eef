import { expect, test } from "vitest";
import { KeyMatcher, keyName, type Shortcut } from "./shortcuts.ts";

const shortcut = (keys: string, whileTyping = false): Shortcut => ({
  keys,
  does: keys,
  group: "t",
  whileTyping,
  run: () => undefined,
});
const ALL = [shortcut("g c"), shortcut("g d"), shortcut("c"), shortcut("?"), shortcut("Escape", true), shortcut("?")];

test("names keys with what is held", () => {
  const press = { key: "k", ctrlKey: false, metaKey: false, altKey: false };
  expect(keyName(press)).toBe("k");
  expect(keyName({ ...press, metaKey: true })).toBe("Ctrl+k");
  expect(keyName({ ...press, ctrlKey: true, altKey: true })).toBe("Ctrl+Alt+k");
  expect(keyName({ ...press, key: " " })).toBe("Space");
});

test("finds single keys and sequences, within their time", () => {
  const matcher = new KeyMatcher();
  const press = (name: string, atMs: number, isTyping = false): string | null =>
    matcher.press(name, isTyping, atMs, ALL)?.keys ?? null;
  expect(press("c", 0)).toBe("c");
  expect(press("g", 10)).toBeNull();
  expect(press("c", 20)).toBe("g c");
  expect(press("c", 30)).toBe("c");
  expect(press("g", 40)).toBeNull();
  expect(press("d", 5000)).toBeNull();
  expect(press("g", 6000)).toBeNull();
  expect(press("x", 6010)).toBeNull();
  expect(press("d", 6020)).toBeNull();
});

test("rests while somebody types, unless it says otherwise; the latest of equals wins", () => {
  const matcher = new KeyMatcher();
  expect(matcher.press("?", true, 0, ALL)).toBeNull();
  expect(matcher.press("Escape", true, 0, ALL)).toBe(ALL[4]);
  expect(matcher.press("?", false, 0, ALL)).toBe(ALL[5]);
  expect(matcher.press("?", false, 0, [{ keys: "?", does: "listed", group: "t" }])).toBeNull();
});
