/**
 * What can be carried over, as ports: where pages come from, where they go, how they may be coded, and under which name and
 * secret a server offers them.
 */

/** Where pages go. */
export interface KvSink {
  readonly pageBytes: number;
  /** Puts whole pages in place, `first` and those behind it. Rejects when they cannot be: the transfer is over. */
  write(first: number, bytes: Uint8Array): Promise<void>;
  /** The same with what was said along with these pages, for sinks that listen. The note is unchecked. */
  writeLast?(first: number, bytes: Uint8Array, note: Uint8Array): Promise<void>;
}

/** Where pages come from. */
export interface KvSource {
  readonly pageBytes: number;
  readonly pages: number;
  /**
   * How many pages from that one on can be read now: waits until there is one. Absent: all can. Rejects when they cannot be
   * had any more.
   */
  available?(first: number): Promise<number>;
  /** Somebody stands still until what is read next is there: it goes as it is, coding it would take longer. False when absent. */
  isUrgent?(): boolean;
  /** Pages `first` to `first + count`. Rejects when they cannot be had any more: the transfer is over. */
  read(first: number, count: number): Promise<Uint8Array>;
}

/** Something that a server takes or gives. A transfer needs its secret. */
export interface KvResource {
  readonly token: string;
  readonly sink?: KvSink;
  readonly source?: KvSource;
  /** Someone has said that there is nothing more to come, or nothing more to take. */
  readonly onClosed?: () => void;
}

/** Which pages a payload holds: what a codec may need to know. */
export interface CodedPages {
  readonly first: number;
  readonly count: number;
  readonly pageBytes: number;
}

/** A way to code pages; both sides of a transfer must have it. */
export interface FrameCodec {
  /** 1 to 255, in every frame that is coded so. */
  readonly id: number;
  readonly name: string;
  encode(bytes: Uint8Array, pages: CodedPages): Uint8Array;
  /** Exactly `pages.count * pages.pageBytes` bytes. @throws PunctualError invalid_request when they cannot be had. */
  decode(bytes: Uint8Array, pages: CodedPages): Uint8Array;
}

/** PEM texts. With `ca`, both sides show certificates and check each other's. */
export interface KvTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/** Where a server listens. */
export interface KvAddress {
  readonly host: string;
  readonly port: number;
}
