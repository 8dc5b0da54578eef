/** What GET /admin/models says, asked again whenever the live feed tells of a change or something here was done. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { AdminModels, ModelChange } from "@protocol";
import { ApiError, getJson, isAbort, send } from "../../lib/api.ts";
import { liveHello } from "../../lib/live.ts";
import { toast } from "../../ui/toast.tsx";

/** The last answer; null before the first. */
export const models = signal<AdminModels | null>(null);
/** Why there is none, or why it may be old. */
export const problem = signal<string | null>(null);
/** Models that were asked to load or unload from this page and have not answered yet. */
export const busy = signal<ReadonlyMap<string, "load" | "unload">>(new Map());

/** Asked again so often while a model is on its way somewhere, milliseconds. */
const POLL_MS = 1_500;

let asking: Promise<void> | null = null;

/** Asks now; calls that come while an answer is awaited share it. */
export async function refresh(): Promise<void> {
  asking ??= (async () => {
    try {
      models.value = await getJson<AdminModels>("/admin/models");
      problem.value = null;
    } catch (error) {
      if (!isAbort(error)) problem.value = error instanceof ApiError ? error.message : "The answer could not be read.";
    } finally {
      asking = null;
    }
  })();
  await asking;
}

/** Keeps `models` fresh while the component is mounted. */
export function useModels(): void {
  const hello = liveHello.value;
  useEffect(() => {
    void refresh();
  }, [hello]);
  const isMoving = models.value?.models.some(({ state }) => state !== "loaded" && state !== "unloaded") ?? false;
  useEffect(() => {
    if (!isMoving) return undefined;
    const timer = setInterval(() => void refresh(), POLL_MS);
    return () => clearInterval(timer);
  }, [isMoving]);
}

/** Loads or unloads a model and says how it went. */
export async function change(id: string, what: "load" | "unload"): Promise<void> {
  busy.value = new Map(busy.value).set(id, what);
  const told = setTimeout(() => void refresh(), 300); // by then its state says "loading"
  try {
    const response = await send(`/admin/models/${encodeURIComponent(id)}/${what}`, { method: "POST" });
    const { tookMs } = (await response.json()) as ModelChange;
    toast(`${id} is ${what === "load" ? "loaded" : "unloaded"}, after ${(tookMs / 1000).toFixed(1)} s.`);
  } catch (error) {
    const why = error instanceof ApiError ? error.message : "The answer could not be read.";
    toast(`${id} was not ${what}ed: ${why}`, { isBad: true });
  } finally {
    clearTimeout(told);
    const rest = new Map(busy.value);
    rest.delete(id);
    busy.value = rest;
    await refresh();
  }
}
