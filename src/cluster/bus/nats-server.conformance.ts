/**
 * A real nats-server for tests: on a free port of this machine, with JetStream in a folder of its own, killed and started
 * again on the same port at will. `await using` stops it and removes the folder.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How to start one. */
export interface NatsServerOptions {
  /** More of its configuration file: authorization, tls. */
  readonly config?: string;
  /** False: without JetStream. */
  readonly jetStream?: boolean;
}

const START_LIMIT_MS = 15_000;

/** A running (or killed) server. */
export class TestNatsServer implements AsyncDisposable {
  readonly dir: string;
  #port = 0;
  #process: ChildProcess | null = null;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Starts one and waits until it listens. */
  static async start(options: NatsServerOptions = {}): Promise<TestNatsServer> {
    const server = new TestNatsServer(mkdtempSync(join(tmpdir(), "punctual-nats-")));
    const jetStream = options.jetStream === false ? "" : `jetstream { store_dir: "${server.dir}/store" }\n`;
    const config = `${jetStream}ports_file_dir: "${server.dir}"\n${options.config ?? ""}\n`;
    writeFileSync(join(server.dir, "nats.conf"), config);
    await server.restart();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** As by kill -9; what it had in memory is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Stops the process without ending it: connections stay, nothing is answered. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  /** On the same port and over the same files. */
  async restart(): Promise<void> {
    await this.#end("SIGKILL");
    const port = this.#port === 0 ? "-1" : String(this.#port);
    const config = join(this.dir, "nats.conf");
    const child = spawn("nats-server", ["-c", config, "-a", "127.0.0.1", "-p", port], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-4000)));
    child.on("error", (error) => (said += String(error)));
    process.once("exit", () => child.kill("SIGKILL"));
    const limitMs = performance.now() + START_LIMIT_MS;
    while (!(await this.#isUp(child))) {
      if (child.exitCode !== null || performance.now() > limitMs) throw new Error(`nats-server did not start: ${said}`);
      await sleep(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #isUp(child: ChildProcess): Promise<boolean> {
    const file = join(this.dir, `nats-server_${child.pid}.ports`);
    if (!existsSync(file)) return false;
    const ports = /:(\d+)"/.exec(readFileSync(file, "utf8"));
    if (ports === null) return false;
    this.#port = Number(ports[1]);
    return canConnect(this.#port);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}

async function canConnect(port: number): Promise<boolean> {
  const socket = createConnection({ host: "127.0.0.1", port });
  try {
    await once(socket, "data");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
