import fc from "fast-check";
import { expect, test } from "vitest";
import { formatRoute, PAGES, parseRoute } from "./router.ts";

test("what it does not know leads home", () => {
  for (const hash of ["", "#", "#/", "#/nowhere", "#//", "#chat", "#/CHAT?x=1"]) {
    expect(parseRoute(hash).page).toBe("chat");
  }
  expect(parseRoute("#/nowhere/x?y=1")).toEqual({ page: "chat", path: [], query: {} });
});

test("reads page, path and query", () => {
  expect(parseRoute("#/papers/26?sort=date&text=a%20b")).toEqual({
    page: "papers",
    path: ["26"],
    query: { sort: "date", text: "a b" },
  });
  expect(parseRoute("#/chat/100%")).toEqual({ page: "chat", path: ["100%"], query: {} });
});

test("a route comes back from its fragment", () => {
  const words = fc.array(fc.string({ minLength: 1, maxLength: 12 }), { maxLength: 3 });
  const query = fc.dictionary(fc.string({ maxLength: 6 }), fc.string({ maxLength: 12 }), {
    maxKeys: 3,
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(fc.constantFrom(...PAGES), words, query, (page, path, given) => {
      fc.pre(!("__proto__" in { ...given } && Object.hasOwn(given, "__proto__")));
      expect(parseRoute(formatRoute(page, path, given))).toEqual({ page, path, query: given });
    }),
    { seed: 3, numRuns: 100 },
  );
});
