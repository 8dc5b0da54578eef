/** Flags about the bus of a fleet, of all commands that have one: where it is, which fleet, who one is there. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { Bus, BusOptions } from "../cluster/index.ts";
import { fail, PunctualError } from "../core/index.ts";
import { dim } from "./terminal.ts";

/** Values of the flags that `addBusOptions` declares. */
export interface BusFlags {
  readonly bus?: string;
  readonly fleet?: string;
  readonly busToken?: string;
  readonly busNkey?: string;
  readonly busTlsCa?: string;
  readonly busTlsCert?: string;
  readonly busTlsKey?: string;
}

/** Adds them to a command. */
export function addBusOptions(command: Command): Command {
  return command
    .option("--bus <url>", "the NATS server that carries the fleet, for example nats://host:4222 (or PUNCTUAL_BUS)")
    .option("--fleet <name>", "which fleet of that server; default when absent")
    .option("--bus-token <token>", "a token for the server (or PUNCTUAL_BUS_TOKEN)")
    .option("--bus-nkey <file>", "a file with the seed of an nkey for the server")
    .option("--bus-tls-ca <file>", "certificates (PEM) of who vouches for the server; the system's when absent")
    .option("--bus-tls-cert <file>", "a certificate (PEM) to show to the server")
    .option("--bus-tls-key <file>", "its key (PEM)");
}

/** The server's address, from the flag or the environment; undefined when there is none. */
export function busUrl({ bus }: BusFlags): string | undefined {
  const url = bus ?? process.env["PUNCTUAL_BUS"];
  return url === "" ? undefined : url;
}

/** What the flags say as variables for a process that is to find the same bus; certificates and nkeys it has of its own. */
export function busEnvironment({ bus, busToken }: BusFlags): Readonly<Record<string, string>> {
  return {
    ...(bus === undefined ? {} : { PUNCTUAL_BUS: bus }),
    ...(busToken === undefined ? {} : { PUNCTUAL_BUS_TOKEN: busToken }),
  };
}

/** The address without what may be secret. */
export function shownUrl(url: string): string {
  return url.replaceAll(/[^/,@]*@/g, "");
}

function busOptions(flags: BusFlags, name: string): BusOptions {
  const { busToken = process.env["PUNCTUAL_BUS_TOKEN"], busNkey, busTlsCa, busTlsCert, busTlsKey } = flags;
  if ((busTlsCert === undefined) !== (busTlsKey === undefined)) {
    fail("invalid_request", "--bus-tls-cert and --bus-tls-key go together.", { param: "--bus-tls-cert" });
  }
  const tls = {
    ...(busTlsCa === undefined ? {} : { ca: readText(busTlsCa) }),
    ...(busTlsCert === undefined ? {} : { cert: readText(busTlsCert) }),
    ...(busTlsKey === undefined ? {} : { key: readText(busTlsKey) }),
  };
  return {
    name,
    ...(busToken === undefined || busToken === "" ? {} : { token: busToken }),
    ...(busNkey === undefined ? {} : { nkeySeed: readText(busNkey) }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    return fail("not_found", `The file '${path}' cannot be read.`, { cause });
  }
}

/** Machines start in any order: a server that is not there yet is waited for that long. */
const WAIT_MS = 30_000;
const RETRY_MS = 500;

/**
 * Connects, and waits a while for a server that is not there yet.
 * @param name shown in the server's list of clients
 * @param signal ends the wait
 * @throws PunctualError not_found (a file), invalid_request, unauthorized, unavailable.
 */
export async function connectToBus(url: string, flags: BusFlags, name: string, signal?: AbortSignal): Promise<Bus> {
  const [{ connectBus }, { sleep }] = await Promise.all([import("../cluster/index.ts"), import("../runtime/index.ts")]);
  const options = busOptions(flags, name);
  const limitMs = performance.now() + WAIT_MS;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await connectBus(url, options);
    } catch (error) {
      const isAway =
        error instanceof PunctualError && (error.code === "unavailable" || error.code === "request_timeout");
      if (!isAway || performance.now() > limitMs || signal?.aborted === true) throw error;
      if (isFirst) console.error(dim(`Waiting for the bus at ${shownUrl(url)}`, process.stderr));
      await sleep(RETRY_MS, signal);
    }
  }
}
