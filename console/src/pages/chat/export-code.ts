/** A request as a command or a program that somebody can paste. Pure. */

/** What an export tells beside the body. */
export interface ExportTarget {
  /** The server's address without a slash at the end. */
  readonly origin: string;
  /** Whether the server asks for a key; the key itself is never part of an export. */
  readonly asksForKey: boolean;
}

/** As a curl command for a POSIX shell: the body between single quotes, a quote inside it as '\''. */
export function exportCurl(body: Readonly<Record<string, unknown>>, target: ExportTarget): string {
  const json = JSON.stringify(body, null, 2).replaceAll("'", String.raw`'\''`);
  const key = target.asksForKey ? `\n  -H "authorization: Bearer $PUNCTUAL_API_KEY" \\` : "";
  return `curl -N ${target.origin}/v1/chat/completions \\
  -H 'content-type: application/json' \\${key}
  -d '${json}'
`;
}

/** As a TypeScript program on the openai package; fields that its types do not know are passed all the same. */
export function exportTypeScript(body: Readonly<Record<string, unknown>>, target: ExportTarget): string {
  const key = target.asksForKey ? "process.env.PUNCTUAL_API_KEY" : '"none"';
  return `import OpenAI from "openai";
import type { ChatCompletionCreateParamsStreaming } from "openai/resources/chat/completions";

const client = new OpenAI({ baseURL: ${JSON.stringify(`${target.origin}/v1`)}, apiKey: ${key} });

// The server has fields of its own, such as slo and thinking_budget, which OpenAI's type does not know.
const body = ${JSON.stringify(body, null, 2)} as unknown as ChatCompletionCreateParamsStreaming;

for await (const chunk of await client.chat.completions.create(body)) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
}
`;
}
