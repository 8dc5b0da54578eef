/** The models that are served, as the chat page needs them; read anew when the server says that they have changed. */
import { effect, signal, untracked } from "@preact/signals";
import type { AdminModel, AdminModels, ModelList } from "@protocol";
import { ApiError, getJson } from "../../lib/api.ts";
import { liveHello } from "../../lib/live.ts";

/** A model to talk to: all that the server says of it, or only its name where it says no more. */
export type ChatModel = Pick<
  AdminModel,
  | "id"
  | "state"
  | "parameters"
  | "contextTokens"
  | "capabilities"
  | "about"
  | "policy"
  | "fixedPolicy"
  | "defaultTargets"
>;

/** Null until they were read for the first time. */
export const models = signal<readonly ChatModel[] | null>(null);
/** Why they could not be read, or null. */
export const modelsProblem = signal<string | null>(null);

/** Reads them now. */
export async function readModels(): Promise<void> {
  try {
    models.value = (await getJson<AdminModels>("admin/models")).models;
    modelsProblem.value = null;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return readNames();
    modelsProblem.value = error instanceof Error ? error.message : String(error);
  }
}

/** A server without the console's endpoints still says its models' names. */
async function readNames(): Promise<void> {
  try {
    const { data } = await getJson<ModelList>("v1/models");
    models.value = data.map(({ id, max_model_len }) => ({
      id,
      state: "loaded",
      parameters: 0,
      contextTokens: max_model_len,
      capabilities: { chat: true, completions: true, tools: true, schema: true, thinking: true, embeddings: false },
      about: null,
      policy: "",
      defaultTargets: { class: "best-effort", onMiss: "finish" },
    }));
    modelsProblem.value = null;
  } catch (error) {
    modelsProblem.value = error instanceof Error ? error.message : String(error);
  }
}

/** Follows the server from now on, until the returned function is called. */
export function followModels(): () => void {
  return effect(() => {
    void liveHello.value;
    untracked(() => void readModels());
  });
}

/** Names of policies that can be switched to. */
export function policyNames(): readonly string[] {
  return liveHello.value?.policies ?? [];
}

/** The policy in force for a model, or null when the server has not said. */
export function policyOf(model: string): string | null {
  const live = liveHello.value?.models.find(({ id }) => id === model)?.policy;
  const told = live ?? models.value?.find(({ id }) => id === model)?.policy;
  return told === undefined || told === "" ? null : told;
}
