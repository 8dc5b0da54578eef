/** The library in ten lines: the built-in model, one streamed answer with a deadline, nothing left behind. */
import { builtInModelDir } from "punctual/llm";
import { Engine } from "punctual/runtime";

await using engine = await Engine.start({ model: { dir: builtInModelDir() } });
const promptTokens = engine.dialect.prompt([{ role: "user", content: "What is 12 + 7?" }]);
let answer = "";
for await (const event of engine.submit({
  promptTokens,
  maxTokens: 64,
  sampling: { temperature: 0 },
  slo: { class: "latency", ttftMs: 200, onMiss: "finish" },
})) {
  if (event.kind === "token" && event.section === "text") answer += event.text;
  if (event.kind === "finish") console.log(answer + event.text, event.usage.slo);
}
