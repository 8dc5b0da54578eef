/** What messages to an engine worker do, whatever the arrangement of its loops. */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { PunctualError, toErrorRecord, type ErrorRecord } from "../core/index.ts";
import type { DecisionLogEntry } from "../sched/index.ts";
import type { AdapterChange } from "./lora/worker-adapters.ts";
import type { FromWorker, SequenceSpec, ToWorker } from "./messages.ts";
import type { TransferAnswer, TransferCall } from "./transfer/protocol.ts";

/** The side of a loop, or of several, that messages reach. */
export interface InboxTarget {
  submit(spec: SequenceSpec): void;
  cancel(seq: number): void;
  pause(seq: number): void;
  resume(seq: number): void;
  decisions(): readonly DecisionLogEntry[];
  watch(on: boolean): void;
}

/** Messages that came while the thread computed. */
export function drainInbox(port: MessagePort, handle: (message: ToWorker) => void): void {
  for (;;) {
    const received = receiveMessageOnPort(port) as { message: ToWorker } | undefined;
    if (received === undefined) return;
    handle(received.message);
  }
}

/** What concerns a worker rather than its loops. */
export interface InboxOwner {
  /** Ends after what is under way. */
  stop(): void;
  /** Switches the policy and answers when that was. */
  setPolicy(policy: string): number;
  /** Changes adapters; absent: it has none. @param done with null, or what was wrong, when that is in force */
  changeAdapters?(change: AdapterChange, done: (error: ErrorRecord | null) => void): void;
  /** Answers a question about transfers. */
  transfer(call: TransferCall): TransferAnswer;
}

/** Carries a message out. @throws when a test asks the worker to crash. */
export function handleMessage(
  message: ToWorker,
  target: InboxTarget,
  send: (message: FromWorker, transfer?: ArrayBuffer[]) => void,
  owner: InboxOwner,
): void {
  switch (message.kind) {
    case "submit":
      return target.submit(message.spec);
    case "cancel":
      return target.cancel(message.seq);
    case "pause":
      return target.pause(message.seq);
    case "resume":
      return target.resume(message.seq);
    case "decisions":
      return send({ kind: "decisions", ticket: message.ticket, entries: target.decisions() });
    case "watch":
      return target.watch(message.on);
    case "policy":
      return send({ kind: "policy", ticket: message.ticket, atMs: owner.setPolicy(message.policy) });
    case "adapter": {
      const { ticket, change } = message;
      const done = (error: ErrorRecord | null): void => send({ kind: "adapter", ticket, error });
      if (owner.changeAdapters !== undefined) return owner.changeAdapters(change, done);
      return done(toErrorRecord(new PunctualError("unsupported", "this engine takes no adapters")));
    }
    case "transfer": {
      const answer = owner.transfer(message.call);
      return send({ kind: "transfer", ticket: message.ticket, answer }, buffersOf(answer));
    }
    case "stop":
      return owner.stop();
    case "crash":
      if (message.how === "exit") process.exit(70);
      throw new Error("crashed on request");
    default:
      message satisfies never;
  }
}

/** Pages go to the other thread without another copy. */
function buffersOf(answer: TransferAnswer): ArrayBuffer[] {
  if (!answer.ok || answer.result === null || typeof answer.result !== "object") return [];
  const bytes =
    answer.result instanceof Uint8Array ? answer.result : "bytes" in answer.result ? answer.result.bytes : null;
  return bytes === null ? [] : [bytes.buffer as ArrayBuffer];
}
