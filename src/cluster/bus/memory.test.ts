/** The bus in memory under the suite of all buses, and what only it has. */
import { expect, test } from "vitest";
import { describeBus } from "./bus.conformance.ts";
import { connectBus } from "./connect.ts";
import { MemoryBroker, type MemoryBus } from "./memory.ts";
import { subjectMatcher } from "./subjects.ts";

describeBus("memory bus", async () => {
  const broker = new MemoryBroker({ maxMessageBytes: 1024 * 1024 });
  const open: MemoryBus[] = [];
  return {
    connect: async () => {
      const bus = broker.connect();
      open.push(bus);
      return bus;
    },
    lose: async () => {
      for (const bus of open.splice(0)) {
        try {
          bus.setConnected(false);
          open.push(bus);
        } catch {
          // closed by its test
        }
      }
    },
    heal: async () => {
      for (const bus of open) bus.setConnected(true);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
});

test("without an address there is a bus of one's own", async () => {
  await using bus = await connectBus();
  await using other = await connectBus();
  expect(bus.kind).toBe("memory");
  other.subscribe("x", (message) => message.respond(message.data));
  await expect(bus.request("x", new Uint8Array(1), { timeoutMs: 100 })).rejects.toMatchObject({ code: "unavailable" });
});

test("subjects match as a straight reading of the rules says", () => {
  const words = ["a", "b", "*", ">"];
  const rule = (pattern: string[], subject: string[]): boolean => {
    if (pattern.length === 0) return subject.length === 0;
    if (pattern[0] === ">") return subject.length > 0;
    return (
      subject.length > 0 &&
      (pattern[0] === "*" || pattern[0] === subject[0]) &&
      rule(pattern.slice(1), subject.slice(1))
    );
  };
  const lists = (alphabet: readonly string[], most: number): string[][] =>
    most === 0 ? [[]] : [[], ...lists(alphabet, most - 1).flatMap((rest) => alphabet.map((word) => [word, ...rest]))];
  const patterns = lists(words, 3).filter((list) => list.length > 0 && !list.slice(0, -1).includes(">"));
  const subjects = lists(["a", "b"], 4).filter((list) => list.length > 0);
  for (const pattern of patterns) {
    const matches = subjectMatcher(pattern.join("."));
    for (const subject of subjects) {
      expect(matches(subject.join(".")), `${pattern.join(".")} ${subject.join(".")}`).toBe(rule(pattern, subject));
    }
  }
});
