import { expect, test } from "vitest";
import { fleetView, instanceView } from "../../test/support/fleet-double.ts";
import { Exposition } from "./exposition.ts";
import { writeFleet } from "./fleet-metrics.ts";

test("how instances had chunks of contexts is counted by level, where they had any", () => {
  const contexts = [
    { choice: "anchored-1", chunks: 3, bytes: 12_000 },
    { choice: "text", chunks: 2, bytes: 0 },
  ];
  const page = new Exposition();
  writeFleet(page, fleetView({ instances: [instanceView("a", { contexts }), instanceView("b")] }));
  const text = page.text();
  const of = (choice: string): string => `{instance="a",model_name="punctual-small",choice="${choice}"}`;
  expect(text).toContain(`punctual_instance_context_chunks_total${of("anchored-1")} 3`);
  expect(text).toContain(`punctual_instance_context_bytes_total${of("anchored-1")} 12000`);
  expect(text).toContain(`punctual_instance_context_chunks_total${of("text")} 2`);
  expect(text).not.toContain('context_chunks_total{instance="b"');
});
