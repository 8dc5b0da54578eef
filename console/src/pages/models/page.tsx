/** The Models page: what is served, what it is, what it takes, and how to bring more. */
import type { JSX } from "preact";
import "./models.css";
import { formatBytes, formatShare } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { EmptyState, PageHead, Problem } from "../../ui/page-head.tsx";
import type { AdminModels } from "@protocol";
import { FamilyPlot } from "./family-plot.tsx";
import { ModelCard } from "./model-card.tsx";
import { models, problem, refresh, useModels } from "./models-store.ts";
import { PullPanel } from "./pull.tsx";

/** The page. */
export function Page(): JSX.Element {
  useModels();
  const told = models.value;
  return (
    <div class="page-column models-page">
      <PageHead title="Models" lead="What is served here, what it can and cannot do, and what it takes.">
        {told === null ? null : <Memory memory={told.memory} />}
      </PageHead>
      {problem.value === null ? null : (
        <Problem title={told === null ? "The models could not be asked for." : "This may be old."}>
          <p>{problem.value}</p>
          <Button isSmall onClick={() => void refresh()}>
            Try again
          </Button>
        </Problem>
      )}
      {told === null ? problem.value === null ? <p class="soft">Asking the server…</p> : null : <All told={told} />}
    </div>
  );
}

function All({ told }: { readonly told: AdminModels }): JSX.Element {
  return (
    <>
      {told.models.length === 0 ? <EmptyState title="Nothing is served">Pull a model below.</EmptyState> : null}
      <div class="models-list">
        {told.models.map((model) => (
          <ModelCard key={model.id} model={model} />
        ))}
      </div>
      <div class="models-pair">
        {told.family.length === 0 ? null : <FamilyPlot family={told.family} />}
        <PullPanel canPull={told.canPull} />
      </div>
    </>
  );
}

function Memory({ memory: { usedBytes, budgetBytes } }: { readonly memory: AdminModels["memory"] }): JSX.Element {
  if (budgetBytes === null) return <span class="soft small numbers">{formatBytes(usedBytes)} in use</span>;
  const share = Math.round((usedBytes / budgetBytes) * 1000) / 1000;
  return (
    <div class="models-memory numbers">
      <span class="small">
        {formatBytes(usedBytes)} <span class="soft">of {formatBytes(budgetBytes)} of memory</span>
      </span>
      <meter min={0} max={1} low={0.8} high={0.95} optimum={0} value={share} aria-label="Memory of loaded models">
        {formatShare(share)}
      </meter>
    </div>
  );
}
