/**
 * The outlook that learns: answer lengths by a predictor, sub-deadlines of compound tasks by a tracker of past ones, attained
 * service by a ledger. What `jitserve` wants of a view; any policy may use it.
 *
 *   const outlook = new LearningOutlook({ predictor: new ForestLengthPredictor({ random }) });
 *
 * It learns from ended requests only. A request's length is asked of the predictor with its features and how far it has
 * come, so that nothing that has not happened yet can be told.
 */
import { assert } from "../core/index.ts";
import { TaskTracker } from "./jitserve/task-tracker.ts";
import type { LearntState } from "./learnt-state.ts";
import { TaskLedger, type ArrivedRequest, type Outlook, type RequestOutlook } from "./outlook.ts";
import { lengthFeatures, type LengthFeatures } from "./predict/features.ts";
import type { LengthPredictor } from "./predict/length-predictor.ts";

/** Parts of a LearningOutlook; several may share them, as the phases of one engine do. */
export interface LearningOutlookParts {
  readonly predictor: LengthPredictor;
  /** A tracker of its own when absent. */
  readonly tracker?: TaskTracker;
  /** A ledger of its own when absent. */
  readonly ledger?: TaskLedger;
  /** Told of every request with the features that will stand for it; how an oracle learns what it repeats. */
  readonly onArrival?: (request: ArrivedRequest, features: LengthFeatures) => void;
}

interface OpenRequest {
  readonly request: ArrivedRequest;
  readonly features: LengthFeatures;
}

/** The outlook at the head of this file. */
export class LearningOutlook implements Outlook {
  readonly #predictor: LengthPredictor;
  readonly #tracker: TaskTracker;
  readonly #ledger: TaskLedger;
  readonly #onArrival: LearningOutlookParts["onArrival"];
  readonly #open = new Map<number, OpenRequest>();
  /** The pause that there is has been used. */
  #rested = true;

  constructor({ predictor, tracker = new TaskTracker(), ledger = new TaskLedger(), onArrival }: LearningOutlookParts) {
    this.#predictor = predictor;
    this.#tracker = tracker;
    this.#ledger = ledger;
    this.#onArrival = onArrival;
  }

  arrived(request: ArrivedRequest): void {
    if (this.#open.size === 0) this.settle();
    const { id, prompt, maxTokens, arrivalMs, slo, task } = request;
    const features = request.features ?? lengthFeatures(prompt, maxTokens);
    this.#open.set(id, { request, features });
    this.#onArrival?.(request, features);
    if (task === undefined) return;
    this.#ledger.add(task.id, 0);
    this.#tracker.stageStarted({
      taskId: task.id,
      stageId: id,
      stage: task.stage,
      kind: "llm",
      inputTokens: prompt.length,
      nowMs: arrivalMs,
      ...(slo.class === "compound" && slo.deadlineMs !== undefined ? { deadlineAtMs: arrivalMs + slo.deadlineMs } : {}),
    });
  }

  computed(id: number, tokens: number): void {
    const task = this.#open.get(id)?.request.task;
    if (task !== undefined) this.#ledger.add(task.id, tokens);
  }

  ended(id: number, generatedTokens: number, complete: boolean, nowMs: number): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.#rested = false;
    if (complete) this.#predictor.observe(open.features, generatedTokens);
    const { task } = open.request;
    if (task === undefined) return;
    if (complete) this.#tracker.stageFinished({ taskId: task.id, stageId: id, outputTokens: generatedTokens, nowMs });
    else this.#tracker.stageFailed(task.id, id, nowMs);
  }

  settle(): void {
    const pause = this.#open.size === 0;
    this.#predictor.settle?.(pause && !this.#rested);
    this.#rested ||= pause;
  }

  /** What it has learnt so far. */
  learnt(): LearntState {
    return { lengths: this.#predictor.log?.() ?? [], patterns: this.#tracker.patterns.graphs };
  }

  of(id: number, generatedTokens: number): RequestOutlook {
    const open = this.#open.get(id);
    assert(open !== undefined, "an outlook is asked of requests that have arrived and not ended");
    const { arrivalMs, task } = open.request;
    const lengths = this.#lengths(open, generatedTokens);
    if (task === undefined) return lengths;
    return {
      ...lengths,
      task: { ...this.#tracker.stageView(task.id, id, arrivalMs), stage: task.stage },
      attainedTokens: this.#ledger.attained(task.id),
    };
  }

  /** Nothing while nothing is known. */
  #lengths({ request, features }: OpenRequest, generatedTokens: number): RequestOutlook {
    if (!this.#predictor.ready) return {};
    const { expectedTokens, upperTokens } = this.#predictor.predict(features, generatedTokens, request.maxTokens);
    return {
      expectedTokens: Math.max(generatedTokens, expectedTokens),
      upperTokens: Math.max(generatedTokens, upperTokens),
    };
  }
}
