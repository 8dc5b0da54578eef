/**
 * GET /: one page that says what is served, how to ask it, and lets a visitor ask. No framework, no
 * request to anywhere else; the chat box reads the same stream that any client reads.
 */
import type { EngineInfo } from "../runtime/index.ts";

/** Inline style and script only, and no other origin: the page cannot be made to load anything. */
export const LANDING_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1b1d21, #e8e6e1); --soft: light-dark(#5d626b, #9a9ea6);
  --paper: light-dark(#fbfaf7, #16181b); --card: light-dark(#ffffff, #1e2125); --line: light-dark(#e3dfd6, #31353b);
  --accent: light-dark(#0b6e4f, #5fd0a5); --bad: light-dark(#a3261b, #ff9387); }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 ui-sans-serif, system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; display: grid; grid-template-columns: minmax(0, 1fr); gap: 2rem }
h1 { font-size: 2rem; letter-spacing: -.02em; margin: 0 }
h1 span { color: var(--accent) }
h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .08em; color: var(--soft); margin: 0 0 .6rem }
p { margin: .3rem 0 0; color: var(--soft) }
a { color: var(--accent) }
table { border-collapse: collapse; width: 100%; font-size: .93rem }
th { text-align: left; font-weight: 500; color: var(--soft) }
td, th { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line) }
td.n { font-variant-numeric: tabular-nums }
code, pre { font: .86rem/1.5 ui-monospace, SFMono-Regular, Menlo, monospace }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; margin: 0; overflow-x: auto }
#log { display: grid; grid-template-columns: minmax(0, 1fr); gap: .8rem; margin-bottom: .9rem }
.turn { border-radius: .6rem; padding: .6rem .9rem; white-space: pre-wrap; overflow-wrap: anywhere; max-width: 88% }
.user { background: var(--accent); color: var(--paper); justify-self: end }
.bot { background: var(--card); border: 1px solid var(--line); justify-self: start; min-width: 4rem }
.think { color: var(--soft); font-size: .88rem; border-left: 2px solid var(--line); padding-left: .6rem; margin-bottom: .3rem }
.think:empty { display: none }
.note { color: var(--soft); font-size: .78rem; font-variant-numeric: tabular-nums; margin-top: .3rem }
.bad { color: var(--bad) }
form { display: flex; gap: .5rem; flex-wrap: wrap }
input, select, button { font: inherit; color: inherit; border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .8rem; background: var(--card) }
input { flex: 1 1 14rem; min-width: 0 }
button { background: var(--accent); border-color: var(--accent); color: var(--paper); cursor: pointer }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
`;

const SCRIPT = `
const byId = (id) => document.getElementById(id);
const log = byId("log"), form = byId("ask"), input = byId("text"), model = byId("model"), button = byId("send"), key = byId("key");
const messages = [];
let running = null;
byId("origin").textContent = location.origin;

function add(parent, className, text) {
  const element = document.createElement("div");
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\\n\\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield part.slice(6);
  }
}

async function answer(turn) {
  const thinking = add(turn, "think", ""), text = add(turn, "", ""), note = add(turn, "note", "…");
  const started = performance.now();
  let firstMs = null, reply = "";
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", ...(key?.value ? { authorization: "Bearer " + key.value } : {}) },
    body: JSON.stringify({ model: model.value, messages, stream: true, temperature: 0, stream_options: { include_usage: true } }),
    signal: running.signal,
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  for await (const data of events(response.body)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    const delta = chunk.choices[0]?.delta ?? {};
    if (firstMs === null && (delta.content || delta.reasoning_content)) firstMs = performance.now() - started;
    thinking.textContent += delta.reasoning_content ?? "";
    reply += delta.content ?? "";
    text.textContent = reply;
    if (chunk.usage) note.textContent = summary(firstMs, chunk.usage);
    turn.scrollIntoView({ block: "nearest" });
  }
  messages.push({ role: "assistant", content: reply });
}

function summary(firstMs, usage) {
  const parts = [usage.completion_tokens + " tokens"];
  if (firstMs !== null) parts.unshift("first after " + firstMs.toFixed(0) + " ms");
  if (usage.slo && usage.slo.tpot_ms) parts.push((1000 / usage.slo.tpot_ms).toFixed(0) + " tokens/s");
  return parts.join(" · ");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) return running.abort();
  const question = input.value.trim();
  if (question === "") return;
  input.value = "";
  messages.push({ role: "user", content: question });
  add(log, "turn user", question);
  const turn = add(log, "turn bot", "");
  running = new AbortController();
  button.textContent = "Stop";
  try {
    await answer(turn);
  } catch (error) {
    const last = turn.querySelector(".note");
    (last ?? turn).textContent = error.name === "AbortError" ? "stopped" : error.message;
    if (error.name !== "AbortError") (last ?? turn).classList.add("bad");
    messages.pop();
  } finally {
    running = null;
    button.textContent = "Ask";
    input.focus();
  }
});
`;

const ENDPOINTS: readonly (readonly [string, string])[] = [
  ["POST /v1/chat/completions", "chat, streamed or whole"],
  ["POST /v1/completions", "text, from strings or token ids"],
  ["GET /v1/models", "what is served"],
  ["GET /health", "200 when every model is ready"],
  ["GET /metrics", "for Prometheus, also under vLLM's names"],
];

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function modelRow(info: EngineInfo): string {
  const cells = [`<td><code>${escapeHtml(info.name)}</code></td>`];
  cells.push(`<td class="n">${info.contextTokens} tokens</td>`, `<td>${escapeHtml(info.weights)}</td>`);
  cells.push(`<td class="n">${info.kvPages * info.pageTokens} tokens</td>`);
  return `<tr>${cells.join("")}</tr>`;
}

function curlExample(model: string, asksForKeys: boolean): string {
  const body = [
    `{"model": ${JSON.stringify(model)}, "stream": true,`,
    `"messages": [{"role": "user", "content": "What is 12 + 7?"}],`,
    `"slo": {"ttft_ms": 200}}`,
  ];
  return `curl -N <span id="origin">http://localhost:8080</span>/v1/chat/completions \\
  -H 'content-type: application/json' \\${asksForKeys ? "\n  -H 'authorization: Bearer YOUR-KEY' \\" : ""}
  -d '${escapeHtml(body.join("\n       "))}'`;
}

/** The page for these models; the first is the one the examples use. @param asksForKeys the chat box then has a field for one. */
export function landingPage(models: readonly EngineInfo[], asksForKeys: boolean): string {
  const keyField = `<input id="key" type="password" aria-label="API key" placeholder="API key" autocomplete="off">`;
  const options = models.map(({ name }) => `<option>${escapeHtml(name)}</option>`).join("");
  const endpoints = ENDPOINTS.map(([path, what]) => `<tr><td><code>${path}</code></td><td>${what}</td></tr>`).join("");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Punctual</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<header><h1>Punctual<span>.</span></h1><p>Every request has a deadline, and the runtime keeps it.</p></header>
<section aria-label="Chat"><h2>Ask</h2>
<div id="log" aria-live="polite"></div>
<form id="ask">
<input id="text" aria-label="Message" placeholder="What is 12 + 7?" autocomplete="off" autofocus>
<select id="model" aria-label="Model">${options}</select>
${asksForKeys ? keyField : ""}
<button id="send">Ask</button>
</form></section>
<section><h2>From a terminal</h2><pre>${curlExample(models[0]?.name ?? "", asksForKeys)}</pre>
<p>Any OpenAI client works: set its base URL to this address followed by <code>/v1</code>; ${asksForKeys ? "the key is one that this server was given" : "the key is not read"}.</p></section>
<section><h2>Models</h2>
<table><thead><tr><th>model</th><th>context</th><th>weights</th><th>KV cache</th></tr></thead><tbody>${models.map(modelRow).join("")}</tbody></table></section>
<section><h2>Endpoints</h2><table><tbody>${endpoints}</tbody></table></section>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
