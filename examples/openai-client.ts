/** Any OpenAI client: start the server with `npm start`, then run this with the server's URL as argument. */
import OpenAI from "openai";

const baseURL = `${process.argv[2] ?? "http://localhost:8080"}/v1`;
const client = new OpenAI({ baseURL, apiKey: "none" });
const stream = await client.chat.completions.create({
  model: "punctual-base",
  messages: [{ role: "user", content: "Turn on the kitchen light." }],
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
process.stdout.write("\n");
