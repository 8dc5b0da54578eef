/**
 * One other server of OpenAI's interface as an instance: which models it has, whether it is well, what this router has given
 * it, how fast it answers. Its queue and its memory are its own secret, so its load is what was sent and has not ended, and
 * its costs are learnt from when answers came.
 */
import { createRandom, PunctualError, type Clock } from "../../core/index.ts";
import { StepCost, type InstanceLoad, type PromptBlocks } from "../../sched/index.ts";
import { BLOCK_TOKENS, PrefixIndex } from "../routing/prefix-index.ts";
import type { UpstreamAddress } from "./address.ts";
import { UpstreamHealth, type HealthOptions } from "./health.ts";
import { DEFAULT_TIMEOUTS, UpstreamHttp, type Timeouts, type UpstreamTimeouts } from "./http.ts";
import { readFailure, readWhole } from "./read-answer.ts";

/** A model of another server. */
export interface UpstreamModelFacts {
  /** Its own name for it. */
  readonly id: string;
  /** Most tokens of prompt and answer together; null when it does not say. */
  readonly contextTokens: number | null;
}

/** How another server is asked. */
export interface UpstreamServerOptions {
  readonly address: UpstreamAddress;
  /** Of the router, never given twice. */
  readonly index: number;
  readonly clock: Clock;
  readonly timeouts?: UpstreamTimeouts;
  readonly health?: HealthOptions;
  /** Told when its list of models has been read, or could not be. */
  readonly onLook?: (server: UpstreamServer) => void;
}

/** A request that it has. */
export interface UpstreamTurn {
  readonly promptTokens: number;
}

const LOOK_TIMEOUT_MS = 5000;
/** More models than that one server is not asked for. */
const MOST_MODELS = 256;
/** Where a server does not say how much it holds: enough for whatever may be asked, so that counts decide. */
const UNKNOWN_PAGES = 65_536;
const PAGE_TOKENS = BLOCK_TOKENS;
const KEPT_BLOCKS = 65_536;

/** See the head of this file. Ended by `close`. */
export class UpstreamServer {
  readonly address: UpstreamAddress;
  readonly index: number;
  readonly timeouts: Timeouts;
  readonly health: UpstreamHealth;
  readonly http: UpstreamHttp;
  readonly prefix = new PrefixIndex(KEPT_BLOCKS);
  readonly #clock: Clock;
  readonly #onLook: (server: UpstreamServer) => void;
  readonly #open = new Set<UpstreamTurn>();
  readonly #cost = new StepCost();
  readonly #closing = new AbortController();
  #answerTokens: number | null = null;
  #models: readonly UpstreamModelFacts[] = [];
  #looking: Promise<void> | null = null;

  constructor({ address, index, clock, timeouts, health, onLook = () => undefined }: UpstreamServerOptions) {
    this.address = address;
    this.index = index;
    this.timeouts = { ...DEFAULT_TIMEOUTS, ...timeouts };
    this.health = new UpstreamHealth(createRandom(`${address.base} ${index}`, "health"), health);
    this.http = new UpstreamHttp(address.base, address.key);
    this.#clock = clock;
    this.#onLook = onLook;
  }

  /** As its last look found them. */
  get models(): readonly UpstreamModelFacts[] {
    return this.#models;
  }

  /** Requests of this router that are there. */
  get open(): number {
    return this.#open.size;
  }

  /** As dispatchers see it. */
  get load(): InstanceLoad {
    let tokens = 0;
    for (const { promptTokens } of this.#open) tokens += promptTokens;
    return {
      index: this.index,
      role: "both",
      state: "serving",
      accepting: true,
      waiting: 0,
      running: this.#open.size,
      waitingTokens: 0,
      prefillTokens: 0,
      usedPages: Math.ceil(tokens / PAGE_TOKENS),
      totalPages: UNKNOWN_PAGES,
      pageTokens: PAGE_TOKENS,
      waitingPages: 0,
      headPages: 0,
      answerTokens: this.#answerTokens,
      urgent: 0,
      urgentWaiting: 0,
      urgentWaitingPages: 0,
      outgoing: 0,
      incoming: 0,
      cost: this.#cost,
      limits: { budgetTokens: UNKNOWN_PAGES * PAGE_TOKENS, maxRunning: Infinity },
      cachedTokens: ({ promptTokens, hashIds = [] }: PromptBlocks) =>
        Math.min(promptTokens - 1, this.prefix.match(hashIds) * BLOCK_TOKENS),
    };
  }

  /** A request goes there; answers what to call when it has left. */
  enter(turn: UpstreamTurn): () => void {
    this.#open.add(turn);
    return () => this.#open.delete(turn);
  }

  /** Its first token came after so long. */
  answered(promptTokens: number, ttftMs: number): void {
    this.#cost.observe(Math.max(1, promptTokens), ttftMs);
    this.health.succeeded(this.#clock.nowMs());
  }

  /** An answer has ended: a token took so long on average, beside that many others. */
  finished(answerTokens: number, tpotMs: number | null): void {
    this.#answerTokens = this.#answerTokens === null ? answerTokens : this.#answerTokens * 0.95 + answerTokens * 0.05;
    if (tpotMs !== null) this.#cost.observe(Math.max(1, this.#open.size), tpotMs);
  }

  /** Looks at its models when it is time. */
  lookIfDue(nowMs: number): void {
    if (this.#looking === null && this.health.isDue(nowMs)) void this.look();
  }

  /** Reads its list of models. Never rejects: what goes wrong is its health. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#looking;
    this.http[Symbol.dispose]();
  }

  async #look(): Promise<void> {
    try {
      this.#models = await this.#readModels();
      this.health.succeeded(this.#clock.nowMs());
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.health.failed(error instanceof Error ? error.message : String(error), this.#clock.nowMs());
    }
    this.#onLook(this);
  }

  async #readModels(): Promise<readonly UpstreamModelFacts[]> {
    const connectMs = Math.min(LOOK_TIMEOUT_MS, this.timeouts.connectMs);
    const limits = { connectMs, firstTokenMs: LOOK_TIMEOUT_MS };
    const answer = await this.http.send("GET", "models", null, limits, this.#closing.signal);
    if (answer.status !== 200) {
      const why = await readFailure(answer, LOOK_TIMEOUT_MS);
      // A server without a list is there all the same, when somebody has said what to ask it for.
      if ((answer.status === 404 || answer.status === 405) && this.address.model !== null) return [];
      throw new PunctualError("upstream_failed", `it answers ${answer.status} when asked for its models: ${why}`);
    }
    const { data } = await readWhole(answer, LOOK_TIMEOUT_MS);
    return Array.isArray(data) ? data.slice(0, MOST_MODELS).flatMap(modelFacts) : [];
  }
}

/** vLLM and SGLang tell `max_model_len`, llama-server `meta.n_ctx`, others something else or nothing. */
function modelFacts(value: unknown): readonly UpstreamModelFacts[] {
  if (typeof value !== "object" || value === null) return [];
  const { id, max_model_len: ours, context_length: other, meta } = value as Readonly<Record<string, unknown>>;
  if (typeof id !== "string" || id === "" || id.length > 256) return [];
  const inner = typeof meta === "object" && meta !== null ? (meta as Readonly<Record<string, unknown>>)["n_ctx"] : null;
  const found = [ours, other, inner].find((one) => typeof one === "number" && Number.isInteger(one) && one > 0);
  return [{ id, contextTokens: (found as number | undefined) ?? null }];
}
