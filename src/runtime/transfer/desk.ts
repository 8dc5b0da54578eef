/**
 * The worker's side of transfers: exports, imports and prefixes that are under way over one step loop. It answers each
 * question at once, between two steps, and owns no thread and no timer: `tick` gives up what nobody has asked about for
 * too long, so that neither pages nor sequences are lost with whoever was moving them.
 *
 * Where a sequence is, the loop knows (sequence-places.ts): one that has ended in the meantime makes its export end, and is found
 * out at the next question. What crosses no thread here are page ids: outside, pages are counted by position.
 */
import { assert, fail, PunctualError, toErrorRecord, type Clock } from "../../core/index.ts";
import type { KvPages, SequencePages, StepExecutor } from "../../llm/index.ts";
import { cacheRoot } from "../cache-root.ts";
import type { LiveSequence } from "../sequence.ts";
import type { StepLoop } from "../step-loop.ts";
import type { RevivedSequence } from "../step-loop-options.ts";
import type {
  ComingSequence,
  GrownSequence,
  LeavingSequence,
  Newcomer,
  PageBytes,
  TransferAnswer,
  TransferCall,
  TransferKind,
  TransferProtocol,
} from "./protocol.ts";
import { IncomingPages, readPages } from "./page-transfer.ts";

/** Exports, imports and prefixes under way at once, each. */
const MOST_OPEN = 64;
/** Bytes of pages that are told of one sequence that comes or is ready, and of all that are: others are read when they are wanted. */
const LEAVING_BYTES = 8 * 1024 * 1024;
const ALL_LEAVING_BYTES = 64 * 1024 * 1024;

export interface TransferDeskOptions {
  readonly loop: StepLoop;
  readonly pages: KvPages;
  readonly executor: Pick<StepExecutor, "pageData">;
  readonly clock: Clock;
  readonly prefixCache: boolean;
  readonly maxRunning: number;
  /** After so long without a question something is given up. */
  readonly timeoutMs: number;
}

interface Export {
  readonly sequence: LiveSequence;
  /** It had pages when it began to leave. */
  readonly hadPages: boolean;
  /** Somebody has asked: until then it only waits to be exported. */
  isAsked: boolean;
  /** Told by itself how far it is. */
  readonly isFollowed: boolean;
  /** Leading pages that were told; null when no more are. */
  toldPages: number | null;
  toldBytes: number;
  touchedMs: number;
}

/** An export that has just been opened. */
type Opened = Omit<Export, "touchedMs">;
/** One that somebody has asked for. */
const ASKED: Omit<Opened, "sequence" | "hadPages"> = {
  isAsked: true,
  isFollowed: false,
  toldPages: null,
  toldBytes: 0,
};
/** One of a sequence that tells of itself. */
const FOLLOWED: Omit<Opened, "sequence"> = { ...ASKED, hadPages: true, isAsked: false, isFollowed: true, toldPages: 0 };

interface Import {
  readonly incoming: IncomingPages | null;
  /** Made ready beforehand. */
  revived: RevivedSequence | null;
  touchedMs: number;
}

interface Prefix {
  readonly held: SequencePages;
  touchedMs: number;
}

type Handlers = { readonly [K in TransferKind]: (args: TransferProtocol[K]["args"]) => TransferProtocol[K]["result"] };

/** See the head of this file. */
export class TransferDesk {
  readonly #options: TransferDeskOptions;
  readonly #exports = new Map<number, Export>();
  readonly #imports = new Map<number, Import>();
  readonly #prefixes = new Map<number, Prefix>();
  /** Frozen by themselves without an export, and since when. */
  readonly #ready = new Map<LiveSequence, number>();
  #nextId = 0;

  constructor(options: TransferDeskOptions) {
    this.#options = options;
  }

  /** Answers a question. @throws what is a bug. */
  answer(call: TransferCall): TransferAnswer {
    this.#prune();
    try {
      // A call has the arguments of its own kind.
      const handle = this.#handlers[call.ask] as (args: unknown) => TransferProtocol[TransferKind]["result"];
      return { ok: true, result: handle(call.args) };
    } catch (error) {
      if (!(error instanceof PunctualError)) throw error;
      return { ok: false, error: toErrorRecord(error) };
    }
  }

  /** The prompt of a sequence that will leave is begun. Null when too many are on their way: it is told when it is ready. */
  begun(sequence: LiveSequence): ComingSequence | null {
    this.#prune();
    if (this.#exports.size >= MOST_OPEN) return null;
    return this.#coming(this.#add<Opened>(this.#exports, { sequence, ...FOLLOWED }), sequence);
  }

  /** More of its prompt is computed. Null when nothing is to be told. */
  grown(sequence: LiveSequence): GrownSequence | null {
    const id = this.#followed(sequence);
    if (id === null) return null;
    const entry = this.#touch(this.#exports, id, "export");
    const whole = Math.floor(sequence.computed / this.#options.pages.pageTokens);
    if (whole === entry.toldPages) return null;
    return { id, computed: sequence.computed, told: this.#tell(entry, whole) };
  }

  /** It has lost its pages. False when nothing was told of it. */
  setBack(sequence: LiveSequence): boolean {
    const id = this.#followed(sequence);
    return id !== null && this.#exports.delete(id);
  }

  /** A sequence has frozen itself and waits to be exported. Answers all that leaves with it; null when too many wait. */
  ready(sequence: LiveSequence): LeavingSequence | null {
    const known = this.#followed(sequence);
    if (known === null && this.#exports.size >= MOST_OPEN) {
      this.#ready.set(sequence, this.#options.clock.nowMs());
      return null;
    }
    const id = known ?? this.#add<Opened>(this.#exports, { sequence, ...FOLLOWED });
    const pages = this.#pagesOf(sequence);
    const told = this.#tell(this.#touch(this.#exports, id, "export"), pages);
    return { ...this.#coming(id, sequence), pages, told };
  }

  #coming(id: number, sequence: LiveSequence): ComingSequence {
    const { clock, timeoutMs } = this.#options;
    const atMs = clock.nowMs();
    return { id, spec: sequence.spec, state: sequence.state(atMs), atMs, leaseMs: timeoutMs / 2 };
  }

  /** The export by which a sequence tells of itself; null when there is none. */
  #followed(sequence: LiveSequence): number | null {
    for (const [id, other] of this.#exports) if (other.sequence === sequence && other.isFollowed) return id;
    return null;
  }

  /** Pages up to that one, without those told before; from the first that is too many on, none. */
  #tell(entry: Export, upTo: number): PageBytes | null {
    const { executor } = this.#options;
    const first = entry.toldPages;
    if (first === null) return null;
    let all = 0;
    for (const other of this.#exports.values()) all += other.toldBytes;
    const added = (upTo - first) * executor.pageData(0).byteLength;
    const tells = entry.toldBytes + added <= LEAVING_BYTES && all + added <= ALL_LEAVING_BYTES;
    entry.toldPages = tells ? upTo : null;
    if (!tells) return null;
    entry.toldBytes += added;
    return { first, bytes: readPages(executor, entry.sequence.pages.pages, first, upTo - first) };
  }

  /** When `tick` has something to do; null when nothing is under way. */
  get nextDueMs(): number | null {
    let oldest = Infinity;
    for (const { touchedMs } of this.#open()) oldest = Math.min(oldest, touchedMs);
    for (const sinceMs of this.#ready.values()) oldest = Math.min(oldest, sinceMs);
    return oldest === Infinity ? null : oldest + this.#options.timeoutMs;
  }

  /** Gives up what nobody has asked about: sequences go on here, pages come free. Between steps only. */
  tick(): void {
    if (this.#exports.size + this.#imports.size + this.#prefixes.size + this.#ready.size === 0) return;
    const { clock, timeoutMs } = this.#options;
    const beforeMs = clock.nowMs() - timeoutMs;
    this.#prune();
    for (const [id, { touchedMs }] of this.#exports) if (touchedMs <= beforeMs) this.#resume(id);
    for (const [id, { touchedMs }] of this.#imports) if (touchedMs <= beforeMs) this.#abort(id);
    for (const [id, { touchedMs }] of this.#prefixes) if (touchedMs <= beforeMs) this.#closePrefix(id);
    for (const [sequence, sinceMs] of this.#ready) {
      if (sinceMs > beforeMs) continue;
      this.#ready.delete(sequence);
      this.#options.loop.thaw(sequence);
    }
  }

  /** @throws AssertionError when frozen sequences or guests' pages have nobody who knows of them. */
  checkIntegrity(): void {
    const { places } = this.#options.loop;
    const known = new Set([...Array.from(this.#exports.values(), ({ sequence }) => sequence), ...this.#ready.keys()]);
    for (const sequence of places.frozen.values()) assert(known.has(sequence), "who is frozen is on its way out");
    const guests = new Set<SequencePages>();
    for (const { incoming } of this.#imports.values()) if (incoming !== null) guests.add(incoming.pages);
    for (const { held } of this.#prefixes.values()) guests.add(held);
    assert(guests.size === places.guests.size, "every guest is known");
    for (const guest of places.guests) assert(guests.has(guest), "every guest is on its way in or being read");
    let promised = 0;
    for (const { incoming } of this.#imports.values()) if (incoming !== null) promised += 1;
    assert(promised === places.promised, "a place is promised to each on its way in");
  }

  *#open(): Generator<{ readonly touchedMs: number }> {
    yield* this.#exports.values();
    yield* this.#imports.values();
    yield* this.#prefixes.values();
  }

  /** Forgets exports of sequences that have ended. */
  #prune(): void {
    const { places } = this.#options.loop;
    for (const [id, { sequence }] of this.#exports) {
      if (places.find(sequence.spec.seq) !== sequence) this.#exports.delete(id);
    }
    for (const sequence of this.#ready.keys()) {
      if (places.frozen.get(sequence.spec.seq) !== sequence) this.#ready.delete(sequence);
    }
  }

  #touch<T extends { touchedMs: number }>(map: ReadonlyMap<number, T>, id: number, what: string): T {
    const entry = map.get(id);
    if (entry === undefined) return fail("not_found", `the ${what} is over: its sequence has ended or it was given up`);
    entry.touchedMs = this.#options.clock.nowMs();
    return entry;
  }

  #add<T extends object>(map: Map<number, T & { touchedMs: number }>, entry: T): number {
    if (map.size >= MOST_OPEN) fail("queue_full", `${MOST_OPEN} of them are under way already`, { retryAfterMs: 100 });
    const id = this.#nextId++;
    map.set(id, { ...entry, touchedMs: this.#options.clock.nowMs() });
    return id;
  }

  readonly #handlers: Handlers = {
    list: () => this.#list(),
    export: ({ seq }) => {
      const id = this.#export(seq);
      return { id, spec: this.#leaving(id).sequence.spec };
    },
    progress: ({ id }) => {
      const { sequence } = this.#leaving(id);
      const { computed } = sequence;
      const running = this.#options.loop.places.running.get(sequence.spec.seq) === sequence;
      const wholePages = Math.floor(computed / this.#options.pages.pageTokens);
      return { computed, wholePages, running, generated: sequence.answer };
    },
    read: ({ id, first, count }) => this.#read(this.#leaving(id).sequence, first, count),
    freeze: ({ id, from }) => this.#freeze(this.#leaving(id), from),
    resume: ({ id }) => this.#resume(id),
    depart: ({ id }) => this.#depart(id),
    import: (args) => this.#import(args),
    reserve: ({ id, pages }) => this.#reserve(this.#touch(this.#imports, id, "import"), pages),
    write: ({ id, first, bytes }) => {
      this.#incoming(this.#touch(this.#imports, id, "import")).write(first, bytes);
      return null;
    },
    enter: ({ id, newcomer, tail }) => {
      const { spec, state, atMs } = newcomer;
      const entry = this.#touch(this.#imports, id, "import");
      const computed = entry.incoming === null ? 0 : state.computed;
      const revived = this.#options.loop.revive(spec, { ...state, computed }, atMs);
      return this.#enter(id, entry, revived, newcomer, tail);
    },
    foresee: ({ id, generated }) => {
      const entry = this.#touch(this.#imports, id, "import");
      if (entry.revived !== null) this.#afresh(entry, entry.revived, (sequence) => sequence.replay(generated));
      return null;
    },
    arrive: ({ id, state, atMs, tail }) => {
      const entry = this.#touch(this.#imports, id, "import");
      const { revived } = entry;
      if (revived === null) return fail("invalid_request", "the sequence was not made ready");
      const cause = this.#afresh(entry, revived, (sequence) => sequence.restore(state, atMs));
      return this.#enter(id, entry, { ...revived, cause }, { state, atMs }, tail);
    },
    takeOver: (args) => this.#takeOver(args),
    abort: ({ id }) => this.#abort(id),
    revive: ({ spec, state, atMs }) => {
      const { loop } = this.#options;
      loop.enter(loop.revive(spec, { ...state, computed: 0 }, atMs));
      return null;
    },
    openPrefix: ({ tokens, salt }) => this.#openPrefix(tokens, salt),
    readPrefix: ({ id, first, count }) => {
      const { held } = this.#touch(this.#prefixes, id, "reading");
      return readPages(this.#options.executor, held.pages, first, count);
    },
    closePrefix: ({ id }) => this.#closePrefix(id),
    install: ({ tokens, salt, first, bytes }) => this.#install(tokens, salt, first, bytes),
  };

  #list(): TransferProtocol["list"]["result"] {
    const { loop, clock } = this.#options;
    const { waiting, running, paused, frozen } = loop.places;
    const nowMs = clock.nowMs();
    const asked = [...this.#exports.values()].filter(({ isAsked }) => isAsked);
    const leaving = new Set(asked.map(({ sequence }) => sequence));
    const rows = (state: "waiting" | "running" | "paused" | "frozen", from: ReadonlyMap<number, LiveSequence>) =>
      Array.from(from.values(), (sequence) => ({
        seq: sequence.spec.seq,
        view: loop.viewOf(sequence, nowMs),
        ageMs: nowMs - sequence.spec.arrivalMs,
        pages: this.#pagesOf(sequence),
        state,
        leaving: leaving.has(sequence),
      }));
    return [
      ...rows("running", running),
      ...rows("waiting", waiting),
      ...rows("paused", paused),
      ...rows("frozen", frozen),
    ].toSorted((a, b) => a.seq - b.seq);
  }

  /** Pages of a sequence with tokens in them. */
  #pagesOf({ computed }: LiveSequence): number {
    return Math.ceil(computed / this.#options.pages.pageTokens);
  }

  #export(seq: number): number {
    const sequence = this.#options.loop.places.find(seq);
    if (sequence === null) return fail("not_found", "the request has ended");
    if (!sequence.movable)
      fail("unsupported", "the request has an adapter or may leave layers out: its pages are its own");
    for (const [id, other] of this.#exports) {
      if (other.sequence !== sequence) continue;
      if (other.isAsked) fail("busy", "the request is on its way to another engine already");
      this.#leaving(id);
      return id;
    }
    const id = this.#add<Opened>(this.#exports, { sequence, hadPages: sequence.holdsPages, ...ASKED });
    this.#ready.delete(sequence);
    return id;
  }

  /** The export of that number, about which somebody asks. */
  #leaving(id: number): Export {
    const entry = this.#touch(this.#exports, id, "export");
    entry.isAsked = true;
    return entry;
  }

  #read(sequence: LiveSequence, first: number, count: number): Uint8Array {
    if (!sequence.holdsPages) return fail("busy", "the sequence has lost its pages");
    const { loop, pages, executor } = this.#options;
    const frozen = loop.places.frozen.has(sequence.spec.seq);
    // A page that is being filled would be copied in vain.
    const readable = frozen ? this.#pagesOf(sequence) : Math.floor(sequence.computed / pages.pageTokens);
    return readPages(executor, sequence.pages.pages.subarray(0, readable), first, count);
  }

  #freeze({ sequence, hadPages }: Export, from: number | null): TransferProtocol["freeze"]["result"] {
    const { loop, clock } = this.#options;
    if (hadPages && !sequence.holdsPages) fail("busy", "the sequence has lost its pages: it was preempted or paused");
    const pages = this.#pagesOf(sequence);
    if (from !== null && !(Number.isInteger(from) && from >= 0)) {
      fail("invalid_request", `from: expected a page, got ${from}`, { param: "from" });
    }
    if (!loop.places.frozen.has(sequence.spec.seq)) loop.freeze(sequence);
    const rest = from === null || from >= pages ? null : this.#read(sequence, from, pages - from);
    return { state: sequence.state(clock.nowMs()), pages, bytes: rest };
  }

  #resume(id: number): null {
    const entry = this.#exports.get(id);
    this.#exports.delete(id);
    const { loop } = this.#options;
    if (entry !== undefined && loop.places.frozen.has(entry.sequence.spec.seq)) loop.thaw(entry.sequence);
    return null;
  }

  #depart(id: number): null {
    const { sequence } = this.#leaving(id);
    const { loop } = this.#options;
    if (!loop.places.frozen.has(sequence.spec.seq)) fail("busy", "a sequence leaves when it is frozen");
    this.#exports.delete(id);
    loop.depart(sequence);
    return null;
  }

  #import({
    tokens,
    salt,
    pages,
    holds = false,
    newcomer,
  }: TransferProtocol["import"]["args"]): TransferProtocol["import"]["result"] {
    const { loop, pages: kv, prefixCache, executor, maxRunning } = this.#options;
    const add = (incoming: IncomingPages | null, revived: RevivedSequence | null): number =>
      this.#add<Omit<Import, "touchedMs">>(this.#imports, { incoming, revived });
    if (pages === 0) return { id: add(null, null), cachedPages: 0 };
    const { places } = loop;
    if (places.running.size + places.takenPlaces >= maxRunning) {
      fail("queue_full", `${maxRunning} sequences run here already`, { retryAfterMs: 50 });
    }
    if (this.#imports.size >= MOST_OPEN) fail("queue_full", `${MOST_OPEN} are on their way in`, { retryAfterMs: 100 });
    const revived =
      newcomer === undefined ? null : loop.revive(newcomer.spec, { ...newcomer.state, computed: 0 }, newcomer.atMs);
    const held = prefixCache ? kv.open(tokens, cacheRoot(salt)) : kv.open();
    const incoming = new IncomingPages(held, tokens, { pages: kv, executor });
    if (holds && !incoming.reserve(pages, places.running.size)) {
      held.release();
      fail("out_of_memory", "no pages are left for the sequence");
    }
    places.guests.add(held);
    places.promised += 1;
    return { id: add(incoming, revived), cachedPages: incoming.cachedPages };
  }

  #incoming({ incoming }: Import): IncomingPages {
    return incoming ?? fail("invalid_request", "the sequence comes without pages");
  }

  #reserve(entry: Import, pages: number): boolean {
    const { running } = this.#options.loop.places;
    // A page for each of the others to grow into, so that nobody is preempted for a newcomer at once.
    return this.#incoming(entry).reserve(pages, running.size);
  }

  #enter(
    id: number,
    { incoming }: Import,
    revived: RevivedSequence,
    { state, atMs }: Pick<Newcomer, "state" | "atMs">,
    tail: PageBytes | null,
  ): null {
    const { loop, prefixCache, clock } = this.#options;
    const { sequence, cause } = revived;
    if (incoming === null) {
      sequence.travelled(clock.nowMs() - atMs);
      this.#imports.delete(id);
      loop.enter(revived);
      return null;
    }
    if (!sequence.movable) fail("unsupported", "the request has an adapter or may leave layers out");
    if (tail !== null) this.#tail(incoming, tail);
    if (cause !== null) fail("invalid_request", `the answer is complete (${cause})`, { param: "generated" });
    const computed = incoming.complete(sequence.known, state.computed);
    sequence.settle(incoming.pages, computed);
    sequence.travelled(clock.nowMs() - atMs);
    this.#close(id);
    if (prefixCache) incoming.pages.commit(sequence.known.subarray(0, computed));
    incoming.pages.truncate(computed);
    loop.enter(revived);
    return null;
  }

  /** Does something with what was made ready. When it cannot be done, that is made ready from its beginning: the import stays open. */
  #afresh<T>(entry: Import, { sequence }: RevivedSequence, act: (sequence: LiveSequence) => T): T {
    const { loop, clock } = this.#options;
    try {
      return act(sequence);
    } catch (error) {
      const atMs = clock.nowMs();
      const beginning = { ...sequence.state(atMs), generated: [], computed: 0 };
      entry.revived = loop.revive(sequence.spec, beginning, atMs);
      throw error;
    }
  }

  /** A sequence whose pages are all there comes in at once, or not at all. */
  #takeOver({ newcomer, bytes }: TransferProtocol["takeOver"]["args"]): null {
    const { spec, state } = newcomer;
    const tokens = Int32Array.from([...spec.promptTokens, ...state.generated]);
    const pages = Math.ceil(bytes.byteLength / this.#options.executor.pageData(0).byteLength);
    const { id } = this.#import({ tokens, salt: spec.cacheSalt ?? "", pages: Math.max(1, pages), newcomer });
    try {
      const isRoom = this.#reserve(this.#touch(this.#imports, id, "import"), pages);
      if (!isRoom) fail("out_of_memory", "no pages are left for the sequence");
      const entry = this.#touch(this.#imports, id, "import");
      return this.#enter(id, entry, entry.revived!, newcomer, { first: 0, bytes });
    } catch (error) {
      this.#abort(id);
      throw error;
    }
  }

  #tail(incoming: IncomingPages, { first, bytes }: PageBytes): void {
    const end = incoming.endOf(first, bytes);
    if (!incoming.reserve(end, 0)) fail("out_of_memory", "no pages are left for the last ones of the sequence");
    incoming.write(first, bytes);
  }

  /** The import is over; its pages are somebody else's, or nobody's. */
  #close(id: number): void {
    const { places } = this.#options.loop;
    const incoming = this.#imports.get(id)?.incoming ?? null;
    this.#imports.delete(id);
    if (incoming === null) return;
    places.guests.delete(incoming.pages);
    places.promised -= 1;
  }

  #abort(id: number): null {
    const incoming = this.#imports.get(id)?.incoming ?? null;
    this.#close(id);
    incoming?.pages.release();
    return null;
  }

  #openPrefix(tokens: Int32Array, salt: string): TransferProtocol["openPrefix"]["result"] {
    const { pages, loop } = this.#options;
    const held = pages.open(withOneMore(tokens), cacheRoot(salt));
    if (held.pages.length === 0) return null;
    if (this.#prefixes.size >= MOST_OPEN) {
      held.release();
      fail("queue_full", `${MOST_OPEN} prefixes are being read`, { retryAfterMs: 100 });
    }
    loop.places.guests.add(held);
    return { id: this.#add(this.#prefixes, { held }), pages: held.pages.length };
  }

  #closePrefix(id: number): null {
    const held = this.#prefixes.get(id)?.held;
    this.#prefixes.delete(id);
    if (held === undefined) return null;
    this.#options.loop.places.guests.delete(held);
    held.release();
    return null;
  }

  #install(tokens: Int32Array, salt: string, first: number, bytes: Uint8Array): number {
    const { pages: kv, executor, prefixCache } = this.#options;
    if (!prefixCache) return 0;
    const whole = Math.floor(tokens.length / kv.pageTokens);
    const held = kv.open(withOneMore(tokens.subarray(0, whole * kv.pageTokens)), cacheRoot(salt));
    try {
      const incoming = new IncomingPages(held, tokens, { pages: kv, executor });
      const end = incoming.endOf(first, bytes);
      if (end !== whole) {
        fail("invalid_request", `bytes of pages ${first} to ${end} of a prefix of ${whole} pages`, { param: "bytes" });
      }
      // Pages before the first that are not there (any more) cannot be made up.
      if (incoming.cachedPages < first) return incoming.cachedPages * kv.pageTokens;
      const fits = Math.min(whole, held.pages.length + kv.availablePages);
      incoming.reserve(fits, 0);
      incoming.write(first, bytes.subarray(0, Math.max(0, fits - first) * incoming.pageBytes));
      held.commit(tokens.subarray(0, fits * kv.pageTokens));
      return kv.cachedTokens(withOneMore(tokens.subarray(0, fits * kv.pageTokens)), cacheRoot(salt));
    } finally {
      held.release();
    }
  }
}

/** Cached pages are looked up for tokens that another one follows. */
function withOneMore(tokens: Int32Array): Int32Array {
  const longer = new Int32Array(tokens.length + 1);
  longer.set(tokens);
  return longer;
}
