/**
 * Watches compound tasks: which stages run, which have ended, and by when each level should be complete
 * so that the task meets its deadline. Whoever carries requests out tells it when stages start and
 * finish; it tells the sub-deadline that a scheduler's view carries.
 *
 * The time left when a level starts is cut by the shares that similar tasks of the past needed (JITServe,
 * NSDI 2026): slices of all levels add up to the deadline, and what one level took too long the later
 * ones pay in proportion. The cut is made anew whenever a stage starts or ends, because each tells more
 * about which task it is. It schedules nothing and reads no clock.
 */
import { assert } from "../../core/index.ts";
import type { TaskStage } from "../types.ts";
import { MAX_LEVELS, MAX_STAGES, patternGraph, type Stage, type StageKind } from "./pattern-graph.ts";
import { PatternStore } from "./pattern-store.ts";

/** Bounds of a tracker. */
export interface TaskTrackerOptions {
  /** The history to match with and to add to; an empty one when absent. */
  readonly patterns?: PatternStore;
  /** Most tasks at once; the longest untouched is forgotten beyond. 1,000 when absent. */
  readonly maxTasks?: number;
  /** A task without a running stage for so long has ended; 30,000 when absent. */
  readonly idleMs?: number;
}

/** A stage begins: a request has arrived, or a tool was called. All times are of one clock. */
export interface StageStart {
  readonly taskId: string;
  /** Unique within the task; what `stageFinished` names it by. */
  readonly stageId: string | number;
  readonly kind: StageKind;
  /** Its level, from 0. When absent: beside the stages that run, or else after all that have ended. */
  readonly stage?: number;
  readonly inputTokens: number;
  /** The task's deadline, milliseconds of the same clock; the first that is given holds. */
  readonly deadlineAtMs?: number;
  readonly nowMs: number;
}

/** A stage has ended well. */
export interface StageFinish {
  readonly taskId: string;
  readonly stageId: string | number;
  readonly outputTokens: number;
  readonly nowMs: number;
}

interface LiveStage extends Stage {
  outputTokens: number | null;
  endMs: number | null;
}

interface LiveTask {
  readonly id: string;
  readonly stages: Map<string | number, LiveStage>;
  readonly startMs: number;
  deadlineAtMs: number;
  touchedMs: number;
  /** Something failed: not a pattern to learn from. */
  broken: boolean;
  /** Sub-deadline of each level that was asked for since the last change. */
  readonly due: Map<number, number>;
}

/** The tracker at the head of this file. */
export class TaskTracker {
  readonly #patterns: PatternStore;
  readonly #maxTasks: number;
  readonly #idleMs: number;
  /** The longest untouched first. */
  readonly #tasks = new Map<string, LiveTask>();

  constructor({ patterns = new PatternStore(), maxTasks = 1000, idleMs = 30_000 }: TaskTrackerOptions = {}) {
    assert(maxTasks >= 1 && idleMs > 0, "a tracker holds a task for some time");
    this.#patterns = patterns;
    this.#maxTasks = maxTasks;
    this.#idleMs = idleMs;
  }

  /** Tasks watched now. */
  get size(): number {
    return this.#tasks.size;
  }

  /** The history of ended tasks. */
  get patterns(): PatternStore {
    return this.#patterns;
  }

  /** Also ends tasks that have been idle. Stages beyond the largest graph are scheduled but not counted. */
  stageStarted({ taskId, stageId, kind, stage, inputTokens, deadlineAtMs, nowMs }: StageStart): void {
    this.sweep(nowMs);
    const task = this.#tasks.get(taskId) ?? this.#open(taskId, nowMs);
    this.#touch(task, nowMs);
    if (task.deadlineAtMs === Infinity && deadlineAtMs !== undefined) task.deadlineAtMs = deadlineAtMs;
    if (task.stages.size >= MAX_STAGES || task.stages.has(stageId)) return;
    const level = Math.min(MAX_LEVELS - 1, Math.max(0, stage ?? impliedLevel(task)));
    let dependencies = 0;
    for (const other of task.stages.values()) if (other.level === level - 1) dependencies += 1;
    task.stages.set(stageId, {
      kind,
      level,
      inputTokens,
      outputTokens: null,
      startMs: nowMs,
      endMs: null,
      dependencies,
    });
  }

  /** Unknown tasks and stages are of tasks that were forgotten. */
  stageFinished({ taskId, stageId, outputTokens, nowMs }: StageFinish): void {
    const task = this.#tasks.get(taskId);
    const stage = task?.stages.get(stageId);
    if (task === undefined || stage === undefined || stage.endMs !== null) return;
    this.#touch(task, nowMs);
    stage.outputTokens = outputTokens;
    stage.endMs = nowMs;
  }

  /** The stage was refused, cancelled or failed. Its task goes on, but nothing is learnt from it. */
  stageFailed(taskId: string, stageId: string | number, nowMs: number): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined || !task.stages.delete(stageId)) return;
    this.#touch(task, nowMs);
    task.broken = true;
  }

  /** The task is over and becomes a pattern. Tasks that nobody ends are ended when idle. */
  taskFinished(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    this.#tasks.delete(taskId);
    if (task.broken || runs(task)) return;
    this.#patterns.add(patternGraph([...task.stages.values()]));
  }

  /** Ends the tasks that have been idle for long enough. */
  sweep(nowMs: number): void {
    for (const task of this.#tasks.values()) {
      if (nowMs - task.touchedMs < this.#idleMs) return;
      if (runs(task)) this.#touch(task, nowMs);
      else this.taskFinished(task.id);
    }
  }

  /** When the whole task should be complete; Infinity when nobody said or nobody knows the task. */
  deadlineAtMs(taskId: string): number {
    return this.#tasks.get(taskId)?.deadlineAtMs ?? Infinity;
  }

  /**
   * When the level of a stage should be complete: after the task's deadline never. Infinity without a
   * deadline; the deadline itself while no task like it has ended.
   */
  subDeadlineAtMs(taskId: string, stageId: string | number): number {
    const task = this.#tasks.get(taskId);
    if (task === undefined || task.deadlineAtMs === Infinity) return Infinity;
    const stage = task.stages.get(stageId);
    if (stage === undefined) return task.deadlineAtMs;
    let due = task.due.get(stage.level);
    if (due === undefined) {
      due = this.#subDeadline(task, stage.level);
      task.due.set(stage.level, due);
    }
    return due;
  }

  /** What a view says of a request that is this stage. @param arrivalMs of the request. */
  stageView(taskId: string, stageId: string | number, arrivalMs: number): TaskStage {
    const due = this.subDeadlineAtMs(taskId, stageId);
    const stage = this.#tasks.get(taskId)?.stages.get(stageId)?.level ?? 0;
    return { id: taskId, stage, ...(due === Infinity ? {} : { deadlineMs: due - arrivalMs }) };
  }

  /** @throws AssertionError when a bound does not hold. */
  checkIntegrity(): void {
    assert(this.#tasks.size <= this.#maxTasks, "tasks are bounded");
    for (const task of this.#tasks.values()) {
      assert(task.stages.size <= MAX_STAGES, "stages of a task are bounded");
      for (const { startMs, endMs } of task.stages.values()) {
        assert(startMs >= task.startMs, "no stage starts before its task");
        assert(endMs === null || endMs >= startMs, "no stage ends before it starts");
      }
      for (const due of task.due.values()) assert(due <= task.deadlineAtMs, "no level is due after its task");
    }
  }

  #subDeadline(task: LiveTask, level: number): number {
    const stages = [...task.stages.values()];
    const startMs = Math.min(...stages.filter((s) => s.level === level).map((s) => s.startMs));
    const known = patternGraph(stages.filter((s) => s.level <= level));
    const ends = this.#patterns.outlook(known, level);
    const leftMs = task.deadlineAtMs - startMs;
    if (ends === null || leftMs <= 0) return task.deadlineAtMs;
    return Math.min(task.deadlineAtMs, startMs + ends[0]! * leftMs);
  }

  #open(id: string, nowMs: number): LiveTask {
    if (this.#tasks.size >= this.#maxTasks) {
      const [oldest] = this.#tasks.keys();
      this.taskFinished(oldest!);
    }
    return {
      id,
      stages: new Map(),
      startMs: nowMs,
      deadlineAtMs: Infinity,
      touchedMs: nowMs,
      broken: false,
      due: new Map(),
    };
  }

  #touch(task: LiveTask, nowMs: number): void {
    task.touchedMs = nowMs;
    task.due.clear();
    this.#tasks.delete(task.id);
    this.#tasks.set(task.id, task);
  }
}

function runs(task: LiveTask): boolean {
  for (const { endMs } of task.stages.values()) if (endMs === null) return true;
  return false;
}

function impliedLevel(task: LiveTask): number {
  let top = -1;
  let topRuns = false;
  for (const { level, endMs } of task.stages.values()) {
    if (level > top) topRuns = false;
    top = Math.max(top, level);
    if (level === top && endMs === null) topRuns = true;
  }
  return topRuns ? top : top + 1;
}
