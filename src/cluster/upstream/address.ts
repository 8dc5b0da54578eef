/**
 * How a user names another server: `[name=]URL[#model]`. The URL is that of OpenAI's clients (…/v1) or the server's own;
 * `#model` picks one of its models, which is then known before the server answers; `name=` is what it is called here.
 */
import { fail } from "../../core/index.ts";

/** Another server, and which of its models. */
export interface UpstreamAddress {
  /** Ends in /v1, without a slash behind it, a query, a fragment or credentials. */
  readonly base: string;
  /** Its own name for the model; null: all that it has. */
  readonly model: string | null;
  /** What that is called here; its own name when null. */
  readonly name: string | null;
  /** Sent as a bearer token; null: none. */
  readonly key: string | null;
}

const NAMED = /^([\w][\w.:/-]*)=(https?:\/\/.+)$/;

/**
 * Reads an address. A password in the URL (`http://:secret@host`) is the key, and shown nowhere.
 * @throws PunctualError invalid_request saying what was expected.
 */
export function parseUpstream(text: string, key: string | null = null): UpstreamAddress {
  const named = NAMED.exec(text);
  const [name, rest] = named === null ? [null, text] : [named[1]!, named[2]!];
  const url = URL.canParse(rest) ? new URL(rest) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    return fail("invalid_request", `--upstream: expected [name=]http://host:port[#model], got "${hidden(text)}"`, {
      param: "upstream",
    });
  }
  const model = url.hash === "" ? null : decodeURIComponent(url.hash.slice(1));
  if (name !== null && model === null) {
    return fail("invalid_request", `--upstream: a name needs a model: ${name}=${url.origin}#MODEL`, {
      param: "upstream",
    });
  }
  const path = url.pathname.replace(/\/+$/, "");
  return {
    base: `${url.origin}${path.endsWith("/v1") ? path : `${path}/v1`}`,
    model,
    name,
    key: key ?? (url.password === "" ? null : decodeURIComponent(url.password)),
  };
}

/** Without what stands before an @. */
function hidden(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//");
}
