/** The state of the Plan page, which outlives a visit to another page: settings, the run, what the server offers. */
import { signal } from "@preact/signals";
import type { PlanChoices, PlanEvent, TraceCard, WorldBody, WorldEvent } from "@protocol";
import { ApiError, getJson, send } from "../../lib/api.ts";
import { route } from "../../lib/router.ts";
import { browserStorage, writeSetting } from "../../lib/storage.ts";
import { LatestJob } from "./job.ts";
import { advance, begin, IDLE, isBusy, type PlanRun } from "./run.ts";
import { planRequest, readSettings, worldRequest, type PlanSettings } from "./settings.ts";

const SLOT = "punctual.plan";
const storage = browserStorage();

/** What is set. */
export const settings = signal<PlanSettings>(readSettings(parsed(storage.getItem(SLOT))));
/** The last plan, or the one that is being made. */
export const run = signal<PlanRun>(IDLE);
/** The last plan that was completed: shown, dimmed, while the next is being made. */
export const lastDone = signal<PlanRun | null>(null);
/** What can be planned with; null until the server has said. */
export const choices = signal<PlanChoices | null>(null);
/** Why it has not. */
export const choicesProblem = signal<string | null>(null);
/** What is missing from the settings, in words. */
export const missing = signal<string | null>(null);

const job = new LatestJob<PlanEvent>("/admin/plan");
/** Changes settings, keeps them, and asks anew what is shown. */
export function change(part: Partial<PlanSettings>): void {
  settings.value = { ...settings.value, ...part };
  writeSetting(storage, SLOT, { ...settings.value, calibration: null });
  if (route.peek().path[0] === "world") {
    isPlanOld = true;
    askWorld();
  } else {
    isWorldOld = true;
    ask();
  }
}

// What was asked before the last change, and not since: the other view asks when it is shown.
let isPlanOld = true;
let isWorldOld = true;

/** Asks what a view shows, unless that is known already. */
export function askIfOld(view: "fleet" | "world"): void {
  if (view === "fleet" && isPlanOld) ask(true);
  if (view === "world" && isWorldOld) askWorld(true);
}

/** A single world: the latest word of it. */
export interface WorldRun {
  readonly status: "idle" | "running" | "done" | "failed" | "cancelled";
  /** Requests over, of `requests`. */
  readonly over: number;
  readonly requests: number;
  readonly world: WorldBody | null;
  readonly seconds: number;
  readonly command: string;
  readonly problem: string | null;
}

const NO_WORLD: WorldRun = {
  status: "idle",
  over: 0,
  requests: 0,
  world: null,
  seconds: 0,
  command: "",
  problem: null,
};

/** The world that is simulated, or was; its figures stay until the next has some. */
export const worldRun = signal<WorldRun>(NO_WORLD);
const worldJob = new LatestJob<WorldEvent>("/admin/simulate");

/** Simulates one world; a moment after the last change, or at once. */
export function askWorld(isNow = false): void {
  isWorldOld = false;
  const put = (part: Partial<WorldRun>): void => void (worldRun.value = { ...worldRun.value, ...part });
  put({ status: "running", over: 0, requests: settings.value.requests, problem: null });
  worldJob.ask(
    worldRequest(settings.value),
    {
      event: (event) => {
        if (event.kind === "progress") put({ over: event.over });
        else if (event.kind === "error") put({ status: "failed", problem: event.message });
        else if (event.kind === "done") {
          put({ status: "done", world: event.world, seconds: event.seconds, command: event.command });
        }
      },
      failed: (problem) => put({ status: "failed", problem }),
      ended: (wasCancelled) => {
        const problem = "The server ended the simulation before it was complete.";
        if (!wasCancelled && worldRun.value.status === "running") put({ status: "failed", problem });
      },
    },
    isNow,
  );
}

/** Ends the world that is simulated. */
export function cancelWorld(): void {
  worldJob.cancel();
  if (worldRun.value.status === "running") worldRun.value = { ...worldRun.value, status: "cancelled" };
}

/** Plans; a moment after the last change, or at once. */
export function ask(isNow = false): void {
  isPlanOld = false;
  const made = planRequest(settings.value);
  missing.value = "problem" in made ? made.problem : null;
  if ("problem" in made) {
    job.cancel();
    return;
  }
  const start = begin(settings.value.modes);
  run.value = start;
  job.ask(
    made.request,
    {
      event: (event) => {
        run.value = advance(run.value, event);
        if (run.value.status === "done") lastDone.value = run.value;
      },
      failed: (problem) => void (run.value = { ...run.value, status: "failed", problem }),
      ended: (wasCancelled) => {
        if (wasCancelled || !isBusy(run.value)) return;
        run.value = { ...run.value, status: "failed", problem: "The server ended the plan before it was complete." };
      },
    },
    isNow,
  );
}

/** Ends the plan that is being made. */
export function cancel(): void {
  job.cancel();
  if (isBusy(run.value)) run.value = { ...run.value, status: "cancelled" };
}

/** Asks the server what can be planned with. */
export async function loadChoices(): Promise<void> {
  choicesProblem.value = null;
  try {
    const found = await getJson<PlanChoices>("/admin/plan");
    choices.value = found;
    const { source, traceId } = settings.value;
    const isGone = source === "trace" && !found.traces.some(({ id }) => id === traceId);
    // The server was restarted, or gave the trace up: nothing to plan on until another is brought.
    if (isGone) settings.value = { ...settings.value, source: "generate", traceId: null };
  } catch (error) {
    choicesProblem.value = wordsOf(error);
  }
}

/** Brings a trace to the server and plans on it. @throws Error in words. */
export async function bringTrace(file: File): Promise<TraceCard> {
  const most = choices.value?.limits.traceBytes ?? Infinity;
  if (file.size > most) throw new Error(`Expected a file of at most ${Math.floor(most / 2 ** 20)} MiB.`);
  try {
    const headers = { "content-type": "application/octet-stream" };
    const response = await send(`/admin/traces?name=${encodeURIComponent(file.name)}`, { raw: file, headers });
    const card = (await response.json()) as TraceCard;
    await loadChoices();
    change({ source: "trace", traceId: card.id, ratePerSecond: null });
    return card;
  } catch (error) {
    throw new Error(wordsOf(error), { cause: error });
  }
}

const wordsOf = (error: unknown): string =>
  error instanceof ApiError ? error.message : "The answer could not be read.";

function parsed(text: string | null): unknown {
  try {
    return text === null ? null : (JSON.parse(text) as unknown);
  } catch {
    return null; // written by somebody else
  }
}
