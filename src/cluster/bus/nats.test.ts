/** The bus over a real NATS server under the suite of all buses, and its ways to prove who one is. */
import { readFileSync } from "node:fs";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, nkeys } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { makeCertificates } from "../../../test/support/certificates.ts";
import { describeBus, until } from "./bus.conformance.ts";
import { connectBus } from "./connect.ts";
import { TestNatsServer } from "./nats-server.conformance.ts";
import type { BusOptions } from "./types.ts";

describeBus("nats bus", async () => {
  const server = await TestNatsServer.start();
  return {
    connect: () => connectBus(server.url),
    lose: () => server.kill(),
    heal: () => server.restart(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});

/** The code that a connection is refused with. */
async function refusal(url: string, options: BusOptions = {}): Promise<string> {
  try {
    await using bus = await connectBus(url, { connectTimeoutMs: 2000, ...options });
    return `connected to ${bus.kind}`;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

async function works(url: string, options: BusOptions): Promise<boolean> {
  await using bus = await connectBus(url, options);
  bus.subscribe("hello", (message) => message.respond(message.data));
  const answer = await bus.request("hello", Uint8Array.of(7), { timeoutMs: 2000 });
  return answer.data[0] === 7;
}

describe("who may connect", () => {
  test("a token, in the options or in the address", async () => {
    await using server = await TestNatsServer.start({ config: 'authorization { token: "s3cret" }' });
    expect(await works(server.url, { token: "s3cret" })).toBe(true);
    expect(await works(server.url.replace("//", "//s3cret@"), {})).toBe(true);
    expect(await refusal(server.url)).toBe("unauthorized");
    expect(await refusal(server.url, { token: "wrong" })).toBe("unauthorized");
  });

  test("user and password in the address", async () => {
    await using server = await TestNatsServer.start({ config: "authorization { user: ann, password: pw }" });
    expect(await works(server.url.replace("//", "//ann:pw@"), {})).toBe(true);
    expect(await refusal(server.url.replace("//", "//ann:no@"))).toBe("unauthorized");
  });

  test("an nkey", async () => {
    const { createUser } = nkeys;
    const user = createUser();
    const seed = new TextDecoder().decode(user.getSeed());
    await using server = await TestNatsServer.start({
      config: `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`,
    });
    expect(await works(server.url, { nkeySeed: `\n${seed}\n` })).toBe(true);
    expect(await refusal(server.url, { nkeySeed: new TextDecoder().decode(createUser().getSeed()) })).toBe(
      "unauthorized",
    );
    expect(await refusal(server.url, { nkeySeed: "SUnothing" })).toBe("invalid_request");
    expect(await refusal(server.url, { nkeySeed: seed, token: "x" })).toBe("invalid_request");
  });

  test("TLS: the server's certificate is checked, and the client's where it is asked for", async () => {
    await using plain = await TestNatsServer.start();
    const made = makeCertificates(plain.dir);
    const tls = (more: string): string =>
      `tls { cert_file: "${made.server.cert}", key_file: "${made.server.key}", timeout: 5, ${more} }`;
    await using server = await TestNatsServer.start({ config: tls("") });
    const ca = readFileSync(made.ca, "utf8");
    expect(await works(server.url, { tls: { ca } })).toBe(true);
    expect(await works(server.url.replace("nats://", "tls://"), { tls: { ca } })).toBe(true);
    expect(await refusal(server.url.replace("nats://", "tls://"))).toBe("unavailable"); // nobody vouches for it
    expect(await refusal(plain.url.replace("nats://", "tls://"), { tls: { ca } })).toBe("unavailable");

    await using mutual = await TestNatsServer.start({ config: tls(`ca_file: "${made.ca}", verify: true`) });
    const cert = readFileSync(made.client.cert, "utf8");
    const key = readFileSync(made.client.key, "utf8");
    expect(await works(mutual.url, { tls: { ca, cert, key } })).toBe(true);
    expect(await refusal(mutual.url, { tls: { ca } })).not.toMatch(/connected/);
  });

  test("what is no server is unavailable, what is no address is said without repeating it", async () => {
    expect(await refusal("nats://127.0.0.1:1")).toBe("unavailable");
    for (const url of ["http://x:1", "nats://", "nats://a b", "nats://user:secret@"]) {
      const failure = await connectBus(url).catch((error: unknown) => error as Error);
      expect(failure).toMatchObject({ code: "invalid_request" });
      expect((failure as Error).message).not.toContain("secret");
    }
  });

  test("a server without JetStream carries messages and says that it keeps nothing", async () => {
    await using server = await TestNatsServer.start({ jetStream: false });
    expect(await works(server.url, {})).toBe(true);
    await using bus = await connectBus(server.url);
    await expect(bus.keyValue("d", { ttlMs: 1000 })).rejects.toMatchObject({ code: "unsupported" });
    await expect(bus.work("W", { subjects: ["w"] })).rejects.toMatchObject({ code: "unsupported" });
  });

  test("a server that falls silent without closing is noticed", async () => {
    await using server = await TestNatsServer.start();
    await using bus = await connectBus(server.url);
    server.freeze();
    try {
      await until(() => bus.status === "disconnected");
    } finally {
      server.thaw();
    }
    await until(() => bus.status === "connected");
  });
});

test("a watch whose consumer the broker has dropped hears again, time after time, though the connection stands", async () => {
  await using server = await TestNatsServer.start();
  await using mine = await connectBus(server.url);
  await using theirs = await connectBus(server.url);
  const heard = new Set<string>();
  const directory = await mine.keyValue("deaf", { ttlMs: 600_000 });
  await directory.watch((change) => change.kind === "put" && heard.add(change.key));
  const other = await theirs.keyValue("deaf", { ttlMs: 600_000 });
  await other.put("first", Uint8Array.of(1));
  await until(() => heard.has("first"));
  const connection = await connect({ servers: `127.0.0.1:${server.port}` });
  try {
    const { consumers } = await jetstreamManager(connection);
    for (const key of ["second", "third"]) {
      const names: string[] = [];
      for await (const { name } of consumers.list("KV_deaf")) names.push(name);
      for (const name of names) await consumers.delete("KV_deaf", name);
      await other.put(key, Uint8Array.of(2));
      await until(() => heard.has(key), 30_000);
    }
  } finally {
    await connection.close();
  }
});
