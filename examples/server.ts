/** The server as a library: your own process, your own engine, OpenAI's interface on a port of your choice. */
import { builtInModelDir } from "punctual/llm";
import { Engine } from "punctual/runtime";
import { createServer } from "punctual/server";

await using engine = await Engine.start({
  model: { dir: builtInModelDir("small") },
  name: "my-model",
  defaultSlo: { class: "latency", ttftMs: 500, onMiss: "finish" },
});
await using server = createServer({ engines: [engine] });
const { url } = await server.listen({ port: 0 });

const response = await fetch(`${url}/v1/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json", "x-slo-ttft-ms": "200" },
  body: JSON.stringify({ model: "my-model", messages: [{ role: "user", content: "hello" }], temperature: 0 }),
});
const answer = (await response.json()) as { choices: [{ message: { content: string } }]; usage: { slo: object } };
console.log(answer.choices[0].message.content, answer.usage.slo);
