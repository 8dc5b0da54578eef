/** `punctual serve` in a process of its own, for claims about what a server adds or how it compares. */
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "../core/index.ts";
import { DEFAULT_MODEL } from "../llm/index.ts";

const MAIN = join(dirname(fileURLToPath(import.meta.url)), "../../dist/cli/main.js");
const START_LIMIT_MS = 60_000;

/** A server that answers; leaving the scope stops it. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: URL;
  readonly pid: number;
}

/**
 * Serves the built-in model with one thread, on any free port, ready to answer.
 * @throws PunctualError engine_failed with what the server printed when it does not start.
 */
export async function startServer(flags: readonly string[] = []): Promise<ServerProcess> {
  const child = spawn(process.execPath, [MAIN, "serve", DEFAULT_MODEL, "--port", "0", "--threads", "1", ...flags]);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let output = "";
  let timer: NodeJS.Timeout | undefined;
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  try {
    const url = await new Promise<string | null>((resolve) => {
      const read = (chunk: Buffer): void => {
        output += chunk.toString();
        const match = /Listening on\S*\s+(http:\/\/\S+:\d+)/.exec(output);
        if (match !== null) resolve(match[1]!);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      timer = setTimeout(resolve, START_LIMIT_MS, null);
      void exited.then(() => resolve(null));
    });
    if (url !== null) return { url: new URL(url), pid: child.pid!, [Symbol.asyncDispose]: stop };
  } finally {
    clearTimeout(timer);
  }
  await stop();
  return fail("engine_failed", `punctual serve did not start:\n${output}`);
}
