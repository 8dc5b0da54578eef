/** A push, from its opener: pages go out as they are given, several stages over one transfer. */
import { PunctualError } from "../../core/index.ts";
import type { Frame } from "./frames.ts";
import type { OpenedNote, OpenNote } from "./notes.ts";
import { FrameSender } from "./sender.ts";
import {
  OpenTransfer,
  type TransferClient,
  type TransferOwner,
  type TransferReport,
  type TransferRequest,
} from "./transfer.ts";

/** Pages on their way to one place. */
export interface KvPush {
  /**
   * Resolves when the other side has put them in place; the order of calls is kept.
   * @param isUrgent they go as they are: somebody stands still until they are there
   * @throws PunctualError
   */
  send(first: number, bytes: Uint8Array, isUrgent?: boolean): Promise<void>;
  /** Whether the other side takes notes with pages. */
  readonly takesLast: boolean;
  /**
   * As `send` of pages for which somebody stands still, at least one, with a note in the very frame that has the last of them.
   * Only where `takesLast`.
   */
  sendLast(first: number, bytes: Uint8Array, note: Uint8Array): Promise<void>;
  /** Nothing more comes: what has not been acknowledged fails with `cancelled`. */
  close(): void;
  report(): TransferReport;
}

export class Push implements KvPush, TransferOwner {
  readonly #transfer: OpenTransfer;
  readonly #sender: FrameSender;
  readonly #request: TransferRequest;
  #takesLast = false;
  #pages = 0;
  #bytes = 0;

  constructor(client: TransferClient, request: TransferRequest) {
    this.#request = request;
    this.#transfer = new OpenTransfer(client, request, this);
    this.#sender = new FrameSender({
      model: client.model,
      transfer: this.#transfer.id,
      pageBytes: request.pageBytes,
      windowBytes: client.windowBytes,
    });
  }

  async open(): Promise<void> {
    await this.#transfer.open();
  }

  note(): Pick<OpenNote, "direction"> {
    return { direction: "push" };
  }

  onOpened({ next, windowBytes, codecs, takesLast }: OpenedNote, send: (one: Frame) => void): void {
    this.#takesLast = takesLast === true;
    const { codec } = this.#request;
    this.#sender.codec = codec !== undefined && codecs.includes(codec.id) ? codec : null;
    this.#sender.attach(next, windowBytes, (one) => {
      this.#bytes += one.payload.length;
      this.#pages += one.pages;
      send(one);
    });
  }

  onFrame(one: Frame): void {
    if (one.kind === "ack") this.#sender.acknowledge(one.sequence);
  }

  onDetached(): void {
    this.#sender.detach();
  }

  onFailed(error: PunctualError): void {
    this.#sender.fail(error);
  }

  get isWaiting(): boolean {
    return this.#sender.pendingBytes > 0;
  }

  get takesLast(): boolean {
    return this.#takesLast;
  }

  async sendLast(first: number, bytes: Uint8Array, note: Uint8Array): Promise<void> {
    await this.#sender.sendLast(first, bytes, note);
  }

  async send(first: number, bytes: Uint8Array, isUrgent = false): Promise<void> {
    await this.#sender.send(first, bytes, isUrgent);
  }

  close(): void {
    this.#transfer.close();
    this.#sender.fail(new PunctualError("cancelled", "The transfer was closed."));
  }

  report(): TransferReport {
    const { ms, reconnects } = this.#transfer;
    return { pages: this.#pages, bytes: this.#bytes, ms, reconnects };
  }
}
