/** `punctual serve`: the built-in models, or the folders named, behind OpenAI's interface. */
import { Option, type Command } from "commander";
import type { Engine } from "../runtime/index.ts";
import type { PunctualServer, ServerLog } from "../server/index.ts";
import { collectValues, decimal, wholeNumber } from "./arguments.ts";
import { addEngineOptions, chosenModels, startEngines, type EngineFlags } from "./models.ts";
import { bold, dim, formatMs } from "./terminal.ts";

interface ServeFlags extends EngineFlags {
  readonly model?: readonly string[];
  readonly host?: string;
  readonly port?: number;
  readonly insecure?: boolean;
  readonly maxModelLen?: number;
  readonly grace: number;
  readonly logLevel: string;
}

const DEFAULT_PORT = 8080;

export function addServe(program: Command): void {
  const command = program
    .command("serve")
    .description("serve models over OpenAI's HTTP interface")
    .option("--model <name or folder>", "what to serve, repeatable; the built-in models when absent", collectValues)
    .option("--host <address>", "address to listen on (or HOST); 127.0.0.1 when absent")
    .option(
      "--port <number>",
      `port to listen on, 0 for any (or PORT); ${DEFAULT_PORT} when absent`,
      wholeNumber(0, 65535),
    )
    .option("--insecure", "allow an address beyond this machine; nobody is asked for a key")
    .option("--max-model-len <tokens>", "most tokens of prompt and answer together", wholeNumber(2, 10_000_000))
    .option("--grace <seconds>", "how long answers may take to finish when asked to stop", decimal(0, 3600), 10)
    .addOption(
      new Option("--log-level <level>", "JSON lines on standard error, never with prompts")
        .choices(["silent", "error", "info"])
        .default("error"),
    );
  addEngineOptions(command).action((flags: ServeFlags) => serve(flags));
}

async function serve(flags: ServeFlags): Promise<void> {
  const startedMs = performance.now();
  const stopping = stopSignal();
  const models = await chosenModels(flags.model);
  const { createServer } = await import("../server/index.ts");
  const engines = await startEngines(models, flags);
  const server = createServer({
    engines,
    log: await createLog(flags.logLevel),
    ...(flags.maxModelLen === undefined ? {} : { contextTokens: flags.maxModelLen }),
  });
  try {
    const { url } = await server.listen({
      host: flags.host ?? process.env["HOST"] ?? "127.0.0.1",
      port: flags.port ?? environmentPort(),
      insecure: flags.insecure === true,
    });
    for (const engine of engines) console.log(describeEngine(engine));
    console.log(`${bold("Listening on")} ${url} ${dim(`(ready after ${formatMs(performance.now() - startedMs)})`)}`);
    await stopping.first;
    await stop(server, flags.grace * 1000, stopping.second);
  } finally {
    await server.close({ graceMs: 0 });
    await Promise.all(engines.map((engine) => engine.stop({ graceMs: 0 })));
    stopping.dispose();
  }
}

function environmentPort(): number {
  const text = process.env["PORT"];
  return text === undefined || text === "" ? DEFAULT_PORT : wholeNumber(0, 65535)(text);
}

function describeEngine(engine: Engine): string {
  const { name, weights, contextTokens, kvPages, pageTokens } = engine.info;
  const { budgetTokens } = engine.stats().limits;
  const facts = `${weights}, context ${contextTokens}, KV cache ${kvPages * pageTokens} tokens, ${budgetTokens} tokens a step`;
  return `${bold(name)}  ${dim(facts)}`;
}

/** Resolves at the first and at the second SIGINT or SIGTERM. */
function stopSignal(): { first: Promise<void>; second: Promise<void>; dispose(): void } {
  const resolvers: (() => void)[] = [];
  const [first, second] = [0, 1].map(() => new Promise<void>((resolve) => resolvers.push(resolve))) as [
    Promise<void>,
    Promise<void>,
  ];
  const onSignal = (): void => resolvers.shift()?.();
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const dispose = (): void => {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  };
  return { first, second, dispose };
}

async function stop(server: PunctualServer, graceMs: number, hurry: Promise<void>): Promise<void> {
  console.log(dim(`Stopping: no new requests, up to ${formatMs(graceMs)} for those under way`));
  await Promise.race([server.close({ graceMs }), hurry]);
}

async function createLog(level: string): Promise<ServerLog> {
  const { pino } = await import("pino");
  const logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: false }));
  return {
    info: (fields, message) => logger.info(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}
