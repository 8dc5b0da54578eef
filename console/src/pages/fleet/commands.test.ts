import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { commandText, FLEET_COMMANDS } from "./commands.ts";

const guide = readFileSync(new URL("../../../../docs/fleet.md", import.meta.url), "utf8");

test("the page shows the ten commands of the guide, word for word", () => {
  expect(FLEET_COMMANDS).toHaveLength(10);
  expect(guide).toContain(`\`\`\`sh\n${commandText()}\`\`\``);
});
