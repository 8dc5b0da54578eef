/**
 * The arms of `punctual bench specdec`, and what they run on: servers that stand already, one server that is told the
 * draft length with each request, or servers that are started for the purpose and stopped after it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Arm, ArmHost, DraftLength, Target } from "../bench/index.ts";
import { fail } from "../core/index.ts";
import type { SpecDecFlags } from "./bench-specdec-flags.ts";
import { draftLength } from "./bench-specdec-flags.ts";
import { clock, sleep } from "./bench-server.ts";

/** What every arm has, but for its server. */
export interface ArmCommon {
  readonly target: Target;
  readonly model: string;
}

/** The arms that options come to, the one without drafts first. */
export function armsOf(flags: SpecDecFlags, common: ArmCommon): readonly Arm[] {
  const { arm: given, draftLengths, drafters } = flags;
  if (given !== undefined) {
    if (draftLengths !== undefined)
      fail("invalid_request", "arm: its draft lengths stand with it, so no --draft-lengths");
    return inOrder(given.map((text) => standingArm(text, common)));
  }
  if (draftLengths === undefined && drafters === undefined && flags.serve === undefined) {
    return [{ ...common, name: "as served", drafter: null, draftLength: "as served", body: {} }];
  }
  if (flags.draftField === undefined && commandOf(flags) === null && draftLengths !== undefined) {
    return fail(
      "invalid_request",
      "draft-lengths: expected --draft-field, --serve, --serve-cmd or --arm, by which they reach a server",
    );
  }
  const arms: Arm[] = [];
  // A server of our own is there to be compared: without drafts, and with as many as pay.
  const own: readonly DraftLength[] = flags.serve === undefined ? ["as served"] : [0, "auto"];
  for (const length of draftLengths ?? own) {
    // Without drafts it makes no difference who would draft.
    for (const drafter of length === 0 ? [null] : (drafters ?? [null]))
      arms.push(armFor(flags, common, length, drafter));
  }
  return inOrder(arms);
}

function armFor(flags: SpecDecFlags, common: ArmCommon, length: DraftLength, drafter: string | null): Arm {
  const byLength = flags.draftField === undefined || length === "as served" ? {} : nested(flags.draftField, length);
  const byDrafter = flags.drafterField === undefined || drafter === null ? {} : nested(flags.drafterField, drafter);
  return { ...common, name: nameOf(length, drafter), drafter, draftLength: length, body: merged(byLength, byDrafter) };
}

function nameOf(length: DraftLength, drafter: string | null): string {
  if (length === 0) return "no drafts";
  const by = length === "as served" ? "as served" : length === "auto" ? "DL auto" : `DL ${length}`;
  return drafter === null ? by : `${drafter} ${by}`;
}

/** "3=http://…", "ngram:3=http://…". */
function standingArm(text: string, common: ArmCommon): Arm {
  const match = /^(?:([^:=]+):)?([^:=]+)=(https?:\/\/.+)$/.exec(text);
  if (match === null) return fail("invalid_request", `arm: expected [DRAFTER:]LENGTH=URL, got "${text}"`);
  const [, drafter = null, length, url] = match;
  const drafts = draftLength(length!);
  const target = { ...common.target, url: url!.replace(/\/+$/, "") };
  return { ...common, target, name: nameOf(drafts, drafter), drafter, draftLength: drafts, body: {} };
}

function inOrder(arms: readonly Arm[]): readonly Arm[] {
  const names = new Set(arms.map(({ name }) => name));
  if (names.size < arms.length) fail("invalid_request", "arm: expected each drafter and length once");
  return arms.toSorted((a, b) => Number(b.draftLength === 0) - Number(a.draftLength === 0));
}

/** "a.b" and a value: { a: { b: value } }. */
export function nested(path: string, value: unknown): Readonly<Record<string, unknown>> {
  const names = path.split(".");
  if (names.some((name) => name === "" || name === "__proto__")) {
    return fail("invalid_request", `field: expected names with dots between them, got "${path}"`);
  }
  return names.reduceRight<Record<string, unknown>>(
    (inner, name, i) => ({ [name]: i === names.length - 1 ? value : inner }),
    {},
  );
}

/** Objects by their fields, where both have objects of the same name recursively. */
export function merged(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    value !== null && typeof value === "object" && !Array.isArray(value);
  const result: Record<string, unknown> = { ...a };
  for (const [name, value] of Object.entries(b)) {
    const known = result[name];
    result[name] = isObject(known) && isObject(value) ? merged(known, value) : value;
  }
  return result;
}

/** The command that starts a server; null when servers stand already. */
export function commandOf({ serve, serveCmd, maxConcurrency }: SpecDecFlags): readonly string[] | null {
  if (serve !== undefined && serveCmd !== undefined) {
    return fail("invalid_request", "serve: expected --serve or --serve-cmd, got both");
  }
  if (serveCmd !== undefined) return splitCommand(serveCmd);
  if (serve === undefined) return null;
  const main = fileURLToPath(new URL("./specdec-server-worker.js", import.meta.url));
  const most = String(Math.max(...maxConcurrency));
  return [process.execPath, main, serve, "{port}", "{drafter}", "{draft_length}", most];
}

/** Who drafts where nobody is named. */
const OWN_DRAFTER = "ngram";

/** Words of a command, by spaces outside quotes; no shell is involved. */
export function splitCommand(text: string): readonly string[] {
  const words: string[] = [];
  let [word, quote, isOpen] = ["", "", false];
  for (const letter of text) {
    if (quote !== "") {
      if (letter === quote) quote = "";
      else word += letter;
    } else if (letter === '"' || letter === "'") [quote, isOpen] = [letter, true];
    else if (/\s/.test(letter)) {
      if (isOpen) words.push(word);
      [word, isOpen] = ["", false];
    } else [word, isOpen] = [word + letter, true];
  }
  if (quote !== "") fail("invalid_request", `serve-cmd: expected quotes in pairs, got "${text.slice(0, 200)}"`);
  if (isOpen) words.push(word);
  return words.length > 0 ? words : fail("invalid_request", "serve-cmd: expected a command, got none");
}

/** The command of an arm: places filled in; what stands in [[…]] only where something is drafted. */
export function filledCommand(
  words: readonly string[],
  arm: Pick<Arm, "draftLength" | "drafter">,
  port: number,
): readonly string[] {
  const result: string[] = [];
  let isInside = false;
  for (const word of words) {
    if (word.startsWith("[[")) isInside = true;
    const isLeftOut = isInside && arm.draftLength === 0;
    const text = (isInside ? word.replace(/^\[\[/, "").replace(/\]\]$/, "") : word)
      .replaceAll("{port}", String(port))
      .replaceAll("{draft_length}", String(arm.draftLength))
      .replaceAll("{drafter}", arm.drafter ?? OWN_DRAFTER);
    if (isInside && word.endsWith("]]")) isInside = false;
    if (!isLeftOut) result.push(text);
  }
  return result;
}

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<void>;
  /** The end of what it said, for when it fails. */
  tail: string;
  hasEnded: boolean;
}

const TAIL_CHARACTERS = 4000;
const STOP_MS = 15_000;

/** Servers started from a command, one per arm. Dispose of it to stop them. */
export class StartedServers implements ArmHost {
  readonly #command: readonly string[];
  readonly #oneAtATime: boolean;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #running = new Map<string, Running>();
  /** The process ends without having disposed of them. */
  readonly #onExit = (): void => {
    for (const running of this.#running.values()) signalGroup(running, "SIGKILL");
  };

  constructor(command: readonly string[], oneAtATime: boolean, timeoutMs: number, signal: AbortSignal) {
    this.#command = command;
    this.#oneAtATime = oneAtATime;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    process.once("exit", this.#onExit);
  }

  async open(arm: Arm): Promise<Arm> {
    let running = this.#running.get(arm.name);
    if (running === undefined) {
      running = await this.#start(arm);
      this.#running.set(arm.name, running);
      await this.#untilReady(arm, running);
    }
    if (running.hasEnded) fail("engine_failed", `${arm.name}: its server has ended:\n${running.tail.trim()}`);
    return { ...arm, target: { ...arm.target, url: running.url } };
  }

  async release(arm: Arm): Promise<void> {
    if (this.#oneAtATime) await this.#stop(arm.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.#stop(name)));
    process.removeListener("exit", this.#onExit);
  }

  async #start(arm: Arm): Promise<Running> {
    const port = await freePort();
    const [program, ...words] = filledCommand(this.#command, arm, port);
    // A group of its own, so that whatever it starts is stopped with it. Our own ends when its input does, too.
    const child = spawn(program!, words, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const running: Running = { child, url: `http://127.0.0.1:${port}`, ended, tail: "", hasEnded: false };
    child.once("error", (error) => (running.tail += error.message));
    const note = (data: Buffer): void => {
      running.tail = (running.tail + data.toString()).slice(-TAIL_CHARACTERS);
    };
    child.stdout.on("data", note);
    child.stderr.on("data", note);
    void ended.then(() => (running.hasEnded = true));
    return running;
  }

  async #untilReady(arm: Arm, running: Running): Promise<void> {
    const untilMs = clock.nowMs() + this.#timeoutMs;
    const { firstModel } = await import("../bench/index.ts");
    for (;;) {
      if (this.#signal.aborted) fail("cancelled", "stopped before a server was ready");
      if (running.hasEnded) fail("engine_failed", `${arm.name}: its server did not start:\n${running.tail.trim()}`);
      try {
        await firstModel({ url: running.url, headers: arm.target.headers });
        return;
      } catch (error) {
        if (clock.nowMs() >= untilMs) throw error;
      }
      await sleep(POLL_MS, this.#signal);
    }
  }

  async #stop(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    this.#running.delete(name);
    signalGroup(running, "SIGTERM");
    const limit = new AbortController();
    await Promise.race([running.ended, sleep(STOP_MS, limit.signal)]);
    limit.abort();
    if (!running.hasEnded) signalGroup(running, "SIGKILL");
    await running.ended;
  }
}

const POLL_MS = 100;

function signalGroup({ child, hasEnded }: Running, signal: NodeJS.Signals): void {
  if (hasEnded || child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal); // where there are no groups, the process alone
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
