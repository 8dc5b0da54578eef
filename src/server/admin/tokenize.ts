/** POST /tokenize and /detokenize: what a model would be given, and what token ids say. Nothing is computed. */
import { fail } from "../../core/index.ts";
import {
  parseDetokenizeRequest,
  parseTokenizeRequest,
  type DetokenizeAnswer,
  type TokenizeAnswer,
  type TokenizeRequest,
} from "../../protocol/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { readJson } from "../body.ts";
import { findEngine, type ServerContext } from "../context.ts";
import { conversationPrompt } from "../openai/conversation.ts";

/** Token ids of a text or a conversation. Errors: `model_not_found`, `invalid_request`, `unsupported`. */
export function tokenize(context: ServerContext, incoming: Request): Promise<Response> {
  return answer(context, incoming, (body) => tokenized(context, body));
}

/** The text of token ids, special tokens by their names. Errors: `model_not_found`, `invalid_request`. */
export function detokenize(context: ServerContext, incoming: Request): Promise<Response> {
  return answer(context, incoming, (body) => detokenized(context, body));
}

/** Counts against a caller's limits like any other request that is work. */
async function answer(context: ServerContext, incoming: Request, work: (body: unknown) => object): Promise<Response> {
  const open = context.requests.open(incoming.signal);
  try {
    return Response.json(work(await readJson(incoming, context.bodyLimitBytes)));
  } finally {
    open.done();
  }
}

function tokenized(context: ServerContext, body: unknown): TokenizeAnswer {
  const request = parseTokenizeRequest(body);
  const engine = engineOf(context, request.model);
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

function detokenized(context: ServerContext, body: unknown): DetokenizeAnswer {
  const request = parseDetokenizeRequest(body);
  const { tokenizer } = engineOf(context, request.model);
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
