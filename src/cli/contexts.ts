/** `punctual contexts`: keys and values of long prompts on disk: put, get (from another machine too), ls, rm, serve. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Option, type Command } from "commander";
import type { ContextStore, KvAddress, NamedContext, StoredModel } from "../cluster/index.ts";
import { fail } from "../core/index.ts";
import type { KvFormat } from "../llm/index.ts";
import { byteSize, wholeNumber } from "./arguments.ts";
import { addBusOptions, busUrl, connectToBus, type BusFlags } from "./bus-flags.ts";
import type { PutOutcome } from "./contexts-put.ts";
import { cacheHome } from "./hub-settings.ts";
import { addKvTlsOptions, kvClientTls, kvServerTls, type KvTlsFlags } from "./kv-flags.ts";
import { resolveModel } from "./models.ts";
import { stopSignal } from "./stop-signal.ts";
import { bold, dim, formatBytes } from "./terminal.ts";

interface StoreFlags {
  readonly dir?: string;
  readonly maxBytes?: number;
  readonly json?: boolean;
}

/** What decides, beside the model's files, whether keys and values fit: storage of weights and of the cache. */
export interface ModelFlags {
  readonly model?: string;
  readonly weights: "f32" | "int8" | "int4";
  readonly kvCacheDtype: KvFormat;
}

/** Flags of `put`. */
export interface PutFlags extends StoreFlags, ModelFlags {
  readonly file?: string;
  readonly text?: string;
  readonly levels: string;
}

interface RemoteFlags extends StoreFlags, ModelFlags, BusFlags, KvTlsFlags {
  readonly from?: string;
  readonly token?: string;
  readonly level?: string;
}

interface ServeFlags extends StoreFlags, ModelFlags, KvTlsFlags {
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

function withStore(command: Command): Command {
  return command
    .option("--dir <folder>", "where contexts are kept; the cache folder of this user when absent")
    .option("--max-bytes <size>", "most bytes of it, for example 4GiB; 1 GiB when absent", byteSize)
    .option("--json", "one JSON object");
}

function withModel(command: Command): Command {
  return withStore(command)
    .option("--model <model>", "a built-in model, folder, .gguf file or hf:org/name; the first built-in when absent")
    .addOption(
      new Option("--weights <format>", "as the engines that will use it")
        .choices(["f32", "int8", "int4"])
        .default("f32"),
    )
    .addOption(new Option("--kv-cache-dtype <format>", "as theirs").choices(["f32", "int8"]).default("f32"));
}

export function addContexts(program: Command): void {
  const contexts = program
    .command("contexts")
    .description("keep keys and values of long prompts: put, get, ls, rm, serve");
  withModel(contexts.command("put").argument("<name>", "what to call it"))
    .description("compute a text once and keep it at several levels")
    .option("--file <file>", "the text; standard input when neither is given")
    .option("--text <text>", "the text itself")
    .option(
      "--levels <list>",
      "lossless, predicted-0 to -5, anchored-0 to -3, released-0 to -2, by commas",
      "lossless,anchored-1",
    )
    .action(put);
  addKvTlsOptions(addBusOptions(withModel(contexts.command("get").argument("<name>", "a context"))))
    .description("check a context that is here, or bring it from another machine's store")
    .option(
      "--from <host:port>",
      "where 'contexts serve' offers it; with --bus, workers of the fleet are asked instead",
    )
    .option("--token <secret>", "what it asks for")
    .option("--level <level>", "only this level; all when absent")
    .action(get);
  withStore(contexts.command("ls")).description("the contexts that are here").action(list);
  withStore(contexts.command("rm").argument("<name>", "a context"))
    .description("remove a context and what no other needs of it")
    .action(remove);
  addKvTlsOptions(withModel(contexts.command("serve")))
    .description("offer this machine's contexts of a model to others")
    .option("--host <address>", "where to listen", "127.0.0.1")
    .option("--port <port>", "any free one when 0", wholeNumber(0, 65535), 0)
    .requiredOption("--token <secret>", "what others must know")
    .action(serve);
}

function folderOf({ dir }: StoreFlags): string {
  return dir ?? join(cacheHome(), "punctual", "contexts");
}

/** @param adds what only looks, or takes away, must not make room: the store may be another's, with a limit of its own */
async function openStore(flags: StoreFlags, model: StoredModel, adds: boolean): Promise<ContextStore> {
  const { ContextStore: Store } = await import("../cluster/index.ts");
  const limit = flags.maxBytes === undefined ? (adds ? {} : { maxBytes: Infinity }) : { maxBytes: flags.maxBytes };
  return Store.open({ dir: folderOf(flags), fingerprint: model.fingerprint, label: model.label, ...limit });
}

/** The model that flags name, as stores know it. */
async function modelOf(flags: ModelFlags): Promise<StoredModel> {
  const { builtInModelDir } = await import("../llm/index.ts");
  const { modelFingerprint } = await import("../runtime/index.ts");
  const { name, dir } = await resolveModel(flags.model ?? builtInModelDir());
  const fingerprint = await modelFingerprint({ model: { dir }, weights: flags.weights, kvFormat: flags.kvCacheDtype });
  return { label: name, fingerprint };
}

async function put(name: string, flags: PutFlags): Promise<void> {
  const { builtInModelDir } = await import("../llm/index.ts");
  const { putContext } = await import("./contexts-put.ts");
  const text = flags.text ?? readFileSync(flags.file ?? 0, "utf8");
  const model = await resolveModel(flags.model ?? builtInModelDir());
  const outcome = await putContext(name, text, model, flags, (stored) => openStore(flags, stored, true));
  if (flags.json === true) console.log(JSON.stringify(asJson(outcome)));
  else say(name, outcome.tokens, outcome.levels, ` of ${outcome.textTokens} tokens`);
}

function asJson({ name, model, tokens, textTokens, levels, tables, prediction }: PutOutcome) {
  return { name, model, tokens, text_tokens: textTokens, bytes: Object.fromEntries(levels), tables, prediction };
}

function say(name: string, tokens: number, levels: ReadonlyMap<string, number>, rest = ""): void {
  const sizes = Array.from(levels, ([level, bytes]) => `${level} ${formatBytes(bytes)}`).join(", ");
  console.log(`${bold(name)}  ${dim(`${tokens} tokens kept${rest}; ${sizes}`)}`);
}

/** Bytes by level over all chunks that are here. */
async function sizesOf(
  store: ContextStore,
  { tokens }: NamedContext,
): Promise<{ tokens: number; levels: Map<string, number> }> {
  const { CHUNK_TOKENS, chunkPlaces } = await import("../cluster/index.ts");
  const levels = new Map<string, number>();
  let kept = 0;
  for (const place of chunkPlaces(tokens, CHUNK_TOKENS, PAGE_TOKENS)) {
    const here = store.levels(place);
    if (here === null) break;
    for (const [level, bytes] of here) levels.set(level, (levels.get(level) ?? 0) + bytes);
    kept = place.firstPosition + place.tokens.length;
  }
  return { tokens: kept, levels };
}

/** Of every engine that a command starts. */
const PAGE_TOKENS = 16;

async function list(flags: StoreFlags): Promise<void> {
  const { storedModels } = await import("../cluster/index.ts");
  const rows: { name: string; model: string; tokens: number; levels: Map<string, number>; created: number }[] = [];
  for (const model of await storedModels(folderOf(flags))) {
    const store = await openStore(flags, model, false);
    for (const context of await store.list()) {
      rows.push({
        name: context.name,
        model: model.label,
        created: context.createdUnixMs,
        ...(await sizesOf(store, context)),
      });
    }
  }
  if (flags.json === true) {
    const json = rows.map(({ levels, created, ...row }) => ({
      ...row,
      bytes: Object.fromEntries(levels),
      created_unix_ms: created,
    }));
    console.log(JSON.stringify(json));
    return;
  }
  for (const { name, model, tokens, levels } of rows) say(name, tokens, levels, `, ${model}`);
}

async function remove(name: string, flags: StoreFlags): Promise<void> {
  const { CHUNK_TOKENS, chunkPlaces, storedModels } = await import("../cluster/index.ts");
  let freed = 0;
  let found = false;
  for (const model of await storedModels(folderOf(flags))) {
    const store = await openStore(flags, model, false);
    const places = ({ tokens }: NamedContext) => chunkPlaces(tokens, CHUNK_TOKENS, PAGE_TOKENS);
    const [own, others] = [await store.named(name), (await store.list()).filter((other) => other.name !== name)];
    if (own === null) continue;
    const needed = new Set(others.flatMap(places).map(({ key }) => key as string));
    freed += (await store.remove(name, places(own), needed)) ?? 0;
    found = true;
  }
  if (!found) fail("not_found", `There is no context '${name}' in ${folderOf(flags)}.`);
  if (flags.json === true) console.log(JSON.stringify({ name, freed_bytes: freed }));
  else console.log(`${bold(name)}  ${dim(`removed, ${formatBytes(freed)} freed`)}`);
}

async function get(name: string, flags: RemoteFlags): Promise<void> {
  const model = await modelOf(flags);
  // Only the flag: who has a bus in the environment may still mean what is here.
  const isBrought = flags.from !== undefined || flags.bus !== undefined;
  const store = await openStore(flags, model, isBrought);
  if (isBrought) await bring(name, store, flags, model);
  const context = (await store.named(name)) ?? fail("not_found", `There is no context '${name}' of this model here.`);
  const { CHUNK_TOKENS, chunkPlaces } = await import("../cluster/index.ts");
  // What is damaged leaves the store when it is read.
  for (const place of chunkPlaces(context.tokens, CHUNK_TOKENS, PAGE_TOKENS)) {
    for (const level of store.levels(place)?.keys() ?? []) await store.get(place, level);
  }
  const { tokens, levels } = await sizesOf(store, context);
  const { damaged } = store.stats;
  const all = chunkPlaces(context.tokens, CHUNK_TOKENS, PAGE_TOKENS).at(-1);
  const isWhole = damaged === 0 && (all === undefined || tokens === all.firstPosition + all.tokens.length);
  if (flags.json === true) {
    console.log(
      JSON.stringify({ name, tokens, text_tokens: context.tokens.length, bytes: Object.fromEntries(levels), damaged }),
    );
  } else {
    const parts = ` of ${context.tokens.length}: the rest is not there`;
    say(name, tokens, levels, isWhole ? ", whole" : damaged === 0 ? parts : `, ${damaged} damaged chunks removed`);
  }
  if (!isWhole) process.exitCode = 1;
}

/** Copies a context, and the tables it was coded with, out of another store. */
async function bring(name: string, store: ContextStore, flags: RemoteFlags, model: StoredModel): Promise<void> {
  const { CHUNK_TOKENS, chunkPlaces, copyContext, KvClient, RemoteContexts } = await import("../cluster/index.ts");
  const tls = kvClientTls(flags);
  const { address, token } = await doorOf(name, flags, model);
  await using client = new KvClient({ fingerprint: model.fingerprint, ...tls });
  const remote = new RemoteContexts(client, address, token);
  const context =
    (await remote.named(name)) ??
    fail("not_found", `${address.host}:${address.port} offers no context '${name}' of this model.`);
  const places = chunkPlaces(context.tokens, CHUNK_TOKENS, PAGE_TOKENS);
  if (places.length > 0 && (await copyContext(remote, store, places, flags.level)) === 0) {
    const at = flags.level === undefined ? "" : ` at ${flags.level}`;
    fail("not_found", `${address.host}:${address.port} has nothing of the context '${name}'${at}.`);
  }
  await store.name(name, context.tokens, context.createdUnixMs);
}

/** Where a context is had: there, or at the worker of a fleet that says so. */
async function doorOf(
  name: string,
  flags: RemoteFlags,
  model: StoredModel,
): Promise<{ readonly address: KvAddress; readonly token: string }> {
  if (flags.from !== undefined) {
    const match = /^(.+):(\d{1,5})$/.exec(flags.from);
    if (match === null)
      fail("invalid_request", `--from: expected host:port, got '${flags.from}'.`, { param: "--from" });
    return { address: { host: match[1]!, port: Number(match[2]) }, token: flags.token ?? "" };
  }
  const { findNamedContext } = await import("../cluster/index.ts");
  await using bus = await connectToBus(busUrl(flags)!, flags, "punctual contexts");
  return await findNamedContext(bus, flags.fleet, model.fingerprint, name);
}

async function serve(flags: ServeFlags): Promise<void> {
  const { KvServer, serveContexts } = await import("../cluster/index.ts");
  const tls = kvServerTls(flags);
  const model = await modelOf(flags);
  const store = await openStore(flags, model, false);
  const stop = stopSignal();
  const { host: own, port: wanted } = flags;
  await using server = await KvServer.listen({ fingerprint: model.fingerprint, host: own, port: wanted, ...tls });
  serveContexts(server, store, flags.token);
  const { host, port } = server.address;
  if (flags.json === true) console.log(JSON.stringify({ event: "ready", model: model.label, host, port }));
  else console.log(`Contexts of ${bold(model.label)} at ${host}:${port}  ${dim(folderOf(flags))}`);
  await stop.first;
}
