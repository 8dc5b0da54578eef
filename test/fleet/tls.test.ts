/**
 * Keys and values over TLS between workers, with certificates of a real authority: what moves arrives and is read by nobody on
 * its way; who cannot show a certificate of that authority gets nothing, and nothing that was to go there is lost.
 *
 * By default the stranger is one with another's certificate; `FLEET_FAULTS=all` has one without any as well (the environment is
 * a test file's only argument).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { makeCertificates, type Certificates } from "../support/certificates.ts";
import { faultsOf } from "./answers.ts";
import { question, rightAnswers } from "./right-answer.ts";
import { TestFleet } from "./test-fleet.ts";

const SEED = 71;
const TOKENS = 2500;
/** How a record of TLS begins: a handshake, or data. */
const TLS_RECORDS: ReadonlySet<number> = new Set([0x14, 0x15, 0x16, 0x17]);
const TLS_MAJOR = 3;

const dir = mkdtempSync(join(tmpdir(), "punctual-tls-"));
let fleet: TestFleet;
let right: string;
let certificates: Certificates;

beforeAll(async () => {
  certificates = makeCertificates(join(dir, "ours"));
  const { ca, server, client } = certificates;
  fleet = await TestFleet.start({ one: { tls: { ...server, ca } }, two: { tls: { ...client, ca } } });
  [right] = (await rightAnswers(fleet.modelDir, [question("right", SEED, TOKENS)])) as [string];
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(fleet.report());
});

test("a sequence moves to and fro while it is decoded, and no page of it can be read on the way", async () => {
  const seen: Buffer[] = [];
  for (const { kv } of fleet.workers.values()) {
    kv.rule = ({ bytes }) => {
      seen.push(bytes);
      return "pass";
    };
  }
  const { answer, end, at } = await fleet.streaming(question("tls", SEED, TOKENS));
  await fleet.move(answer.id, fleet.other(at));
  const { outcome, bytes } = await fleet.moved(answer.id);
  expect(outcome).toBe("moved");
  await end;
  expect(faultsOf(answer, right, false)).toEqual([]);
  await fleet.quiesced();
  const sent = seen.reduce((sum, piece) => sum + piece.length, 0);
  expect(sent).toBeGreaterThan(bytes); // all of it went this way, and more
  expect(bytes).toBeGreaterThan(0);
  const first = seen[0]!;
  expect(TLS_RECORDS.has(first[0]!) && first[1] === TLS_MAJOR).toBe(true);
  // A frame begins with its magic number; of many thousand bytes in clear one would be seen.
  expect(Buffer.concat(seen).includes("PKVF")).toBe(false);
});

test("who has a certificate of somebody else, or none, gets nothing, and what was to move there stays", async () => {
  const foreign = makeCertificates(join(dir, "theirs"));
  await Promise.all([
    fleet.startWorker("foreign", { tls: { ...foreign.server, ca: foreign.ca } }),
    ...(process.env["FLEET_FAULTS"] === "all" ? [fleet.startWorker("plain")] : []),
  ]);
  await fleet.whole();
  const { answer, end, at } = await fleet.streaming(question("kept", SEED, TOKENS));
  // It may have begun at any of them; to one of another kind it cannot go from there.
  const isTrusted = (id: string): boolean => id === "one" || id === "two";
  const strangers = [...fleet.workers.keys()].filter((id) => id !== at && !(isTrusted(id) && isTrusted(at)));
  for (const to of strangers.slice(0, 2)) {
    if (answer.done) break;
    await fleet.move(answer.id, to);
    const { endedMoves } = await fleet.until(
      (view) => answer.done || view.endedMoves.some((move) => move.request === answer.id && move.to === to),
    );
    const move = endedMoves.find((one) => one.request === answer.id && one.to === to);
    if (move !== undefined) expect([to, move.outcome]).not.toEqual([to, "moved"]);
  }
  await end;
  expect(faultsOf(answer, right, false)).toEqual([]);
  await fleet.quiesced();
});
