/** The proxy does to frames what it is told, and to nothing else: over real sockets, against a server that numbers. */
import fc from "fast-check";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../support/engine.ts";
import { FaultProxy, PASS, type Rule } from "./fault-proxy.ts";
import { headerSplitter, natsSplitter } from "./frames.ts";

/** Frames of this test: one byte that says how many follow. */
const small = (): ReturnType<typeof headerSplitter> => headerSplitter(1, (header) => header[0]!);
const frame = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);

let server: Server;
let proxy: FaultProxy;
let received: string[];
let sockets: Socket[];

beforeEach(async () => {
  received = [];
  sockets = [];
  server = createServer((socket) => {
    const split = small();
    socket.on("error", () => undefined); // cut by a test
    socket.on("data", (chunk: Buffer) => {
      for (const { payload } of split.push(chunk)) received.push(payload.toString());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy = await FaultProxy.start((server.address() as AddressInfo).port, small);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await proxy[Symbol.asyncDispose]();
  await new Promise((resolve) => server.close(resolve));
});

async function client(): Promise<Socket> {
  const socket = connect(proxy.port, "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

const only = (text: string, verdict: ReturnType<Rule>): Rule => {
  return ({ payload }) => (payload.toString() === text ? verdict : "pass");
};

/** What arrives of a, b, c under a rule. */
async function sent(rule: Rule, last: number): Promise<string[]> {
  proxy.rule = rule;
  const socket = await client();
  socket.write(Buffer.concat(["a", "b", "c"].map(frame)));
  await until(() => received.length === last);
  return received;
}

describe("a frame", () => {
  test.each([
    ["passes", PASS, ["a", "b", "c"]],
    ["is dropped", only("b", "drop"), ["a", "c"]],
    ["is doubled", only("b", "double"), ["a", "b", "b", "c"]],
    ["goes after the next", only("b", "swap"), ["a", "c", "b"]],
    ["that should be swapped and is the last goes all the same", only("c", "swap"), ["a", "b", "c"]],
    ["is late, and what follows with it", only("a", { delayMs: 50 }), ["a", "b", "c"]],
  ] as const)("%s", async (_, rule, expected) => {
    expect(await sent(rule, expected.length)).toEqual(expected);
  });

  test("cuts the connection before it arrives", async () => {
    proxy.rule = only("b", "cut");
    const socket = await client();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(Buffer.concat(["a", "b", "c"].map(frame)));
    await closed;
    await until(() => proxy.connections === 0);
    expect(received).not.toContain("b");
  });
});

test("parted sides hear nothing of each other, and everything afterwards", async () => {
  const socket = await client();
  socket.write(frame("before"));
  await until(() => received.length === 1);
  proxy.part();
  socket.write(frame("meanwhile"));
  const late = await client(); // a connection can be begun, and leads nowhere yet
  late.write(frame("also"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(received).toEqual(["before"]);
  proxy.heal();
  await until(() => received.length === 3);
  expect(received.toSorted()).toEqual(["also", "before", "meanwhile"]);
});

test("a target that is not there is an end, not a silence", async () => {
  await using nowhere = await FaultProxy.start(1, small);
  const socket = connect(nowhere.port, "127.0.0.1");
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("close", resolve));
  expect(nowhere.connections).toBe(0);
});

const NATS = [
  'INFO {"max_payload":1048576}\r\n',
  "PUB punctual.default.load.a 5\r\nhello\r\n",
  "PUB x.y reply.z 2\r\nab\r\n",
  "HPUB x.h reply 12 14\r\nNATS/1.0\r\n\r\nok\r\n",
  "MSG x.y 7 0\r\n\r\n",
  "PING\r\n",
  "HMSG x.h 9 12 17\r\nNATS/1.0\r\n\r\nP\r\nUB\r\n",
];

test("NATS's protocol is split at its messages, however it comes", () => {
  const bytes = Buffer.from(NATS.join(""), "latin1");
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40 }), (sizes) => {
      const split = natsSplitter();
      const frames = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length]!;
        frames.push(...split.push(bytes.subarray(at, at + size)));
        at += size;
      }
      expect(frames.map((one) => one.bytes.toString("latin1"))).toEqual(NATS);
      expect(
        frames.filter(({ isMessage }) => isMessage).map(({ subject, payload }) => [subject, payload.toString()]),
      ).toEqual([
        ["punctual.default.load.a", "hello"],
        ["x.y", "ab"],
        ["x.h", "ok"],
        ["x.y", ""],
        ["x.h", "P\r\nUB"],
      ]);
    }),
    { seed: 4, numRuns: 50 },
  );
});
