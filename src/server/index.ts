/**
 * server: OpenAI's HTTP interface over running engines.
 *
 *   const engine = await Engine.start({ model: { dir: "models/punctual-base" }, name: "punctual-base" });
 *   const server = createServer({ engines: [engine] });
 *   const { url } = await server.listen({ port: 8080 });
 *   // POST {url}/v1/chat/completions, /v1/completions; GET /v1/models, /health, /metrics, /
 *   await server.close({ graceMs: 5000 });
 *   await engine.stop();
 */
export type { ModelPull } from "./admin/models.ts";
export type { PaperIndex } from "./admin/papers.ts";
export type { PlanningJob, PlanService } from "./admin/plan.ts";
export type { ServerApp } from "./app.ts";
export type { ServerLog } from "./context.ts";
export {
  newKey,
  hashKey,
  plainKey,
  readKeyEntries,
  readKeyFile,
  type ApiKey,
  type KeyEntry,
  type KeyLimits,
} from "./security/keys.ts";
export { conversationPrompt, type PlainMessage } from "./openai/conversation.ts";
export { ReplyShaper, type ReplyPiece } from "./openai/reply.ts";
export { DEFAULT_TIERS, readTiers, type PromisingTier, type TierObjectives } from "./objective.ts";
export { createServer, type Listening, type ListenOptions, type PunctualServer, type ServerOptions } from "./server.ts";
