/**
 * A soak: many requests of mixed kind at a real server, some of them rude, then a look at what is left. Drawn from a
 * seed, bounded in number and in flight. What it holds: every polite request is answered as it should be, nothing is
 * left running, no page of the KV cache is kept, the worker never died, and memory is flat.
 */
import { connect } from "node:net";
import { createRandom, type RandomStream } from "../../src/core/index.ts";
import { startTestServer, until, type TestServer } from "./engine.ts";

export interface SoakReport {
  readonly requests: number;
  /** Requests by kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Answers by status, streams by whether they ended with [DONE]; "left" for clients that went. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Answers that were not what their kind should get. */
  readonly surprises: readonly string[];
  readonly pagesUsed: number;
  readonly restarts: number;
  /** Resident memory, MiB: after half of the requests, when caches are full, and at the end. */
  readonly memoryMib: { readonly half: number; readonly end: number };
  /** The JavaScript heap of the main thread after collection at the same moments, MiB; null without --expose-gc. */
  readonly heapMib: { readonly half: number; readonly end: number } | null;
}

type Outcome = string;
interface Kind {
  readonly weight: number;
  readonly expect: readonly Outcome[];
  run(url: string, draw: RandomStream): Promise<Outcome>;
}

const WORDS = "the kettle is on and two cups wait by the window while rain falls over the harbour".split(" ");

/** A whole number from 0 to below `count`. */
function below(draw: RandomStream, count: number): number {
  return draw.int(0, count - 1);
}

function text(draw: RandomStream, words: number): string {
  return Array.from({ length: words }, () => WORDS[below(draw, WORDS.length)]!).join(" ");
}

function fields(draw: RandomStream): object {
  return {
    model: "tiny",
    max_tokens: 1 + below(draw, 24),
    temperature: below(draw, 2),
    seed: below(draw, 1000),
    ignore_eos: true,
    ...(below(draw, 4) === 0 ? { n: 2 } : {}),
    ...(below(draw, 6) === 0 ? { logprobs: 2 } : {}),
    ...(below(draw, 8) === 0 ? { stop: ["e", "kettle"] } : {}),
  };
}

const post = (url: string, body: string): Promise<Response> =>
  fetch(`${url}/v1/completions`, { method: "POST", headers: { "content-type": "application/json" }, body });

async function statusOf(response: Response): Promise<Outcome> {
  await response.arrayBuffer();
  return String(response.status);
}

/** Writes a request over a bare socket and goes, sooner or later. */
async function leave(url: string, body: string, share: number, afterMs: number): Promise<Outcome> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  const all = `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  await new Promise<void>((resolve) => socket.write(all.slice(0, Math.ceil(all.length * share)), () => resolve()));
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  if (afterMs % 2 === 0) socket.resetAndDestroy();
  else socket.destroy();
  return "left";
}

const KINDS: Readonly<Record<string, Kind>> = {
  whole: {
    weight: 6,
    expect: ["200"],
    run: async (url, draw) =>
      statusOf(await post(url, JSON.stringify({ ...fields(draw), prompt: text(draw, 1 + below(draw, 30)) }))),
  },
  stream: {
    weight: 6,
    expect: ["done"],
    run: async (url, draw) => {
      const body = { ...fields(draw), prompt: text(draw, 1 + below(draw, 30)), stream: true };
      const answer = await (await post(url, JSON.stringify(body))).text();
      return answer.endsWith("data: [DONE]\n\n") ? "done" : "torn";
    },
  },
  sharedPrefix: {
    weight: 3,
    expect: ["200"],
    run: async (url, draw) => {
      const prompt = `${WORDS.join(" ")} ${WORDS.join(" ")} ${text(draw, 3)}`;
      return statusOf(await post(url, JSON.stringify({ ...fields(draw), prompt })));
    },
  },
  deadline: {
    weight: 1,
    expect: ["200", "503"],
    run: async (url, draw) => {
      const slo = { deadline_ms: 1 + below(draw, 30), on_miss: below(draw, 2) === 0 ? "cut" : "reject" };
      return statusOf(await post(url, JSON.stringify({ ...fields(draw), prompt: text(draw, 5), slo })));
    },
  },
  wrong: {
    weight: 2,
    expect: ["400", "404"],
    run: async (url, draw) => {
      const bodies = [
        "{",
        "[]",
        '{"model":"tiny"}',
        '{"model":"none","prompt":"a"}',
        '{"model":"tiny","prompt":[999]}',
      ];
      return statusOf(await post(url, bodies[below(draw, bodies.length)]!));
    },
  },
  overlong: {
    weight: 1,
    expect: ["400", "413"],
    run: async (url, draw) =>
      statusOf(
        await post(url, JSON.stringify({ ...fields(draw), prompt: "x".repeat(below(draw, 2) === 0 ? 600 : 40_000) })),
      ),
  },
  look: {
    weight: 1,
    expect: ["200"],
    run: async (url, draw) => statusOf(await fetch(url + ["/metrics", "/v1/models", "/health", "/"][below(draw, 4)]!)),
  },
  leaver: {
    weight: 3,
    expect: ["left"],
    run: (url, draw) => {
      const body = JSON.stringify({
        ...fields(draw),
        max_tokens: 300,
        prompt: text(draw, 20),
        stream: below(draw, 2) === 0,
      });
      return leave(url, body, below(draw, 3) === 0 ? draw.uniform() : 1, below(draw, 40));
    },
  },
};
const DECK = Object.entries(KINDS).flatMap(([name, { weight }]) => Array.from({ length: weight }, () => name));

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

/** @param requests how many; @param inFlight at most so many at once. */
export async function soak(requests: number, inFlight: number, seed: string): Promise<SoakReport> {
  const served = await startTestServer({ maxWaiting: inFlight * 4, checkEachStep: true }, { bodyLimitBytes: 20_000 });
  try {
    return await soakServer(served, requests, inFlight, createRandom(seed, "soak"));
  } finally {
    await served.stop();
  }
}

async function soakServer(
  { url, engine }: TestServer,
  requests: number,
  inFlight: number,
  random: RandomStream,
): Promise<SoakReport> {
  const kinds: Record<string, number> = {};
  const outcomes: Record<string, number> = {};
  const surprises: string[] = [];
  let started = 0;
  let half = memory();
  const client = async (): Promise<void> => {
    while (started < requests) {
      const draw = random.fork(String(started++));
      if (started === Math.ceil(requests / 2)) half = memory();
      const name = DECK[below(draw, DECK.length)]!;
      const outcome = await KINDS[name]!.run(url, draw).catch((error: unknown) => `threw ${String(error)}`);
      count(kinds, name);
      count(outcomes, outcome);
      if (!KINDS[name]!.expect.includes(outcome)) surprises.push(`${started} ${name}: ${outcome}`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, client));
  await until(() => {
    const { running, waiting, paused, kv } = engine.stats();
    return running + waiting + paused + kv.pagesUsed === 0;
  }, 20_000);
  const end = memory();
  const { counters, kv } = engine.stats();
  return {
    requests,
    kinds,
    outcomes,
    surprises,
    pagesUsed: kv.pagesUsed,
    restarts: counters.restarts,
    memoryMib: { half: half.residentMib, end: end.residentMib },
    heapMib: half.heapMib === null || end.heapMib === null ? null : { half: half.heapMib, end: end.heapMib },
  };
}

function memory(): { residentMib: number; heapMib: number | null } {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { residentMib: rss / 2 ** 20, heapMib: globalThis.gc === undefined ? null : heapUsed / 2 ** 20 };
}

/** Every fact that a soak must show. */
export function soakFaults(report: SoakReport): string[] {
  const { surprises, pagesUsed, restarts, memoryMib, heapMib } = report;
  const faults = [...surprises];
  if (pagesUsed > 0) faults.push(`${pagesUsed} pages leaked`);
  if (restarts > 0) faults.push(`the worker died ${restarts} times`);
  const grownMib = memoryMib.end - memoryMib.half;
  if (grownMib > 64) faults.push(`resident memory grew by ${grownMib.toFixed(1)} MiB`);
  if (heapMib !== null && heapMib.end - heapMib.half > 8) {
    faults.push(`the heap grew by ${(heapMib.end - heapMib.half).toFixed(1)} MiB`);
  }
  return faults;
}
