/**
 * What the page keeps of the live feed: per model two resolutions of numbers, the newest requests and the newest steps.
 * A reducer over events: no clock, no network, no drawing. Memory is bounded by construction: rings, and models that the
 * server no longer names are forgotten.
 */
import type { LiveEvent, LiveModel, RequestClass, SampleEvent, StepRecord } from "@protocol";
import { RequestRing } from "./request-ring.ts";
import { ColumnRing, TimeSeries, type BinRule, type ChartData, type SeriesSizes } from "./series.ts";

/** The classes of promises, in the order of tables. */
export const CLASSES: readonly RequestClass[] = ["latency", "deadline", "compound", "best-effort"];

/** Columns of a model's series, with how an hour's bins are made of them. */
const COLUMNS = {
  running: "mean",
  waiting: "mean",
  kvUsed: "max",
  kvTotal: "last",
  prefillRate: "mean",
  decodeRate: "mean",
  lagP50: "mean",
  lagP99: "max",
  ttftP50: "mean",
  ttftP90: "mean",
  ttftP99: "mean",
  tpotP50: "mean",
  tpotP90: "mean",
  tpotP99: "mean",
  e2eP50: "mean",
  e2eP90: "mean",
  e2eP99: "mean",
  prefixHits: "last",
  prefixLookups: "last",
  preemptions: "last",
  paused: "max",
} as const satisfies Record<string, BinRule>;

/** A column of a model's series. */
export type Column = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as Column[];
const INDEX = Object.fromEntries(NAMES.map((name, index) => [name, index])) as Record<Column, number>;
/** After the named columns, three counters for each class. */
const COUNTERS = ["attained", "missed", "tokens"] as const;
const RULES: readonly BinRule[] = [
  ...Object.values(COLUMNS),
  ...CLASSES.flatMap(() => COUNTERS.map((): BinRule => "last")),
];

/** Steps kept per model: more than any screen is wide. */
export const STEPS_KEPT = 1_024;
/** Columns of the ring of steps beside their start. */
export const STEP = {
  durationMs: 0,
  prefill: 1,
  decode: 2,
  sequences: 3,
  budget: 4,
  preempted: 5,
  rejected: 6,
} as const;

/** How a class fared within a window. `share` is null when nothing of it ended. */
export interface ClassGoodput {
  readonly class: RequestClass;
  readonly attained: number;
  readonly missed: number;
  readonly share: number | null;
  /** Tokens delivered in time, a second. */
  readonly tokensPerSecond: number;
}

/** A switch of policy, for marks on charts. */
export interface PolicySwitchMark {
  readonly atMs: number;
  readonly policy: string;
}

const MOST_SWITCHES = 32;

/** One model of the feed. */
export class ModelLive {
  readonly series: TimeSeries;
  readonly requests = new RequestRing();
  readonly steps = new ColumnRing(Object.keys(STEP).length, STEPS_KEPT);
  info: LiveModel;
  /** Null before the first sample. */
  latest: SampleEvent | null = null;
  /** When the policy was switched and to which, oldest first; the last 32. */
  switches: readonly PolicySwitchMark[] = [];
  readonly #row = new Float64Array(RULES.length);

  constructor(info: LiveModel, sizes?: SeriesSizes) {
    this.info = info;
    this.series = new TimeSeries(RULES, sizes);
  }

  addSample(sample: SampleEvent): void {
    this.latest = sample;
    this.info = { ...this.info, state: sample.state, policy: sample.policy };
    const row = this.#row;
    const put = (column: Column, value: number | null | undefined): void => {
      row[INDEX[column]] = value ?? Number.NaN;
    };
    put("running", sample.running);
    put("waiting", sample.waiting);
    put("kvUsed", sample.kvPagesUsed);
    put("kvTotal", sample.kvPagesTotal);
    put("prefillRate", sample.tokensPerSecond.prefill);
    put("decodeRate", sample.tokensPerSecond.decode);
    put("lagP50", sample.eventLoopLagMs.p50);
    put("lagP99", sample.eventLoopLagMs.p99);
    for (const name of ["ttft", "tpot", "e2e"] as const) {
      const percentiles = sample[`${name}Ms`];
      put(`${name}P50`, percentiles?.p50);
      put(`${name}P90`, percentiles?.p90);
      put(`${name}P99`, percentiles?.p99);
    }
    put("prefixHits", sample.prefixHitTokens);
    put("prefixLookups", sample.prefixLookupTokens);
    put("preemptions", sample.preemptions);
    put("paused", sample.paused);
    for (const [place, name] of CLASSES.entries()) {
      const counts = sample.goodput[name];
      for (const [offset, counter] of COUNTERS.entries()) {
        row[NAMES.length + place * COUNTERS.length + offset] = counts?.[counter] ?? 0;
      }
    }
    this.series.push(sample.nowMs, row);
  }

  switchPolicy(policy: string, atMs: number): void {
    this.info = { ...this.info, policy };
    this.switches = [...this.switches, { atMs, policy }].slice(-MOST_SWITCHES);
  }

  addSteps(steps: readonly StepRecord[]): void {
    for (const step of steps) {
      this.steps.push(step.startMs, [
        step.durationMs,
        step.prefillTokens,
        step.decodeTokens,
        step.sequences,
        step.budgetTokens,
        step.preempted,
        step.rejectedTokens ?? 0,
      ]);
    }
  }

  /** A column as of a moment; null when it is not known. */
  at(column: Column, nowMs: number): number | null {
    const value = this.series.at(nowMs, INDEX[column]);
    return Number.isNaN(value) ? null : value;
  }

  /** Named columns of a window, in the order asked for. */
  chart(columns: readonly Column[], nowMs: number, windowMs: number): ChartData {
    const { seconds, columns: all } = this.series.read(nowMs, windowMs);
    return { seconds, columns: columns.map((name) => all[INDEX[name]]!) };
  }

  /** Share of looked-up prompt tokens that the cache had, within a window; null when none were looked up. */
  prefixShare(nowMs: number, windowMs: number): number | null {
    const all = this.series.read(nowMs, windowMs).columns;
    const lookups = grown(all[INDEX.prefixLookups]!);
    return lookups > 0 ? grown(all[INDEX.prefixHits]!) / lookups : null;
  }

  /** How each class fared within a window: those of which anything ended since the page has been open. */
  goodput(nowMs: number, windowMs: number): readonly ClassGoodput[] {
    const { seconds, columns } = this.series.read(nowMs, windowMs);
    const spanSeconds = seconds.length < 2 ? 0 : seconds.at(-1)! - seconds[0]!;
    return CLASSES.map((name, place): ClassGoodput => {
      const counter = (offset: number): number => grown(columns[NAMES.length + place * COUNTERS.length + offset]!);
      const [attained, missed, tokens] = [counter(0), counter(1), counter(2)];
      const ended = attained + missed;
      return {
        class: name,
        attained,
        missed,
        share: ended > 0 ? attained / ended : null,
        tokensPerSecond: spanSeconds > 0 ? tokens / spanSeconds : 0,
      };
    });
  }
}

/** The feed's whole state. Change it only through `apply`. */
export class LiveState {
  readonly models = new Map<string, ModelLive>();
  policies: readonly string[] = [];
  serverVersion = "";
  startedUnixMs = 0;
  unixOriginMs = 0;
  /** The newest moment that the server told; NaN before the first event. */
  nowMs = Number.NaN;
  /** Samples and steps that this reader was too slow for, since it opened. */
  dropped = 0;
  readonly #sizes: SeriesSizes | undefined;

  constructor(sizes?: SeriesSizes) {
    this.#sizes = sizes;
  }

  /** Takes in one event. Events of models that no greeting named are dropped: the next greeting brings them. */
  apply(event: LiveEvent): void {
    switch (event.kind) {
      case "hello":
        this.#greet(event);
        return;
      case "sample":
        this.nowMs = event.nowMs;
        this.models.get(event.model)?.addSample(event);
        return;
      case "steps":
        this.models.get(event.model)?.addSteps(event.steps);
        return;
      case "request":
        this.models.get(event.request.model)?.requests.put(event.request);
        return;
      case "policy": {
        const model = this.models.get(event.model);
        model?.switchPolicy(event.policy, event.atMs);
        return;
      }
      case "dropped":
        this.dropped += event.samples + event.steps;
        return;
      default:
        event satisfies never;
    }
  }

  /** A server that was started anew begins its clock anew: what came before cannot be shown beside it. */
  #greet(event: Extract<LiveEvent, { kind: "hello" }>): void {
    if (event.startedUnixMs !== this.startedUnixMs) {
      this.models.clear();
      this.dropped = 0;
    }
    this.policies = event.policies;
    this.serverVersion = event.serverVersion;
    this.startedUnixMs = event.startedUnixMs;
    this.unixOriginMs = event.unixOriginMs;
    this.nowMs = event.nowMs;
    const named = new Set(event.models.map(({ id }) => id));
    for (const id of this.models.keys()) if (!named.has(id)) this.models.delete(id);
    for (const info of event.models) {
      const known = this.models.get(info.id);
      if (known === undefined) this.models.set(info.id, new ModelLive(info, this.#sizes));
      else known.info = info;
    }
  }
}

/** Shares of a time shorter than this jump about, seconds. */
const SHARE_SECONDS = 10;

/**
 * How much of one counter's growth another had, at each moment over the ten seconds before it (one bin, of bins): what the
 * prefix cache had of the prompt tokens looked up. Null where nothing grew.
 */
export function rollingShare(
  seconds: readonly number[],
  part: readonly (number | null)[],
  whole: readonly (number | null)[],
): (number | null)[] {
  let from = 0;
  return seconds.map((second, index): number | null => {
    while (from + 1 < index && seconds[from + 1]! <= second - SHARE_SECONDS) from += 1;
    const [first, last] = [whole[from] ?? null, whole[index] ?? null];
    const [firstPart, lastPart] = [part[from] ?? null, part[index] ?? null];
    if (first === null || last === null || firstPart === null || lastPart === null) return null;
    return last > first ? Math.min(1, Math.max(0, (lastPart - firstPart) / (last - first))) : null;
  });
}

/** By how much a counter grew over a column; a counter that began anew grew by what it has now. */
function grown(column: readonly (number | null)[]): number {
  let [first, last]: [number | null, number | null] = [null, null];
  for (const value of column) {
    if (value === null) continue;
    first ??= value;
    last = value;
  }
  if (first === null || last === null) return 0;
  return last >= first ? last - first : last;
}
