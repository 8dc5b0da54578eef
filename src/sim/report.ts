/**
 * What came of a simulation, in constant memory: latencies, attainment by class, goodput, occupancy. Nothing is kept per
 * request; whoever wants records listens to them one by one.
 *
 * Attainment counts every request that has a target and was not cancelled by its client: those turned away count as
 * missed. Of class "compound" whole tasks are counted, not their requests.
 */
import { goodTokens, SLO_CLASSES, sloOutcome, sloTargets, type Slo, type SloClass } from "../sched/index.ts";
import type { MigrationReport } from "./migration.ts";
import type { SimSequence } from "./sequence.ts";
import { Latencies, type LatencySummary } from "./latency.ts";
import type { TaskEnd } from "./tasks.ts";
import type { SimEnd } from "./types.ts";

/** One request that is over. Times are milliseconds from the start of the trace. */
export interface RequestRecord {
  /** Of the trace. */
  readonly id: number;
  readonly instance: number | null;
  readonly class: SloClass;
  readonly end: SimEnd | "abandoned";
  readonly arrivalMs: number;
  /** Last time it was taken from the queue before its first token; null when it never was. */
  readonly scheduledMs: number | null;
  readonly firstTokenMs: number | null;
  readonly endMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly preemptions: number;
  /** Null without a target. */
  readonly attained: boolean | null;
}

/** Requests that met a target, of those that had it. */
export interface Attainment {
  readonly requests: number;
  readonly attained: number;
  /** Null when nobody had the target. */
  readonly share: number | null;
}

/** Attainment of one class, target by target; "all" is the joint condition. */
export interface ClassAttainment {
  readonly all: Attainment;
  readonly ttft: Attainment;
  readonly tpot: Attainment;
  readonly deadline: Attainment;
}

/** One instance's part. */
export interface InstanceReport {
  readonly index: number;
  readonly role: string;
  readonly steps: number;
  readonly preemptions: number;
  /** From its start to its stop or the end. */
  readonly aliveMs: number;
  /** Share of it spent in steps. */
  readonly utilization: number;
}

/** Everything, plain data. */
export interface SimulationReport {
  readonly requests: Readonly<Record<SimEnd | "abandoned" | "arrived", number>>;
  readonly tokens: { readonly prompt: number; readonly cached: number; readonly output: number };
  /** From the first arrival to the last end. */
  readonly spanMs: number;
  readonly throughput: { readonly requestsPerSecond: number; readonly tokensPerSecond: number };
  /** Within their objectives; requests without a target count as good. */
  readonly goodput: { readonly requestsPerSecond: number; readonly tokensPerSecond: number };
  readonly attainment: { readonly all: Attainment; readonly byClass: Readonly<Record<SloClass, ClassAttainment>> };
  /** From arrival, of requests that got that far. */
  readonly ttftMs: LatencySummary;
  readonly e2eMs: LatencySummary;
  /** Time per output token: (last - first) / (tokens - 1), of requests with two tokens or more. */
  readonly tpotMs: LatencySummary;
  /** The other definition: from arrival to the last token, per token. */
  readonly tpotWithFirstMs: LatencySummary;
  /** Every gap between two tokens of one request. */
  readonly gapMs: LatencySummary;
  /** From arrival to the queue's end. */
  readonly queueMs: LatencySummary;
  readonly queue: { readonly meanWaiting: number; readonly mostWaiting: number; readonly meanRunning: number };
  readonly steps: number;
  readonly preemptions: number;
  /** Between phases they are hand-overs. */
  readonly migrations: MigrationReport & { readonly handovers: number };
  readonly instances: readonly InstanceReport[];
  readonly instanceSeconds: number;
  readonly utilization: number;
}

class Count {
  requests = 0;
  attained = 0;

  add(attained: boolean): void {
    this.requests += 1;
    if (attained) this.attained += 1;
  }

  read(): Attainment {
    const { requests, attained } = this;
    return { requests, attained, share: requests === 0 ? null : attained / requests };
  }
}

class ClassCounts {
  readonly all = new Count();
  readonly ttft = new Count();
  readonly tpot = new Count();
  readonly deadline = new Count();

  read(): ClassAttainment {
    return { all: this.all.read(), ttft: this.ttft.read(), tpot: this.tpot.read(), deadline: this.deadline.read() };
  }
}

/** What a request is judged by when it is over. */
export interface FinishedRequest {
  readonly id: number;
  readonly instance: number | null;
  readonly slo: Slo;
  readonly end: SimEnd | "abandoned";
  readonly arrivalMs: number;
  readonly endMs: number;
  readonly promptTokens: number;
  /** Null when it never came to an instance. */
  readonly sequence: SimSequence | null;
}

/** Gathers a report while a simulation runs. */
export class ReportBuilder {
  readonly #ends = new Map<SimEnd | "abandoned", number>();
  readonly #classes = new Map(SLO_CLASSES.map((kind) => [kind, new ClassCounts()]));
  readonly #ttft = new Latencies();
  readonly #e2e = new Latencies();
  readonly #tpot = new Latencies();
  readonly #tpotWithFirst = new Latencies();
  readonly #gaps = new Latencies();
  readonly #queue = new Latencies();
  #arrived = 0;
  #promptTokens = 0;
  #cachedTokens = 0;
  #outputTokens = 0;
  #goodRequests = 0;
  #goodTokens = 0;
  #firstMs = Infinity;
  #lastMs = 0;

  arrived(nowMs: number): void {
    this.#arrived += 1;
    if (nowMs < this.#firstMs) this.#firstMs = nowMs;
  }

  gap(ms: number): void {
    this.#gaps.observe(ms);
  }

  /** @returns the record of it. */
  finished(request: FinishedRequest): RequestRecord {
    const { slo, end, sequence, arrivalMs, endMs } = request;
    this.#ends.set(end, (this.#ends.get(end) ?? 0) + 1);
    this.#lastMs = Math.max(this.#lastMs, endMs);
    const firstTokenMs = sequence?.firstTokenMs ?? null;
    const tokens = sequence?.generatedTokens ?? 0;
    const lastMs = end === "done" ? (sequence?.lastTokenMs ?? endMs) : endMs;
    const outcome = sloOutcome(slo, arrivalMs, firstTokenMs, lastMs, tokens, end === "done");
    const hasTarget = slo.ttftMs !== undefined || slo.tpotMs !== undefined || slo.deadlineMs !== undefined;
    const attained = !hasTarget || end === "cancelled" || end === "abandoned" ? null : outcome.attained;
    this.#promptTokens += request.promptTokens;
    this.#outputTokens += tokens;
    this.#cachedTokens += sequence?.cachedTokens ?? 0;
    if (attained !== null && slo.class !== "compound") this.#judge(slo, outcome, attained);
    if (slo.class !== "compound" && end === "done" && attained !== false) this.#goodRequests += 1;
    if (slo.class !== "compound" && end !== "cancelled") {
      const good = hasTarget ? attained === true : end === "done";
      this.#goodTokens += goodTokens(slo, good, tokens, sequence?.tokensInTime ?? 0);
    }
    this.#latencies(request, tokens);
    return {
      id: request.id,
      instance: request.instance,
      class: slo.class,
      end,
      arrivalMs,
      scheduledMs: sequence?.scheduledMs ?? null,
      firstTokenMs,
      endMs,
      promptTokens: request.promptTokens,
      cachedTokens: sequence?.cachedTokens ?? 0,
      outputTokens: tokens,
      preemptions: sequence?.preemptions ?? 0,
      attained,
    };
  }

  /** A whole task is over. */
  task(task: TaskEnd): void {
    const attained = task.complete && (task.deadlineMs === null || task.endMs - task.arrivalMs <= task.deadlineMs);
    if (task.deadlineMs === null) return;
    const counts = this.#classes.get("compound")!;
    counts.all.add(attained);
    counts.deadline.add(attained);
    if (!attained) return;
    this.#goodRequests += task.requests;
    this.#goodTokens += task.outputTokens;
  }

  build(
    rest: Pick<SimulationReport, "queue" | "steps" | "preemptions" | "migrations" | "instances">,
  ): SimulationReport {
    const spanMs = Math.max(0, this.#lastMs - Math.min(this.#firstMs, this.#lastMs));
    const perSecond = (count: number): number => (spanMs > 0 ? (count / spanMs) * 1000 : 0);
    const of = (end: SimEnd | "abandoned"): number => this.#ends.get(end) ?? 0;
    const all = new Count();
    for (const { all: one } of this.#classes.values()) {
      all.requests += one.requests;
      all.attained += one.attained;
    }
    const classes = (kind: SloClass): ClassAttainment => this.#classes.get(kind)!.read();
    const aliveMs = rest.instances.reduce((sum, instance) => sum + instance.aliveMs, 0);
    const busyMs = rest.instances.reduce((sum, instance) => sum + instance.aliveMs * instance.utilization, 0);
    return {
      requests: {
        arrived: this.#arrived,
        done: of("done"),
        cut: of("cut"),
        expired: of("expired"),
        rejected: of("rejected"),
        refused: of("refused"),
        "too-long": of("too-long"),
        cancelled: of("cancelled"),
        failed: of("failed"),
        abandoned: of("abandoned"),
      },
      tokens: { prompt: this.#promptTokens, cached: this.#cachedTokens, output: this.#outputTokens },
      spanMs,
      throughput: { requestsPerSecond: perSecond(of("done")), tokensPerSecond: perSecond(this.#outputTokens) },
      goodput: { requestsPerSecond: perSecond(this.#goodRequests), tokensPerSecond: perSecond(this.#goodTokens) },
      attainment: {
        all: all.read(),
        byClass: {
          latency: classes("latency"),
          deadline: classes("deadline"),
          compound: classes("compound"),
          "best-effort": classes("best-effort"),
        },
      },
      ttftMs: this.#ttft.summary(),
      e2eMs: this.#e2e.summary(),
      tpotMs: this.#tpot.summary(),
      tpotWithFirstMs: this.#tpotWithFirst.summary(),
      gapMs: this.#gaps.summary(),
      queueMs: this.#queue.summary(),
      ...rest,
      instanceSeconds: aliveMs / 1000,
      utilization: aliveMs > 0 ? busyMs / aliveMs : 0,
    };
  }

  #judge(slo: Slo, outcome: ReturnType<typeof sloOutcome>, attained: boolean): void {
    const counts = this.#classes.get(slo.class)!;
    counts.all.add(attained);
    const targets = sloTargets(slo, outcome);
    if (targets.ttft !== undefined) counts.ttft.add(targets.ttft);
    if (targets.tpot !== undefined) counts.tpot.add(targets.tpot);
    if (targets.deadline !== undefined) counts.deadline.add(targets.deadline && attained);
  }

  #latencies({ sequence, end, arrivalMs }: FinishedRequest, tokens: number): void {
    if (sequence === null) return;
    const { scheduledMs, firstTokenMs, lastTokenMs } = sequence;
    if (scheduledMs !== null) this.#queue.observe(scheduledMs - arrivalMs);
    if (firstTokenMs === null || lastTokenMs === null) return;
    this.#ttft.observe(firstTokenMs - arrivalMs);
    if (end !== "done") return;
    this.#e2e.observe(lastTokenMs - arrivalMs);
    this.#tpotWithFirst.observe((lastTokenMs - arrivalMs) / tokens);
    if (tokens > 1) this.#tpot.observe((lastTokenMs - firstTokenMs) / (tokens - 1));
  }
}
