/** A pull, from its opener: pages come in order; after a broken connection it asks for those that are missing. */
import type { PunctualError } from "../../core/index.ts";
import { frame, type Frame } from "./frames.ts";
import type { OpenedNote, OpenNote } from "./notes.ts";
import { FrameReceiver } from "./receiver.ts";
import {
  OpenTransfer,
  type TransferClient,
  type TransferOwner,
  type TransferReport,
  type TransferRequest,
} from "./transfer.ts";
import type { KvSink } from "./types.ts";

export class Pull implements TransferOwner {
  readonly #client: TransferClient;
  readonly #transfer: OpenTransfer;
  readonly #sink: KvSink;
  readonly #first: number;
  readonly #count: number;
  /** Of the connection that it is open over; sequences begin anew with each. */
  #receiver: FrameReceiver;
  #send: (one: Frame) => void = () => undefined;
  #pages = 0;
  #bytes = 0;
  readonly #done: Promise<void>;
  #settle: { readonly resolve: () => void; readonly reject: (error: PunctualError) => void } | null = null;

  constructor(client: TransferClient, request: TransferRequest, sink: KvSink, first: number, count: number) {
    this.#client = client;
    this.#sink = sink;
    this.#first = first;
    this.#count = count;
    this.#receiver = new FrameReceiver(sink, client.codecs);
    this.#transfer = new OpenTransfer(client, request, this);
    this.#done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#done.catch(() => undefined); // seen by who runs it, or the opening has failed already
  }

  /** Resolves when all pages are in place. */
  async run(): Promise<TransferReport> {
    if (this.#count > 0) {
      await this.#transfer.open();
      await this.#done;
    }
    this.#transfer.close();
    const { ms, reconnects } = this.#transfer;
    return { pages: this.#pages, bytes: this.#bytes, ms, reconnects };
  }

  note(): Omit<OpenNote, "resource" | "token" | "codecs"> {
    const { windowBytes } = this.#client;
    return { direction: "pull", first: this.#first + this.#pages, count: this.#count - this.#pages, windowBytes };
  }

  onOpened(_note: OpenedNote, send: (one: Frame) => void): void {
    this.#send = send;
  }

  async onFrame(one: Frame): Promise<void> {
    if (one.kind !== "pages") return;
    const { model } = this.#client;
    // Pages of a connection before come in order too, but nobody counts on them.
    const receiver = this.#receiver;
    const before = receiver.next;
    const { length } = one.payload; // the sink may have given the bytes away by then
    await receiver.take(one);
    if (receiver !== this.#receiver || receiver.next === before) return;
    this.#pages += one.pages;
    this.#bytes += length;
    this.#send(frame({ kind: "ack", model, transfer: this.#transfer.id, sequence: receiver.next }));
    if (this.#pages >= this.#count) this.#settle?.resolve();
  }

  onDetached(): void {
    this.#receiver = new FrameReceiver(this.#sink, this.#client.codecs);
    this.#send = () => undefined;
  }

  onFailed(error: PunctualError): void {
    this.#settle?.reject(error);
  }

  get isWaiting(): boolean {
    return this.#pages < this.#count;
  }
}
