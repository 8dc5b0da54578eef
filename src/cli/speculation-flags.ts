/**
 * Flags about speculation: `--speculate` and those beside it, and vLLM's `--speculative-config`, whose fields mean the same.
 *
 *   --speculate draft:small --speculative-tokens 5
 *   --speculate heads
 *   --speculative-config '{"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 4}'
 */
import { resolve as resolvePath } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { z } from "zod";
import { fail } from "../core/index.ts";
import type { ModelFolder } from "../llm/index.ts";
import type { SpeculationMethod, SpeculationOptions } from "../runtime/index.ts";
import { wholeNumber } from "./arguments.ts";

/** Values of the flags that `addSpeculationOptions` declares. */
export interface SpeculationFlags {
  /** A method, or `draft:` and a model, or `heads:` and a folder. */
  readonly speculate?: string;
  readonly speculativeTokens?: number;
  readonly speculativeVocabulary?: number;
  readonly speculativeDrafts?: "likeliest" | "drawn";
  readonly speculativeConfig?: string;
}

/** What `--speculate` takes besides draft:<model> and heads:<folder>. */
const METHODS: readonly Exclude<SpeculationMethod, "draft">[] = ["off", "prediction", "ngram", "heads", "auto"];
/** What vLLM calls drafters that belong to the model itself. */
const HEADS_METHODS = ["mtp", "medusa", "mlp_speculator"] as const;
const MOST_TOKENS = 14;

/** Adds them to a command that starts engines. */
export function addSpeculationOptions(command: Command): Command {
  return command
    .option(
      "--speculate <method>",
      "check guesses at several next tokens in a step: ngram (repetitions), draft:<model> (a smaller model of the same " +
        "vocabulary), heads or heads:<folder> (made by punctual fit heads), prediction (what requests predict; serve's " +
        "default), auto (all that takes no second model) or off",
      methodText,
    )
    .option(
      "--speculative-tokens <count>",
      "most tokens guessed for a request in a step, fewer where fewer pay; 7 when absent",
      wholeNumber(1, MOST_TOKENS),
    )
    .option(
      "--speculative-vocabulary <count>",
      "heads guess only that many tokens of the vocabulary, the most frequent: faster, and wrong about rare words",
      wholeNumber(1, 2 ** 24),
    )
    .addOption(
      new Option(
        "--speculative-drafts <how>",
        "how a model drafts where requests sample: likeliest keeps a seed's text, drawn has more accepted",
      ).choices(["likeliest", "drawn"]),
    )
    .option("--speculative-config <json>", "the same as vLLM writes it", configText);
}

function methodText(text: string): string {
  if ((METHODS as readonly string[]).includes(text) || /^(?:draft|heads):.+/.test(text)) return text;
  throw new InvalidArgumentError(`Expected one of ${METHODS.join(", ")}, draft:<model> or heads:<folder>.`);
}

const configSchema = z.strictObject({
  method: z.enum(["ngram", "draft_model", ...HEADS_METHODS]).optional(),
  model: z.string().min(1).optional(),
  num_speculative_tokens: z.number().int().min(1).max(MOST_TOKENS).optional(),
  prompt_lookup_min: z.number().int().min(1).max(64).optional(),
  prompt_lookup_max: z.number().int().min(1).max(64).optional(),
});

function configText(text: string): string {
  readConfig(text);
  return text;
}

function readConfig(text: string): z.infer<typeof configSchema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new InvalidArgumentError("Expected a JSON object.");
  }
  const result = configSchema.safeParse(json);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new InvalidArgumentError(`${path.length === 0 ? "" : `${path.join(".")}: `}${message}`);
}

/**
 * The engine's options for a model of that folder; undefined where no flag asks for anything. A model never drafts for itself.
 * @param resolve the folder of a model as a user names it
 * @throws PunctualError invalid_request for flags that contradict each other; as `resolve`.
 */
export async function speculationOptions(
  flags: SpeculationFlags,
  dir: string,
  resolve: (text: string) => Promise<ModelFolder>,
): Promise<SpeculationOptions | undefined> {
  const { speculate, speculativeTokens, speculativeVocabulary, speculativeDrafts, speculativeConfig } = flags;
  const given = speculativeConfig === undefined ? null : fromConfig(speculativeConfig);
  if (given !== null && speculate !== undefined) {
    fail("invalid_request", "Expected --speculate or --speculative-config, not both.", { param: "--speculate" });
  }
  const text = given?.method ?? speculate;
  if (text === undefined) return undefined;
  const common = {
    ...given?.options,
    ...(speculativeTokens === undefined ? {} : { tokens: speculativeTokens }),
    ...(speculativeVocabulary === undefined ? {} : { vocabularyTokens: speculativeVocabulary }),
    ...(speculativeDrafts === undefined ? {} : { drafts: speculativeDrafts }),
  };
  if (text.startsWith("heads:")) {
    return { method: "heads", heads: { dir: resolvePath(text.slice("heads:".length)) }, ...common };
  }
  if (!text.startsWith("draft:")) return { method: text as SpeculationMethod, ...common };
  const draft = await resolve(text.slice("draft:".length));
  return draft.dir === dir
    ? { method: "prediction", ...common }
    : { method: "draft", model: { dir: draft.dir }, ...common };
}

function fromConfig(text: string): { readonly method: string; readonly options: Partial<SpeculationOptions> } {
  const config = readConfig(text);
  const { model, num_speculative_tokens: tokens, prompt_lookup_min: least, prompt_lookup_max: most } = config;
  const method = config.method ?? (model === undefined ? "ngram" : "draft_model");
  const length = tokens === undefined ? {} : { tokens };
  if (HEADS_METHODS.some((name) => name === method)) {
    return { method: model === undefined ? "heads" : `heads:${model}`, options: length };
  }
  if ((method === "draft_model") !== (model !== undefined)) {
    fail("invalid_request", "--speculative-config: a model goes with the method draft_model and with no other.", {
      param: "--speculative-config",
    });
  }
  // vLLM looks for the longest match first, down to the least; either alone stands for both.
  const maxMatch = most ?? least;
  const minMatch = least ?? most;
  if (minMatch !== undefined && maxMatch !== undefined && minMatch > maxMatch) {
    fail("invalid_request", "--speculative-config: expected prompt_lookup_min up to prompt_lookup_max.", {
      param: "--speculative-config",
    });
  }
  return {
    method: model === undefined ? "ngram" : `draft:${model}`,
    options: {
      ...length,
      ...(minMatch === undefined || maxMatch === undefined ? {} : { ngram: { minMatch, maxMatch } }),
    },
  };
}
