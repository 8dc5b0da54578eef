/**
 * Claim `26`, the process of the non-persistent deployment: loads the model as a library, answers what its parent asks in
 * one message, tells it, and lives until it is told to go. See deployments.ts.
 */
import type { DeploymentAnswer, DeploymentQuestion } from "./deployments.ts";

const send = (message: unknown): boolean | undefined => process.send?.(message);

async function answer({ dir, questions }: { dir: string; questions: readonly DeploymentQuestion[] }): Promise<void> {
  const { Engine } = await import("../../runtime/index.ts");
  await using engine = await Engine.start({ model: { dir }, threads: 1, exact: true });
  send({ kind: "ready" });
  const answers: DeploymentAnswer[] = [];
  for (const { prompt, maxTokens, seed, temperature } of questions) {
    const sampling = { seed, temperature };
    // Text continued as it is, whatever section a mark has begun: as /v1/completions gives it.
    let [text, tokens] = ["", 0];
    for await (const event of engine.submit({ promptTokens: prompt, maxTokens, sampling })) {
      text += event.text;
      if (event.kind === "token") tokens += 1;
    }
    answers.push({ text, tokens });
  }
  send({ kind: "answers", answers });
  await new Promise((resolve) => process.once("message", resolve));
}

process.once("message", (message) => {
  void answer(message as Parameters<typeof answer>[0]).then(
    () => process.disconnect?.(),
    (error: unknown) => {
      send({ kind: "failed", error: error instanceof Error ? error.message : String(error) });
      process.disconnect?.();
    },
  );
});
