/**
 * A server of OpenAI's interface that speculates by a script: its answers follow from the prompt alone, its steps from
 * prompt, draft length and drafter, so that a test knows every acceptance length to the token. It tells about its steps in
 * whichever of the ways real servers do.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Ways to tell. */
export type Account = "response metrics" | "usage" | "timings" | "counters" | "chunks";

export interface DraftingDouble {
  readonly url: string;
  readonly accounts: Set<Account>;
  /** The draft length of requests that do not say theirs in `speculation.tokens`. */
  draftLength: number;
  /** Steps told in one chunk. */
  merge: number;
  /** Tokens of every answer, unless the request wants fewer. */
  answerTokens: number;
  /** Says nothing of drafts where there were none: answers to "brief" are not drafted for. */
  sparse: boolean;
  /** Says another text than without drafts. */
  isLossy: boolean;
  /** Bodies in the order of their arrival. */
  readonly bodies: Record<string, unknown>[];
  /** What the request `body` gets as its steps, the one that reads the prompt first. */
  steps(body: Record<string, unknown>): { readonly lengths: readonly number[]; readonly words: readonly string[] };
  stop(): Promise<void>;
}

/** The n-th word of a prompt's answer. */
const word = (seed: number, i: number): string => `w${(seed * 31 + i * i * 7) % 97}`;

function hash(text: string): number {
  let value = 7;
  for (const letter of text) value = (value * 33 + letter.codePointAt(0)!) % 1_000_003;
  return value;
}

/** An id per word; none is seen twice for two words in what tests ask. */
const idOf = (text: string): number => 1000 + hash(text);

export async function startDraftingDouble(): Promise<DraftingDouble> {
  const counters = { drafts: 0, draftTokens: 0, accepted: 0, perPosition: [] as number[], generated: 0 };
  const server = createServer((request, response) => {
    void handle(request, response);
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
    const json = (value: unknown): void => {
      response.setHeader("content-type", "application/json").end(JSON.stringify(value));
    };
    if (request.url === "/v1/models") json({ data: [{ id: "drafting" }] });
    else if (request.url === "/tokenize") {
      const words = promptOf(body).match(/\S+/g) ?? [];
      json({ count: words.length, tokens: words.map(idOf) });
    } else if (request.url === "/metrics") {
      if (double.accounts.has("counters")) response.end(page(counters));
      else response.writeHead(404).end();
    } else {
      double.bodies.push(body);
      answer(double, counters, body, response, request.url?.includes("chat") === true);
    }
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const double: DraftingDouble = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accounts: new Set(["usage"]),
    draftLength: 0,
    merge: 1,
    answerTokens: 24,
    sparse: false,
    isLossy: false,
    bodies: [],
    steps: (body) => stepsOf(double, body),
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return double;
}

function promptOf({ messages, prompt }: Record<string, unknown>): string {
  if (Array.isArray(messages)) return messages.map(({ content }: { content: string }) => content).join(" ");
  return Array.isArray(prompt) ? prompt.join(" ") : String(prompt as string);
}

function draftLengthOf(double: DraftingDouble, body: Record<string, unknown>): number {
  if (double.sparse && promptOf(body) === "brief") return 0;
  return (body["speculation"] as { tokens?: number } | undefined)?.tokens ?? double.draftLength;
}

function stepsOf(double: DraftingDouble, body: Record<string, unknown>): ReturnType<DraftingDouble["steps"]> {
  const seed = hash(promptOf(body));
  const wanted = Number(body["max_completion_tokens"] ?? body["max_tokens"] ?? 16);
  const count = body["ignore_eos"] === true ? wanted : Math.min(wanted, double.answerTokens);
  const draftLength = draftLengthOf(double, body);
  const allowed = (body["speculation"] as { allowed?: number[] } | undefined)?.allowed;
  const words = Array.from({ length: count }, (_, i) => word(seed, i));
  const lengths = [1];
  for (let done = 1, step = 0; done < count; step++) {
    let accepted = (seed + step * 5) % (draftLength + 1);
    // A token that the drafter may not propose ends its draft.
    const barred =
      allowed === undefined ? -1 : words.slice(done, done + accepted).findIndex((one) => !allowed.includes(idOf(one)));
    if (barred >= 0) accepted = barred;
    lengths.push(Math.min(accepted + 1, count - done));
    done += lengths.at(-1)!;
  }
  if (double.isLossy && draftLength > 0) words[words.length - 1] = "other";
  return { lengths, words };
}

interface Counters {
  drafts: number;
  draftTokens: number;
  accepted: number;
  readonly perPosition: number[];
  generated: number;
}

function answer(
  double: DraftingDouble,
  counters: Counters,
  body: Record<string, unknown>,
  response: ServerResponse,
  isChat: boolean,
): void {
  const { lengths, words } = double.steps(body);
  const draftLength = draftLengthOf(double, body);
  const verified = draftLength > 0 ? lengths.slice(1) : [];
  const accepted = verified.reduce((sum, length) => sum + length - 1, 0);
  const drafted = verified.length * draftLength;
  counters.generated += words.length;
  counters.drafts += verified.length;
  counters.draftTokens += drafted;
  counters.accepted += accepted;
  for (const length of verified)
    for (let i = 0; i < length - 1; i++) counters.perPosition[i] = (counters.perPosition[i] ?? 0) + 1;
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (value: unknown): void => void response.write(`data: ${JSON.stringify(value)}\n\n`);
  const counts = (tokens: number): object => ({ prompt_tokens: 5, completion_tokens: tokens });
  let [said, from] = [0, 0];
  for (let i = 0; i < lengths.length; i += double.merge) {
    said += lengths.slice(i, i + double.merge).reduce((sum, length) => sum + length, 0);
    const text = words.slice(from, said).join(" ") + (said < words.length ? " " : "");
    from = said;
    const isLast = said === words.length;
    const finish = isLast
      ? words.length < double.answerTokens || body["ignore_eos"] === true
        ? "length"
        : "stop"
      : null;
    const choice = isChat ? { delta: { content: text } } : { text };
    send({ choices: [{ index: 0, ...choice, finish_reason: finish }], usage: counts(said) });
  }
  const { accounts } = double;
  const histogram = Array.from(
    { length: draftLength + 1 },
    (_, j) => verified.filter((length) => length === j + 1).length,
  );
  send({
    choices: [],
    usage: {
      ...counts(words.length),
      completion_tokens_details: accounts.has("usage")
        ? { accepted_prediction_tokens: accepted, rejected_prediction_tokens: drafted - accepted }
        : { accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
    },
    ...(accounts.has("timings") ? { timings: { draft_n: drafted, draft_n_accepted: accepted } } : {}),
    ...(accounts.has("response metrics") && (drafted > 0 || !double.sparse)
      ? {
          metrics: {
            speculative_decoding: {
              num_accepted_draft_tokens: accepted,
              num_draft_tokens: drafted,
              num_spec_steps: verified.length,
              acceptance_histogram: histogram,
            },
          },
        }
      : {}),
  });
  response.end("data: [DONE]\n\n");
}

function page({ drafts, draftTokens, accepted, perPosition, generated }: Counters): string {
  const label = 'model_name="drafting"';
  return [
    `vllm:spec_decode_num_drafts_total{${label}} ${drafts}`,
    `vllm:spec_decode_num_draft_tokens_total{${label}} ${draftTokens}`,
    `vllm:spec_decode_num_accepted_tokens_total{${label}} ${accepted}`,
    ...perPosition.map(
      (count, i) => `vllm:spec_decode_num_accepted_tokens_per_pos_total{${label},position="${i}"} ${count}`,
    ),
    `vllm:generation_tokens_total{${label}} ${generated}`,
    "",
  ].join("\n");
}
