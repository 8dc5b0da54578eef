/**
 * One file of weights, open and read by position: a range at a time, never the whole file. Not here: what
 * the bytes mean.
 */
import { readSync, type BigIntStats } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import { assert, fail, PunctualError } from "../../core/index.ts";

/** One call reads at most 2 GiB on Linux. */
const READ_BYTES_MAX = 2 ** 30;

export class WeightFile {
  /** For messages: the name without its folder. */
  readonly name: string;
  /** Size when it was opened. */
  readonly bytes: number;
  /**
   * Which file this is and which version of it, from what the file system says: device, inode, size, and the times of
   * the last change of content and of anything. Whoever writes to a file cannot help changing the last one.
   */
  readonly identity: string;
  readonly #handle: FileHandle;
  #open = true;

  private constructor(name: string, handle: FileHandle, stats: BigIntStats) {
    this.name = name;
    this.#handle = handle;
    this.bytes = Number(stats.size);
    this.identity = [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join("-");
  }

  /** @throws PunctualError model_not_found when it cannot be read, invalid_file for what is not a regular file. */
  static async open(path: string): Promise<WeightFile> {
    const name = basename(path);
    let handle: FileHandle;
    try {
      // Before opening: to open a named pipe is to wait for its writer.
      if (!(await stat(path)).isFile()) fail("invalid_file", `${path} is not a regular file`, { param: name });
      handle = await open(path, "r");
    } catch (cause) {
      if (cause instanceof PunctualError) throw cause;
      fail("model_not_found", `${path} cannot be read`, { param: name, cause });
    }
    try {
      return new WeightFile(name, handle, await handle.stat({ bigint: true }));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** `length` bytes from `position` on, without blocking the thread. @throws PunctualError invalid_file at the end of the file. */
  async read(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const count = Math.min(length - filled, READ_BYTES_MAX);
      const { bytesRead } = await this.#handle.read(bytes, filled, count, position + filled);
      if (bytesRead === 0) this.#tooShort(position + filled);
      filled += bytesRead;
    }
    return bytes;
  }

  /** Fills `target` from `position` on; blocks the thread. @throws PunctualError invalid_file at the end of the file. */
  readInto(target: Uint8Array, position: number): void {
    assert(this.#open, `${this.name} is read before it is closed`);
    let filled = 0;
    while (filled < target.length) {
      const count = Math.min(target.length - filled, READ_BYTES_MAX);
      const got = readSync(this.#handle.fd, target, filled, count, position + filled);
      if (got === 0) this.#tooShort(position + filled);
      filled += got;
    }
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }

  #tooShort(at: number): never {
    return fail("invalid_file", `${this.name} ends at ${at}, it had ${this.bytes} bytes when it was opened`, {
      param: "file_size",
    });
  }
}
