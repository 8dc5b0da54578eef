/** `punctual fit …`: what is trained onto a finished model. Each kind is a command of its own. */
import type { Command } from "commander";
import { addFitHeads } from "./fit-heads.ts";
import { addFitRoute } from "./fit-route.ts";

export function addFit(program: Command): void {
  const fit = program.command("fit").description("train something onto a finished model, which stays as it is");
  addFitHeads(fit);
  addFitRoute(fit);
}
