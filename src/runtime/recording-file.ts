/**
 * The main thread's end of a recording: text from a worker goes to a file, whole lines only. The file is made anew and
 * never overwrites another. It stops growing at its limit, when the disk fails, and when the disk falls too far behind;
 * then recording is over and serving goes on, and `status` says why.
 */
import { createWriteStream, openSync, type WriteStream } from "node:fs";
import { fail } from "../core/index.ts";

const DEFAULT_MAX_BYTES = 2 ** 30;
/** Text that waits for the disk. */
const MAX_BEHIND_BYTES = 64 * 2 ** 20;
const MAX_NAMES = 10_000;

/** What to record of an engine, and how much of it. */
export interface RecordingOptions {
  /** The file; each worker's life beyond the first gets one of its own, `name-2.jsonl` and so on. */
  readonly path: string;
  /** Most bytes of a file; 1 GiB when absent. */
  readonly maxBytes?: number;
  /** Most time for writing decisions, as a share of the time of steps, 0 to 1; 0.03 when absent. */
  readonly maxShare?: number;
}

/** How a recording stands. "full": at its limit; "failed": see `problem`; "closed": in order. */
export interface RecordingStatus {
  readonly path: string;
  readonly state: "recording" | "full" | "failed" | "closed";
  readonly bytes: number;
  readonly problem: string | null;
}

/** One file of a recording. */
export class RecordingFile {
  readonly path: string;
  readonly #stream: WriteStream;
  readonly #maxBytes: number;
  readonly #ended: Promise<void>;
  #state: RecordingStatus["state"] = "recording";
  #bytes = 0;
  #problem: string | null = null;

  /** @throws PunctualError invalid_request when the file cannot be made. */
  constructor(options: RecordingOptions) {
    const { path, fd } = create(options.path);
    this.path = path;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#stream = createWriteStream(path, { fd, autoClose: true });
    this.#stream.on("error", (error) => this.#end("failed", error.message));
    this.#ended = new Promise((resolve) => this.#stream.once("close", resolve));
  }

  get status(): RecordingStatus {
    return { path: this.path, state: this.#state, bytes: this.#bytes, problem: this.#problem };
  }

  /** @param text whole lines. */
  write(text: string): void {
    if (this.#state !== "recording") return;
    const bytes = Buffer.byteLength(text);
    if (this.#bytes + bytes > this.#maxBytes) {
      const fitting = wholeLines(text, this.#maxBytes - this.#bytes);
      this.#put(fitting, Buffer.byteLength(fitting));
      this.#end("full", `the recording has reached its limit of ${this.#maxBytes} bytes`);
    } else if (this.#stream.writableLength + bytes > MAX_BEHIND_BYTES) {
      this.#end("failed", `the disk is more than ${MAX_BEHIND_BYTES} bytes behind`);
    } else {
      this.#put(text, bytes);
    }
  }

  /** No more will come. Resolves when everything is in the file, or cannot be. */
  close(): Promise<void> {
    this.#end("closed", null);
    return this.#ended;
  }

  #put(text: string, bytes: number): void {
    this.#bytes += bytes;
    this.#stream.write(text);
  }

  #end(state: RecordingStatus["state"], problem: string | null): void {
    if (this.#state !== "recording") return;
    this.#state = state;
    this.#problem = problem;
    if (state === "failed") this.#stream.destroy();
    else this.#stream.end();
  }
}

/** The lines of a text that fit whole. */
function wholeLines(text: string, bytes: number): string {
  const fitting = Buffer.from(text).subarray(0, Math.max(0, bytes));
  return fitting.subarray(0, fitting.lastIndexOf("\n") + 1).toString();
}

/** The first name of a row that is free: a.jsonl, a-2.jsonl, a-3.jsonl, … */
function create(path: string): { readonly path: string; readonly fd: number } {
  const [, stem, extension] = /^(.*?)(\.[^./\\]*)?$/s.exec(path)!;
  for (let i = 1; i <= MAX_NAMES; i++) {
    const name = i === 1 ? path : `${stem}-${i}${extension ?? ""}`;
    try {
      return { path: name, fd: openSync(name, "wx", 0o600) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      const why = error instanceof Error ? error.message : String(error);
      return fail("invalid_request", `record: the file '${name}' cannot be made: ${why}`, {
        param: "record",
        cause: error,
      });
    }
  }
  return fail("invalid_request", `record: '${path}' and ${MAX_NAMES - 1} names after it are taken`, {
    param: "record",
  });
}
