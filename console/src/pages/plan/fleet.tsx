/** A placement drawn: a box an instance, in it a row a pipeline stage, in it a square a device. */
import type { PlacementBody } from "@protocol";
import type { JSX } from "preact";
import { countOf } from "../../lib/format.ts";

type Part = PlacementBody["parts"][number];

/** Instances that are drawn; further ones are counted. */
const MOST_DRAWN = 24;

const ROLE_TEXT: Readonly<Record<Part["role"], string>> = {
  both: "prompts and answers",
  prefill: "prompts",
  decode: "answers",
};

/** The drawing, and the same in words for screen readers. */
export function FleetDrawing({ placement }: { readonly placement: PlacementBody }): JSX.Element {
  return (
    <div class="pl-fleet" role="img" aria-label={`${placement.name}: ${countOf(placement.devices, "device")}`}>
      {placement.parts.map((part, i) => (
        <PartDrawing key={i} part={part} isAfter={i > 0} />
      ))}
    </div>
  );
}

function PartDrawing({ part, isAfter }: { readonly part: Part; readonly isAfter: boolean }): JSX.Element {
  const { instances, gpu, role, tensorParallel, pipelineStages } = part;
  const drawn = Math.min(instances, MOST_DRAWN);
  return (
    <>
      {isAfter ? (
        <span class="pl-handover" aria-hidden="true">
          →
        </span>
      ) : null}
      <div class={`pl-part pl-role-${role}`}>
        <div class="pl-instances">
          {Array.from({ length: drawn }, (_, i) => (
            <div key={i} class="pl-instance">
              {Array.from({ length: pipelineStages }, (__, stage) => (
                <div key={stage} class="pl-stage">
                  {Array.from({ length: tensorParallel }, (___, device) => (
                    <i key={device} />
                  ))}
                </div>
              ))}
            </div>
          ))}
          {instances > drawn ? <span class="small soft">and {instances - drawn} more</span> : null}
        </div>
        <div class="small">
          <strong>
            {instances} × {gpu}
          </strong>{" "}
          {parallelText(part)}
          <span class="soft"> {ROLE_TEXT[role]}</span>
        </div>
      </div>
    </>
  );
}

/** "TP 2, PP 2", without what is 1. */
function parallelText({ tensorParallel, pipelineStages }: Part): string {
  const parts = { TP: tensorParallel, PP: pipelineStages };
  return Object.entries(parts)
    .flatMap(([name, count]) => (count > 1 ? [`${name} ${count}`] : []))
    .join(", ");
}

/** "2 × a100 TP 2, steps of 512": what is to be started, without the model, which is the same for all. */
export function placementText({ parts, stepTokens }: PlacementBody): string {
  const words = parts.map((part) => {
    const kind = [`${part.instances} × ${part.gpu}`, parallelText(part)].filter(Boolean).join(" ");
    return part.role === "both" ? kind : `${kind} for ${ROLE_TEXT[part.role]}`;
  });
  return words.join(", ") + (stepTokens === undefined ? "" : `, steps of ${stepTokens}`);
}
