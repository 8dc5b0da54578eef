/**
 * A server that speaks just enough of OpenAI's interface to misbehave in the ways real ones do: slow, refusing, cut in
 * the middle, many tokens in a chunk, counts or none. Each request is answered by the manner that a test sets.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Manner {
  /** Another status than 200, with an error body. */
  readonly status?: number;
  readonly retryAfterS?: number;
  /** Tokens of each chunk, in order. */
  readonly chunks?: readonly number[];
  /** Before the head, before each chunk. */
  readonly waitMs?: number;
  readonly gapMs?: number;
  readonly usage?: "running" | "final" | "last choice" | "none";
  /** Chat chunks that are sent as they are, in place of `chunks`; the last one ends the answer. */
  readonly deltas?: readonly object[];
  /** An empty first chunk with the role, as older servers send it. */
  readonly roleFirst?: boolean;
  /** What comes instead of a proper end. */
  readonly end?: "done" | "cut" | "error" | "reset" | "garbage" | "hang" | "no done";
  /** Answer with one JSON object instead of a stream. */
  readonly plain?: boolean;
  readonly slo?: { readonly attained: boolean };
}

export interface Double {
  readonly url: string;
  /** Bodies and headers in the order of their arrival. */
  readonly seen: {
    readonly path: string;
    readonly body: Record<string, unknown>;
    readonly headers: IncomingMessage["headers"];
  }[];
  /** Connections opened so far. */
  readonly connections: () => number;
  readonly underWay: () => number;
  readonly aborted: () => number;
  /** How it tells tokens: as who tells counts only, as vLLM, as llama-server, or not at all. */
  tokenizer: "count" | "vllm" | "llama" | "none";
  manner: (request: number, body: Record<string, unknown>) => Manner;
  stop(): Promise<void>;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function startDouble(manner: Double["manner"] = () => ({})): Promise<Double> {
  let [connections, underWay, aborted, count] = [0, 0, 0, 0];
  const server = createServer((request, response) => {
    void handle(request, response);
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
    const path = request.url ?? "";
    if (path === "/v1/models") {
      response.setHeader("content-type", "application/json").end(JSON.stringify({ data: [{ id: "double" }] }));
      return;
    }
    if (path === "/tokenize") {
      const words = JSON.stringify(body["prompt"] ?? "").split(" ").length;
      if (double.tokenizer === "count") json(response, { count: 2 * words + 3 });
      else tokens(response, double.tokenizer, body);
      return;
    }
    if (path === "/detokenize") {
      const text = (body["tokens"] as number[]).map((id) => String.fromCodePoint(id)).join("");
      if (double.tokenizer === "vllm") json(response, { prompt: text });
      else if (double.tokenizer === "llama") json(response, { content: text });
      else response.writeHead(404).end();
      return;
    }
    double.seen.push({ path, body, headers: request.headers });
    underWay += 1;
    response.once("close", () => {
      underWay -= 1;
      if (!response.writableFinished) aborted += 1;
    });
    await answer(response, path, double.manner(count++, body));
  };
  server.on("connection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const double: Double = {
    url: `http://127.0.0.1:${port}`,
    seen: [],
    connections: () => connections,
    underWay: () => underWay,
    aborted: () => aborted,
    tokenizer: "count",
    manner,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return double;
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json").end(JSON.stringify(value));
}

/** A token is a character. */
function tokens(response: ServerResponse, tokenizer: "vllm" | "llama" | "none", body: Record<string, unknown>): void {
  const idsOf = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0)!);
  if (tokenizer === "none") {
    response.writeHead(404).end();
    return;
  }
  // A conversation is nothing to llama-server's, which answers that there is no text.
  if (tokenizer === "llama") return json(response, { tokens: idsOf((body["content"] as string | undefined) ?? "") });
  const messages = (body["messages"] as { content: string }[] | undefined) ?? [];
  const ids = idsOf(
    `${(body["prompt"] as string | undefined) ?? ""}${messages.map(({ content }) => content).join("")}`,
  );
  json(response, { count: ids.length, max_model_len: 512, tokens: ids, token_strs: null });
}

async function answer(response: ServerResponse, path: string, manner: Manner): Promise<void> {
  const { status = 200, chunks = [1, 1, 1], usage = "final", end = "done", waitMs = 0, gapMs = 0 } = manner;
  if (waitMs > 0) await sleep(waitMs);
  if (status !== 200) {
    if (manner.retryAfterS !== undefined) response.setHeader("retry-after", String(manner.retryAfterS));
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { message: `refused with ${status}` } }));
    return;
  }
  const isChat = path.includes("chat");
  const total = chunks.reduce((sum, tokens) => sum + tokens, 0);
  const usageOf = (tokens: number): object => ({
    prompt_tokens: 7,
    completion_tokens: tokens,
    ...(manner.slo === undefined ? {} : { slo: manner.slo }),
  });
  const choice = (text: string, reason: string | null): object =>
    isChat
      ? { index: 0, delta: text === "" ? {} : { content: text }, finish_reason: reason }
      : { index: 0, text, finish_reason: reason };
  if (manner.plain === true) {
    const message = isChat ? { message: { content: "all at once" } } : { text: "all at once" };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ choices: [{ index: 0, ...message, finish_reason: "stop" }], usage: usageOf(total) }));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (value: unknown): void => void response.write(`data: ${JSON.stringify(value)}\n\n`);
  if (manner.roleFirst === true) {
    send({
      choices: [{ index: 0, delta: { role: "assistant", content: "" } }],
      ...(usage === "running" ? { usage: usageOf(0) } : {}),
    });
  }
  response.write(": a comment\n\n");
  for (const [i, delta] of (manner.deltas ?? []).entries()) {
    const isEnd = i + 1 === manner.deltas!.length && end === "done";
    send({ choices: [{ index: 0, delta, finish_reason: isEnd ? "stop" : null }] });
  }
  let sent = 0;
  for (const [i, count] of (manner.deltas === undefined ? chunks : []).entries()) {
    if (gapMs > 0) await sleep(gapMs);
    sent += count;
    const isLast = i === chunks.length - 1 && end !== "cut" && end !== "reset" && end !== "garbage";
    const counts = usage === "running" || (usage === "last choice" && isLast) ? { usage: usageOf(sent) } : {};
    send({ choices: [choice("x".repeat(count), isLast ? "stop" : null)], ...counts });
  }
  if (end === "error") send({ error: { message: "the engine broke", code: "engine_failed" } });
  if (end === "garbage") response.write("data: {not json\n\n");
  if (end === "hang") return;
  if (end === "reset") {
    // Give the chunks a moment on the wire, then break the connection.
    await sleep(20);
    response.destroy();
    return;
  }
  if (end === "done" || end === "no done") {
    if (usage === "final" || usage === "running") send({ choices: [], usage: usageOf(total) });
    if (end === "done") response.write("data: [DONE]\n\n");
  }
  response.end();
}
