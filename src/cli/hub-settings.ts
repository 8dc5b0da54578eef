/** Where a user's models of the hub lie and who asks for them: the environment of Hugging Face's own tools. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { HubReference, ModelStore, StoredModel } from "../runtime/index.ts";
import { dim, formatBytes, startProgress } from "./terminal.ts";

/** A variable that is set to something. */
function variable(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === "" ? undefined : value;
}

/** The folder for caches: XDG_CACHE_HOME or ~/.cache. */
export function cacheHome(): string {
  const base = variable("XDG_CACHE_HOME");
  return base === undefined ? join(homedir(), ".cache") : resolve(base);
}

function hubHome(): string {
  return resolve(variable("HF_HOME") ?? join(cacheHome(), "huggingface"));
}

/** HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub: shared with Hugging Face's tools. */
function hubCache(): string {
  return resolve(variable("HF_HUB_CACHE") ?? join(hubHome(), "hub"));
}

/** HF_TOKEN, or the one that `hf auth login` has left. */
function hubToken(): string | undefined {
  const given = variable("HF_TOKEN");
  if (given !== undefined) return given;
  const file = variable("HF_TOKEN_PATH") ?? join(hubHome(), "token");
  const token = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  return token === "" ? undefined : token;
}

/** The user's models. `offline`, or HF_HUB_OFFLINE=1: nobody is asked. Errors: `invalid_request` for a bad HF_ENDPOINT. */
export async function openStore(offline = false): Promise<ModelStore> {
  const { DEFAULT_HUB_URL, ModelStore: Store } = await import("../runtime/index.ts");
  const isOffline = offline || /^(?:1|true|yes|on)$/i.test(variable("HF_HUB_OFFLINE") ?? "");
  const token = hubToken();
  const url = variable("HF_ENDPOINT") ?? DEFAULT_HUB_URL;
  const hub = isOffline ? null : { url, ...(token === undefined ? {} : { token }) };
  return new Store({ cacheDir: hubCache(), hub });
}

/** Pulls with a bar on the terminal; Ctrl-C keeps what has come for the next time. Errors: as the store's `pull`. */
export async function pullVisibly(store: ModelStore, reference: HubReference): Promise<StoredModel> {
  const { formatHubReference } = await import("../runtime/index.ts");
  const name = formatHubReference(reference);
  const progress = startProgress(`Pulling ${name}`, 100);
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    return await store.pull(reference, {
      signal: interrupted.signal,
      onProgress: (event) => {
        if (event.kind === "waiting") {
          progress.update(0, "waiting for another process that pulls it");
          return;
        }
        const { doneBytes, totalBytes, file } = event;
        const share = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100);
        progress.update(share, `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}  ${dim(file, process.stderr)}`);
      },
    });
  } finally {
    progress.stop();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}
