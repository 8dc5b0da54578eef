/** For tests of transfers: one engine less its threads, driven step by step under a fake clock. */
import { expect } from "vitest";
import { fromErrorRecord, type FakeClock } from "../../core/index.ts";
import type { KvPages } from "../../llm/index.ts";
import type { SequenceEvent, SequenceSpec } from "../messages.ts";
import { createLoop, said, tokensOf, type Bench, type LoopSetup } from "../speculation/loop.conformance.ts";
import type { HandOffPort } from "../step-loop-options.ts";
import type { StepLoop } from "../step-loop.ts";
import { TransferDesk } from "./desk.ts";
import type { ComingSequence, TransferCall, TransferKind, TransferProtocol } from "./protocol.ts";

export const TIMEOUT_MS = 1000;

/** One engine less its threads. */
export interface Side {
  readonly loop: StepLoop;
  readonly desk: TransferDesk;
  readonly kv: KvPages;
  readonly clock: FakeClock;
  readonly events: SequenceEvent[];
  /** Told of sequences that will leave. */
  readonly coming: readonly ComingSequence[];
  /** Two steps of one engine may not be under way at once; between them everything is checked. */
  step(): Promise<void>;
  ask<K extends TransferKind>(ask: K, args: TransferProtocol[K]["args"]): TransferProtocol[K]["result"];
  check(): void;
}

export function createSide(bench: Bench, setup: LoopSetup = {}, handsOff = false): Side {
  const coming: ComingSequence[] = [];
  const handOff: HandOffPort = {
    begun: (sequence) => {
      const one = desk.begun(sequence);
      if (one !== null) coming.push(one);
    },
    grown: (sequence) => desk.grown(sequence),
    setBack: (sequence) => desk.setBack(sequence),
    ready: (sequence) => desk.ready(sequence),
  };
  const { loop, kv, clock } = createLoop(bench, { ...setup, ...(handsOff ? { handOff } : {}) });
  const { executor } = bench;
  const prefixCache = setup.prefixCache ?? true;
  const maxRunning = setup.limits?.maxRunning ?? 8;
  const desk = new TransferDesk({ loop, pages: kv, executor, clock, prefixCache, maxRunning, timeoutMs: TIMEOUT_MS });
  const events: SequenceEvent[] = [];
  const check = (): void => {
    loop.checkIntegrity();
    desk.checkIntegrity();
  };
  return {
    loop,
    desk,
    kv,
    clock,
    events,
    coming,
    check,
    step: async () => {
      events.push(...(loop.hasWork ? await loop.step() : loop.flush()).events);
      check();
    },
    ask: (ask, args) => {
      const answer = desk.answer({ ask, args } as TransferCall);
      check();
      if (!answer.ok) throw fromErrorRecord(answer.error);
      return answer.result as never;
    },
  };
}

export async function drain(side: Side): Promise<void> {
  for (let i = 0; side.loop.hasWork; i++) {
    expect(i).toBeLessThan(2000);
    await side.step();
  }
  await side.step();
}

/** Everything that each request says where nobody moves it. */
export async function allUnmoved(bench: Bench, list: readonly SequenceSpec[]): Promise<unknown[][]> {
  const side = createSide(bench);
  for (const request of list) side.loop.submit(request);
  await drain(side);
  return list.map(({ seq }) => withoutCosts(said(side.events, seq)));
}

export async function unmoved(bench: Bench, request: SequenceSpec): Promise<unknown[]> {
  return (await allUnmoved(bench, [request]))[0]!;
}

/** What depends on where it was computed: cached tokens, times, drafts. */
export function withoutCosts(events: readonly unknown[]): unknown[] {
  return events.map((event) => {
    const { usage, ...rest } = event as { usage?: Record<string, unknown> };
    if (usage === undefined) return rest;
    const { completionTokens, promptTokens, reasoningTokens } = usage;
    return { ...rest, usage: { completionTokens, promptTokens, reasoningTokens } };
  });
}

/** Steps until a sequence has said so many tokens. */
export async function untilSaid(side: Side, seq: number, tokens: number): Promise<void> {
  for (let i = 0; tokensOf(side.events, seq).length < tokens; i++) {
    expect(i).toBeLessThan(200);
    await side.step();
  }
}

export const codeOf = (work: () => unknown): string | null => {
  try {
    work();
    return null;
  } catch (error) {
    return (error as { code?: string }).code ?? "no code";
  }
};
