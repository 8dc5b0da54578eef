/**
 * Tokens that are looked for in a text before anything else happens to it (`added_tokens` of tokenizer.json): marks,
 * which only trusted text may contain, and plain ones such as runs of spaces, which any text may.
 *
 * Also the shield that lets untrusted text be written into trusted text: a template's output is read with its marks,
 * and the marks inside a user's words must stay words.
 */

/** One token of the list. */
export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** Read from trusted text only, and left out when ids become text. */
  readonly mark: boolean;
  /** White space beside it belongs to it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

// Gemma's vocabulary has these as unnormalised words: text of web pages, not turns of a conversation.
const HTML = /^<\/?(?:table|caption|thead|tbody|tfoot|tr|th|td|h[1-6]|blockquote|strong|em|b|i|u|sub|sup|code)>$/u;

/**
 * Whether a token is a mark. Files call only some of them special: Qwen's <think> and <tool_call> are not, and still
 * nobody may type them. What looks like markup is a mark, except HTML elements; one character alone is always text.
 */
export function isMark(content: string, special: boolean): boolean {
  if (content.length < 2) return false;
  return special || (/^(?:<\S*>|\[\S*\])$/u.test(content) && !HTML.test(content));
}

interface Node {
  readonly next: Map<number, Node>;
  token: AddedToken | null;
}

/** Finds added tokens in text: leftmost first, longest of those that start there. */
export class AddedTokens {
  readonly #all: Node;
  readonly #plain: Node | null;

  constructor(tokens: readonly AddedToken[]) {
    this.#all = buildTrie(tokens);
    const plain = tokens.filter((token) => !token.mark);
    this.#plain = plain.length === 0 ? null : buildTrie(plain);
  }

  /** The text cut into stretches without added tokens (strings, some empty) and the ids between them. */
  split(text: string, special: boolean): (string | number)[] {
    const root = special ? this.#all : this.#plain;
    if (root === null) return [text];
    const parts: (string | number)[] = [];
    let start = 0;
    for (let at = 0; at < text.length;) {
      const token = longestMatch(root, text, at);
      if (token === null) {
        at += 1;
        continue;
      }
      const before = text.slice(start, at);
      parts.push(token.lstrip ? before.trimEnd() : before, token.id);
      at += token.content.length;
      if (token.rstrip) while (at < text.length && /\s/u.test(text[at]!)) at += 1;
      start = at;
    }
    parts.push(text.slice(start));
    return parts;
  }
}

function buildTrie(tokens: readonly AddedToken[]): Node {
  const root: Node = { next: new Map(), token: null };
  for (const token of tokens) {
    let node = root;
    for (let i = 0; i < token.content.length; i++) {
      const unit = token.content.charCodeAt(i);
      let child = node.next.get(unit);
      if (child === undefined) node.next.set(unit, (child = { next: new Map(), token: null }));
      node = child;
    }
    if (node !== root) node.token = token;
  }
  return root;
}

function longestMatch(root: Node, text: string, at: number): AddedToken | null {
  let found: AddedToken | null = null;
  let node = root.next.get(text.charCodeAt(at));
  for (let i = at + 1; node !== undefined; i++) {
    found = node.token ?? found;
    node = i < text.length ? node.next.get(text.charCodeAt(i)) : undefined;
  }
  return found;
}

/** A code point that Unicode keeps out of interchange: no text has a use for it. */
const SHIELD = "\uFDD0";

/** Breaks every mark inside untrusted text, so that it stays text wherever a template writes it. */
export class MarkShield {
  readonly #marks: Node;

  constructor(names: Iterable<string>) {
    const plain = { id: 0, mark: true, lstrip: false, rstrip: false };
    this.#marks = buildTrie(Array.from(names, (content) => ({ ...plain, content })));
  }

  /** The text with a shield behind the first character of every mark. A shield of its own becomes U+FFFD. */
  cover(text: string): string {
    const clean = text.replaceAll(SHIELD, "\uFFFD");
    let covered = "";
    let start = 0;
    for (let at = 0; at < clean.length; at++) {
      if (longestMatch(this.#marks, clean, at) === null) continue;
      covered += clean.slice(start, at + 1) + SHIELD;
      start = at + 1;
    }
    return covered + clean.slice(start);
  }
}

/** The covered text as it was. */
export function uncover(text: string): string {
  return text.replaceAll(SHIELD, "");
}
