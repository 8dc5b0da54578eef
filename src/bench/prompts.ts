/**
 * Prompts for requests of which only lengths and hash ids are known: made-up text of common words, or token ids. The
 * same hash id always gives the same words, so that what shares a prefix in a trace shares it on the wire.
 *
 * How many words make so many tokens is asked of the server's /tokenize where it has one; without it a word counts as
 * one token, and reports show what the server counted.
 */
import type { RandomStream } from "../core/index.ts";
import { promptTokenIds, type TokenRange, type TraceRequest } from "../workload/index.ts";

/** Short words that most vocabularies have whole. */
const WORDS: readonly string[] =
  `the of and to in is for on that by this with you it not or be are from at as your all have new more an was we will
home can us about if page my has search free but our one other do no information time they site he up may what which
their news out use any there see only so his when contact here business who web also now help get view online first
been would how were services some these click its like service than find price date back top people had list name just
over state year day into email two health world next used go work last most products music buy data make them should
product system post her city add policy number such please available copyright support message after best software then
good video well where info rights public books high school through each links she review years order very privacy book
items company read group need many user said does set under general research university mail full map reviews program
life know games way days management part could great united hotel real item international center must store travel
comments made development report off member details line terms before hotels did send right type because local those
using results office education national car design take posted internet address community within states area want phone
shipping reserved subject between forum family long based code show even black check special prices website index being
women much sign file link open today technology south case project same pages version section own found sports house
related security both county photo game members power while care network down computer systems three total place end
following download him without per access think north resources current posts big media law control water history
pictures size art personal since including guide shop directory board location change white text small rating rate
government children during return students shopping account times sites level digital profile previous form events love
old john main call hours image department title description`.split(/\s+/);

/** How text is made for a server. */
export interface TextScale {
  /** Tokens per word, above 0. */
  readonly tokensPerWord: number;
  /** Tokens that the server adds around a prompt (a chat template, a beginning mark). */
  readonly overheadTokens: number;
}

/** One word, one token. */
export const PLAIN_SCALE: TextScale = { tokensPerWord: 1, overheadTokens: 0 };

/** The prompt of a request as text: its own if it has one, else made-up words for its length. */
export function promptText(
  request: TraceRequest,
  blockTokens: number,
  { tokensPerWord, overheadTokens }: TextScale,
  random: RandomStream,
): string {
  if (request.text !== undefined) return request.text;
  const wordsFor = (tokens: number): number => Math.max(1, Math.round(tokens / tokensPerWord));
  const total = wordsFor(Math.max(1, request.promptTokens - overheadTokens));
  const words: string[] = [];
  const fill = (stream: RandomStream, count: number): void => {
    for (let i = 0; i < count; i++) words.push(stream.pick(WORDS));
  };
  for (const hash of request.hashIds ?? []) {
    if (words.length >= total) break;
    fill(random.fork(`block ${hash}`), Math.min(wordsFor(blockTokens), total - words.length));
  }
  fill(random.fork(`request ${request.id}`), total - words.length);
  return words.join(" ");
}

/** A text of so many made-up words, for measuring a server's tokens per word. */
export function sampleText(words: number, random: RandomStream): string {
  return Array.from({ length: words }, () => random.pick(WORDS)).join(" ");
}

/** How prompts go over the wire. */
export type PromptForm =
  | { readonly kind: "text"; readonly scale: TextScale }
  /** Token ids, for servers that take them in /v1/completions. */
  | { readonly kind: "ids"; readonly range: TokenRange };

/** A prompt in that form. */
export function promptOf(
  request: TraceRequest,
  blockTokens: number,
  form: PromptForm,
  random: RandomStream,
): string | readonly number[] {
  return form.kind === "text"
    ? promptText(request, blockTokens, form.scale, random)
    : promptTokenIds(request, blockTokens, form.range, random);
}
