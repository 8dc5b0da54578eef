/**
 * POST /tokenize and /detokenize: what a model would be given, and what token ids say. Nothing is computed. A model of another
 * server is asked there, as only that server has its vocabulary.
 */
import { fail } from "../../core/index.ts";
import {
  parseDetokenizeRequest,
  parseTokenizeRequest,
  type ChatRequest,
  type DetokenizeAnswer,
  type TokenizeAnswer,
  type TokenizeRequest,
} from "../../protocol/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { readJson } from "../body.ts";
import { findEngine, type ServerContext, type WithProxy } from "../context.ts";
import { conversationPrompt } from "../openai/conversation.ts";
import { hasProxy } from "../openai/proxied.ts";

/** Token ids of a text or a conversation. Errors: `model_not_found`, `invalid_request`, `unsupported`. */
export function tokenize(context: ServerContext, incoming: Request): Promise<Response> {
  return answer(context, incoming, (body, signal) => tokenized(context, body, signal));
}

/** The text of token ids, special tokens by their names. Errors: `model_not_found`, `invalid_request`. */
export function detokenize(context: ServerContext, incoming: Request): Promise<Response> {
  return answer(context, incoming, (body, signal) => detokenized(context, body, signal));
}

/** Counts against a caller's limits like any other request that is work. */
async function answer(
  context: ServerContext,
  incoming: Request,
  work: (body: unknown, signal: AbortSignal) => Promise<object>,
): Promise<Response> {
  const open = context.requests.open(incoming.signal);
  try {
    return Response.json(await work(await readJson(incoming, context.bodyLimitBytes), open.signal));
  } finally {
    open.done();
  }
}

/**
 * Tokens of a conversation at the server that has the model.
 * Errors: `unsupported` where it does not tell, and those of a server that is asked.
 */
export async function countForeignTokens(
  { proxy }: WithProxy,
  chat: ChatRequest,
  signal: AbortSignal,
): Promise<number> {
  const { messages, tools, chat_template_kwargs: switches } = chat;
  const asked = withoutAbsent({ messages, tools, chat_template_kwargs: switches });
  return (await proxy.tokenize(asked, signal)).count;
}

/** Fields that say something: other servers may take null for a value. */
function withoutAbsent(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}

async function tokenized(context: ServerContext, body: unknown, signal: AbortSignal): Promise<TokenizeAnswer> {
  const request = parseTokenizeRequest(body);
  const engine = engineOf(context, request.model);
  if (hasProxy(engine)) {
    const { model: _named, ...asked } = request;
    const { count, contextTokens, tokens, strings: told } = await engine.proxy.tokenize(withoutAbsent(asked), signal);
    const max = Math.min(contextTokens ?? engine.info.contextTokens, context.contextTokens);
    return { count, max_model_len: max, tokens: [...tokens], token_strs: told === null ? null : [...told] };
  }
  const tokens = tokensOf(request, engine);
  const decoder = new TextDecoder();
  const strings = (): string[] => tokens.map((id) => decoder.decode(engine.tokenizer.pieceBytes(id)));
  return {
    count: tokens.length,
    max_model_len: Math.min(engine.info.contextTokens, context.contextTokens),
    tokens,
    token_strs: request.return_token_strs === true ? strings() : null,
  };
}

function tokensOf(request: TokenizeRequest, engine: Engine): number[] {
  const { messages, prompt, tools, chat_template_kwargs: switches } = request;
  if (messages !== null && messages !== undefined) {
    const thinking = switches?.enable_thinking ?? switches?.thinking ?? undefined;
    return conversationPrompt(engine, messages, { tools: tools ?? [], thinking });
  }
  const { tokenizer } = engine;
  const tokens = tokenizer.encode(prompt ?? "");
  return request.add_special_tokens === false ? tokens : [...tokenizer.prefix, ...tokens, ...tokenizer.suffix];
}

async function detokenized(context: ServerContext, body: unknown, signal: AbortSignal): Promise<DetokenizeAnswer> {
  const request = parseDetokenizeRequest(body);
  const engine = engineOf(context, request.model);
  if (hasProxy(engine)) return { prompt: await engine.proxy.detokenize(request.tokens, signal) };
  const { tokenizer } = engine;
  const beyond = request.tokens.findIndex((id) => id >= tokenizer.vocabSize);
  if (beyond >= 0) {
    fail("invalid_request", `Invalid 'tokens[${beyond}]': expected token ids below ${tokenizer.vocabSize}.`, {
      param: `tokens[${beyond}]`,
    });
  }
  return { prompt: tokenizer.decode(request.tokens, { special: true }) };
}

/** The named model; the first when nobody says which. */
function engineOf(context: ServerContext, model: string | null | undefined): Engine {
  const first = context.engines.keys().next().value;
  return findEngine(context, model ?? first ?? "");
}
