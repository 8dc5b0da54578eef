/** What a server says about itself: its models and its health. */
import { z } from "zod";

/** A served model. */
export const modelSchema = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.number().int(),
  owned_by: z.string(),
  /** vLLM's name for the context length, in tokens. */
  max_model_len: z.number().int(),
  /** Of an adapter: the model it changes. */
  parent: z.string().optional(),
});
/** A served model. */
export type ModelObject = z.infer<typeof modelSchema>;

/** All served models. */
export const modelListSchema = z.object({ object: z.literal("list"), data: z.array(modelSchema) });
/** All served models. */
export type ModelList = z.infer<typeof modelListSchema>;

/** The answer of GET /version. */
export const versionSchema = z.object({ version: z.string() });

/** Where a model's engine is in its life. */
export const engineStateSchema = z.enum(["starting", "ready", "restarting", "stopping", "stopped"]);

/** 200 when every model is ready, else 503: a load balancer needs only the status. */
export const healthSchema = z.object({
  status: z.enum(["ready", "starting", "restarting", "stopping", "stopped"]),
  models: z.record(z.string(), engineStateSchema),
  /** Scheduling policy of each model that is there. */
  policies: z.record(z.string(), z.string()),
});
/** The answer of GET /health. */
export type Health = z.infer<typeof healthSchema>;
