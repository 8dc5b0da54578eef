/** Child processes for tests: run to the end, or start a server and wait for the URL that it prints. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The environment without what an outer npm or vitest put there, so that a child sees a plain shell. */
export function plainEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|NODE_ENV|TEST$|MODE$)/.test(name));
  return { ...Object.fromEntries(kept), ...extra };
}

const execFileAsync = promisify(execFile);

/** Runs a command to its end and returns its standard output; a failure carries both outputs. */
export async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await execFileAsync(command, args, { cwd, env: plainEnvironment(), maxBuffer: 64 * 2 ** 20 });
  return stdout;
}

/** Copies what git would give a fresh clone of the working tree, uncommitted edits included. */
export async function cloneWorkingTree(target: string): Promise<void> {
  const listing = await run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], root);
  const deleted = new Set((await run("git", ["ls-files", "-z", "--deleted"], root)).split("\0"));
  for (const path of listing.split("\0")) {
    if (path === "" || deleted.has(path)) continue;
    mkdirSync(join(target, dirname(path)), { recursive: true });
    copyFileSync(join(root, path), join(target, path));
  }
}

/** How a command of ours ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Our command line as its users run it, in a process of its own: to its end, whatever the code. */
export function runCli(args: readonly string[], cwd: string): Promise<Ended> {
  const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), ...args], { env: plainEnvironment(), cwd });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
}

export interface ServerProcess {
  readonly url: string;
  /** Milliseconds from the start of the command to the line with the URL. */
  readonly readyMs: number;
  readonly child: ChildProcess;
  /** Sends SIGTERM to the whole group and resolves to the exit code. */
  stop(): Promise<number | null>;
}

/** Starts a command that prints a URL when it is ready. */
export async function startServer(
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Record<string, string> = {},
): Promise<ServerProcess> {
  const startMs = performance.now();
  const child = spawn(command, args, { cwd, env: plainEnvironment({ PORT: "0", ...environment }), detached: true });
  let output = "";
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const url = await new Promise<string>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      output += chunk.toString();
      const match = /http:\/\/[\w.[\]:]+:\d+/.exec(output);
      if (match !== null) resolve(match[0]);
    };
    child.stdout.on("data", onData);
    child.stderr.on("data", onData);
    void exited.then((code) => reject(new Error(`ended with ${code} before it was ready:\n${output}`)));
  });
  const stop = (): Promise<number | null> => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
    return exited;
  };
  return { url, readyMs: performance.now() - startMs, child, stop };
}
