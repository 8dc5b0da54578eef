/** Flags of who gives or takes keys and values over TCP: where they are served, how others reach that, and certificates. */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { Option, type Command } from "commander";
import type { KvAddress, KvTls, MigrationOptions } from "../cluster/index.ts";
import { fail } from "../core/index.ts";
import { wholeNumber } from "./arguments.ts";

/** Whether pages travel coded, exactly: to other machines, everywhere, or never. */
export type KvCoding = "auto" | "lossless" | "none";

/** Values of the flags that `addKvTlsOptions` declares. */
export interface KvTlsFlags {
  readonly kvCert?: string;
  readonly kvKey?: string;
  readonly kvCa?: string;
}

/** What the flags say. */
export interface KvFlags extends KvTlsFlags {
  readonly kvHost: string;
  readonly kvPort: number;
  readonly kvAdvertise?: KvAddress;
  readonly kvCoding: KvCoding;
}

/** Adds the flags to a command. */
export function addKvOptions(command: Command): Command {
  const placed = command
    .option(
      "--kv-host <address>",
      "where keys and values are served to other instances; 0.0.0.0: everywhere",
      "127.0.0.1",
    )
    .option("--kv-port <port>", "the port for that; 0: any free one", wholeNumber(0, 65_535), 0)
    .option("--kv-advertise <host:port>", "how other instances reach it, where that is something else", address);
  return addKvTlsOptions(placed).addOption(
    new Option(
      "--kv-coding <how>",
      "auto: pages travel to other machines in fewer bytes, exactly, where both sides can; lossless: on this one too; none: where the network is faster than a core codes",
    )
      .choices(["auto", "lossless", "none"])
      .default("auto"),
  );
}

/** Adds the certificates of who gives or takes keys and values. */
export function addKvTlsOptions(command: Command): Command {
  return command
    .option("--kv-cert <file>", "certificate (PEM) for keys and values; with it they travel over TLS")
    .option("--kv-key <file>", "its private key")
    .option(
      "--kv-ca <file>",
      "the authority that other instances' certificates are checked against, and this one's by them",
    );
}

/** Certificates of who serves; nothing without any. @throws PunctualError invalid_request, as `kvClientTls`; an authority alone. */
export function kvServerTls(flags: KvTlsFlags): { readonly tls?: KvTls } {
  const { tls = {} } = kvClientTls(flags);
  const { cert, key, ca } = tls;
  if (cert === undefined || key === undefined) {
    if (ca !== undefined)
      fail("invalid_request", "Expected --kv-cert and --kv-key with --kv-ca.", { param: "--kv-ca" });
    return {};
  }
  return { tls: { cert, key, ...(ca === undefined ? {} : { ca }) } };
}

/**
 * Certificates of who only takes: an authority alone is enough for a server that does not ask who comes.
 * @throws PunctualError invalid_request for a file that cannot be read, a certificate without its key
 */
export function kvClientTls({ kvCert, kvKey, kvCa }: KvTlsFlags): { readonly tls?: Partial<KvTls> } {
  if ((kvCert === undefined) !== (kvKey === undefined)) {
    fail("invalid_request", "Expected --kv-cert and --kv-key together.", { param: "--kv-cert" });
  }
  if (kvCert === undefined && kvCa === undefined) return {};
  return {
    tls: {
      ...(kvCert === undefined ? {} : { cert: text(kvCert), key: text(kvKey!) }),
      ...(kvCa === undefined ? {} : { ca: text(kvCa) }),
    },
  };
}

/** The flags as options. @throws PunctualError invalid_request for a file that cannot be read, a certificate without key. */
export function kvOptions(flags: KvFlags): Pick<MigrationOptions, "listen" | "advertise" | "advertiseHost" | "tls"> {
  const { kvHost, kvPort, kvAdvertise } = flags;
  const everywhere = kvHost === "0.0.0.0" || kvHost === "::";
  const host = everywhere ? ownAddress() : null;
  if (everywhere && kvAdvertise === undefined && host === null) {
    fail("invalid_request", "This machine has no address that others could use: name one with --kv-advertise.", {
      param: "--kv-advertise",
    });
  }
  return {
    listen: { host: kvHost, port: kvPort },
    ...(kvAdvertise === undefined ? {} : { advertise: kvAdvertise }),
    ...(kvAdvertise === undefined && host !== null ? { advertiseHost: host } : {}),
    ...kvServerTls(flags),
  };
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    return fail("invalid_request", `${path} cannot be read.`, { cause });
  }
}

function address(value: string): KvAddress {
  const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65_535) {
    return fail("invalid_request", `Expected host:port, got '${value}'.`, { param: "--kv-advertise" });
  }
  return { host: match[1]!, port };
}

/** The first address of this machine that others may be able to use. */
function ownAddress(): string | null {
  for (const list of Object.values(networkInterfaces())) {
    for (const { address: found, family, internal } of list ?? []) if (!internal && family === "IPv4") return found;
  }
  return null;
}
