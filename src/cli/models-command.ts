/** `punctual models`: the models on this machine, and what the hub has: list, pull, remove, describe. */
import type { Command } from "commander";
import { fail } from "../core/index.ts";
import type { HubReference, StoredModel } from "../runtime/index.ts";
import { openStore, pullVisibly } from "./hub-settings.ts";
import { resolveModel } from "./models.ts";
import { bold, dim, formatBytes } from "./terminal.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export function addModels(program: Command): void {
  const models = program.command("models").description("list, pull, remove and describe models");
  models
    .command("ls")
    .description("the built-in models and those of the hub's cache")
    .option("--json", "one JSON array")
    .action(list);
  models
    .command("pull")
    .argument("<hf:org/name[@revision][:file.gguf]>", "a model of the hub")
    .description("bring a model as the hub has it now; goes on where a broken pull stopped")
    .option("--json", "one JSON object")
    .action(pull);
  models
    .command("rm")
    .argument("<hf:org/name[@revision][:file.gguf]>", "a model of the hub's cache")
    .description("remove a model, one revision or one file of it")
    .option("--json", "one JSON object")
    .action(remove);
  models
    .command("info")
    .argument("<model>", "a built-in model, folder, .gguf file or hf:org/name, pulled or not")
    .description("shape, parameters and what a token costs")
    .option("--json", "one JSON object")
    .action(info);
}

async function list({ json }: JsonFlag): Promise<void> {
  const { builtInModels } = await import("../llm/index.ts");
  const store = await openStore(true);
  const builtIns = builtInModels().map(({ name, dir }) => ({ name, format: "safetensors", built_in: true, path: dir }));
  const stored = (await store.list()).map((model) => ({ ...asJson(model), built_in: false }));
  if (json === true) {
    console.log(JSON.stringify([...builtIns, ...stored]));
    return;
  }
  for (const { name, path } of builtIns) console.log(`${bold(name)}  ${dim(`built in, ${path}`)}`);
  for (const { name, bytes, commit, revisions, missing } of stored) {
    const which = [...revisions, commit.slice(0, 12)].join(", ");
    const state = missing.length === 0 ? "" : `, incomplete: ${missing.length} files are missing`;
    console.log(`${bold(name)}  ${dim(`${formatBytes(bytes)}, ${which}${state}`)}`);
  }
}

async function pull(text: string, { json }: JsonFlag): Promise<void> {
  const model = await pullVisibly(await openStore(), await hubReference(text));
  if (json === true) console.log(JSON.stringify(asJson(model)));
  else console.log(`${bold(model.name)}  ${dim(`${formatBytes(model.bytes)}, commit ${model.commit.slice(0, 12)}`)}`);
}

async function remove(text: string, { json }: JsonFlag): Promise<void> {
  const freed = await (await openStore(true)).remove(await hubReference(text));
  if (json === true) console.log(JSON.stringify({ name: text, freed_bytes: freed }));
  else console.log(`${bold(text)}  ${dim(`removed, ${formatBytes(freed)} freed`)}`);
}

/** Errors: `invalid_request` for what is not a model of the hub: folders of the user's own are the user's to remove. */
async function hubReference(text: string): Promise<HubReference> {
  const { parseHubReference } = await import("../runtime/index.ts");
  return parseHubReference(text);
}

function asJson({ name, repo, commit, revisions, format, path, bytes, missing }: StoredModel) {
  return { name, format, path, bytes, repo, commit, revisions, missing };
}

async function info(text: string, { json }: JsonFlag): Promise<void> {
  const facts = await describe(text);
  if (json === true) {
    console.log(JSON.stringify(facts));
    return;
  }
  console.log(`${bold(facts.name)}  ${dim(facts.path ?? "on the hub, not pulled")}`);
  const perToken = Object.entries(facts.bytes_per_token).map(([format, bytes]) => `${format} ${formatBytes(bytes)}`);
  const kvPerToken = Object.entries(facts.kv_bytes_per_token).map(
    ([format, bytes]) => `${format} ${formatBytes(bytes)}`,
  );
  const memory = Object.entries(facts.memory_bytes).map(([format, bytes]) => `${format} ${formatBytes(bytes)}`);
  const rows: readonly (readonly [string, string])[] = [
    ["format", `${facts.format}${facts.model_type === null ? "" : `, ${facts.model_type}`}`],
    ["shape", `${facts.layers} layers of ${facts.hidden}, feed-forward ${facts.ffn}, vocabulary ${facts.vocab_size}`],
    ["heads", `${facts.heads} of ${facts.head_dim}, ${facts.kv_heads} for keys and values`],
    ["parameters", facts.parameters.toLocaleString("en")],
    ["context", `${facts.context_tokens} tokens`],
    ["bytes per token", perToken.join(", ")],
    ["KV per token", kvPerToken.join(", ")],
    ["memory", `${memory.join(", ")}, with the default KV cache`],
    ...(facts.bytes === null ? [] : [["files", formatBytes(facts.bytes)] as const]),
  ];
  for (const [label, value] of rows) console.log(`${label.padEnd(16)} ${value}`);
}

async function describe(text: string) {
  const { countParameters, fromHuggingFaceConfig } = await import("../llm/index.ts");
  const { estimateMemory, tokenCost } = await import("../runtime/index.ts");
  const source = await findConfig(text);
  const config = fromHuggingFaceConfig(source.config);
  const formats = ["f32", "int8", "int4"] as const;
  const each = <K extends string>(keys: readonly K[], of: (key: K) => number): Record<K, number> =>
    Object.fromEntries(keys.map((key) => [key, of(key)])) as Record<K, number>;
  const modelType = (source.config as { readonly model_type?: unknown } | null)?.model_type;
  return {
    name: source.name,
    path: source.path,
    format: source.format,
    model_type: typeof modelType === "string" ? modelType : null,
    bytes: source.bytes,
    parameters: countParameters(config),
    layers: config.layers,
    hidden: config.hidden,
    ffn: config.ffn,
    heads: config.heads,
    kv_heads: config.kvHeads,
    head_dim: config.headDim,
    vocab_size: config.vocabSize,
    context_tokens: config.maxPositions,
    bytes_per_token: each(formats, (weights) => tokenCost(config, weights).weightBytes),
    kv_bytes_per_token: each(["f32", "int8"], (kv) => tokenCost(config, "f32", kv).kvBytes),
    memory_bytes: each(formats, (weights) => estimateMemory({ model: { dir: "" }, weights }, config).totalBytes),
  };
}

interface ConfigSource {
  readonly name: string;
  readonly path: string | null;
  readonly format: string;
  readonly bytes: number | null;
  readonly config: unknown;
}

/** Where the configuration is: on this machine, or else at the hub, which is asked for that file alone. */
async function findConfig(text: string): Promise<ConfigSource> {
  const { readCheckpointFacts } = await import("../llm/index.ts");
  if (!text.startsWith("hf:")) {
    const { name, dir } = await resolveModel(text);
    const { format, config } = await readCheckpointFacts(dir);
    return { name, path: dir, format, bytes: null, config };
  }
  const reference = await hubReference(text);
  const store = await openStore();
  const stored = await store.find(reference);
  if (stored !== null) {
    const { format, config } = await readCheckpointFacts(stored.path);
    return { name: stored.name, path: stored.path, format, bytes: stored.bytes, config };
  }
  const remote = await store.inspect(reference);
  if (remote.config === null) {
    return fail("unsupported", `${text} has its configuration inside ${remote.files[0]!}: pull it to see it.`);
  }
  try {
    return { name: text, path: null, format: remote.format, bytes: remote.bytes, config: JSON.parse(remote.config) };
  } catch (cause) {
    return fail("invalid_file", `config.json of ${text} is not JSON.`, { param: "config.json", cause });
  }
}
