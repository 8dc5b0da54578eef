/**
 * The same question under two policies of one engine, one after the other. A policy is the engine's, so the switch is for
 * everybody who uses it; whatever happens, the one before is put back, also when the page is closed in the middle.
 */
import type { PolicyAnswer } from "@protocol";
import { addressOf, postJson, send } from "../../lib/api.ts";
import { apiKey } from "../../lib/key.ts";

const pathOf = (model: string): string => `admin/models/${encodeURIComponent(model)}/policy`;

/** Switches the policy of a model, for everybody. */
export async function switchPolicy(model: string, policy: string): Promise<PolicyAnswer> {
  return postJson<PolicyAnswer>(pathOf(model), { policy });
}

/** Runs something while it may switch policies, and puts `before` back at its end. @throws what `run` throws, or the failure to put it back. */
export async function puttingBack(model: string, before: string, run: () => Promise<void>): Promise<void> {
  const onLeave = (): void => {
    const key = apiKey.peek();
    // The page is going: nobody can wait for an answer, and `keepalive` lets the request outlive it.
    void fetch(addressOf(pathOf(model)), {
      method: "POST",
      keepalive: true,
      headers: { "content-type": "application/json", ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ policy: before }),
    });
  };
  addEventListener("pagehide", onLeave);
  try {
    await run();
  } finally {
    removeEventListener("pagehide", onLeave);
    await switchPolicy(model, before);
  }
}

/** Lets the company arrive first. */
const HEAD_START_MS = 20;

/**
 * Other requests beside the one that is looked at, so that the policy has something to decide: the same body, best effort.
 * Resolves when they are on their way; the returned function ends them.
 */
export async function withCompany(body: Readonly<Record<string, unknown>>, count: number): Promise<() => void> {
  const gone = new AbortController();
  const { slo: _slo, service_tier: _tier, ...rest } = body;
  for (let i = 0; i < count; i++) {
    const asked = { ...rest, slo: { class: "best-effort" } };
    void drain(asked, gone.signal);
  }
  if (count > 0) await new Promise((resolve) => setTimeout(resolve, HEAD_START_MS));
  return () => gone.abort();
}

async function drain(body: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void> {
  try {
    const response = await send("v1/chat/completions", { body, signal, isSilent: true });
    await response.text();
  } catch {
    return; // company that is refused or sent home is none
  }
}
