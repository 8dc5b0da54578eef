/**
 * Our own commands as processes of a test: started by their arguments, known by their pid, killed by it at any moment, and
 * gone when the test is, however it ends. What they print is kept for the report of a failure.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { plainEnvironment, root } from "../support/process.ts";

/** The end of what a process has printed that is kept, characters. */
const KEPT_CHARACTERS = 20_000;
/** Patience for a busy machine; nothing here measures how long it takes. */
const START_MS = 240_000;

const MAIN = join(root, "dist/cli/main.js");
const alive = new Set<TestProcess>();
// Whatever ends the test's own process ends these too.
process.on("exit", () => {
  for (const one of alive) one.kill();
});

/** A command of ours, running or ended. */
export class TestProcess {
  readonly name: string;
  /** Resolves when it has ended: its exit code, null when a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #output = "";
  #isRunning = true;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    const take = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-KEPT_CHARACTERS);
      this.#wake();
    };
    child.stdout!.on("data", take);
    child.stderr!.on("data", take);
    this.ended = new Promise((resolve) => {
      child.once("exit", (code) => {
        this.#isRunning = false;
        alive.delete(this);
        resolve(code);
        this.#wake();
      });
    });
  }

  /**
   * Runs `punctual` with these arguments.
   * @param environment added to a plain shell's
   * @param under a command that ends by executing what follows it, so that the pid is that of `punctual`
   */
  static start(
    name: string,
    args: readonly string[],
    environment: Record<string, string> = {},
    under: readonly string[] = [],
  ): TestProcess {
    const [command, ...rest] = [...under, process.execPath, MAIN, ...args];
    const child = spawn(command!, rest, {
      cwd: root,
      env: plainEnvironment(environment),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const started = new TestProcess(name, child);
    alive.add(started);
    return started;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** What it has printed lately, both outputs. */
  get output(): string {
    return this.#output;
  }

  /** Waits until it has printed something that matches. Rejects with its output when it ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const limit = performance.now() + START_MS;
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (!this.#isRunning) throw new Error(`${this.name} ended before it said ${pattern.source}:\n${this.#output}`);
      if (performance.now() > limit) throw new Error(`${this.name} did not say ${pattern.source}:\n${this.#output}`);
      await this.#change(limit - performance.now());
    }
  }

  /** kill -9, or another signal. */
  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (this.#isRunning) this.#child.kill(signal);
  }

  /** Its threads stand still, its sockets stay open. */
  freeze(): void {
    this.kill("SIGSTOP");
  }

  /** Goes on after `freeze`. */
  thaw(): void {
    this.kill("SIGCONT");
  }

  /** Lets it run only that share of the time, until the returned function is called: a machine that is too busy. */
  slow(share: number, periodMs = 100): () => void {
    let isFrozen = false;
    const turn = (): void => {
      isFrozen = !isFrozen;
      this.kill(isFrozen ? "SIGSTOP" : "SIGCONT");
      timer = setTimeout(turn, periodMs * (isFrozen ? 1 - share : share));
    };
    let timer = setTimeout(turn, 0);
    return () => {
      clearTimeout(timer);
      this.thaw();
    };
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async #change(withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#waiting.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
