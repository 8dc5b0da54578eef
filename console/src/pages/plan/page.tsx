/** The Plan page: the cheapest fleet that keeps an objective, found by simulation on the server while sliders move. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import "./plan.css";
import { addShortcuts } from "../../lib/shortcuts.ts";
import { Button } from "../../ui/button.tsx";
import { EmptyState, PageHead, Problem } from "../../ui/page-head.tsx";
import { toast } from "../../ui/toast.tsx";
import { PlanForm } from "./form.tsx";
import { PlanResult } from "./result.tsx";
import { isBusy, progressOf, STAGE_TEXT, type PlanRun } from "./run.ts";
import { ask, cancel, choices, choicesProblem, lastDone, loadChoices, missing, run, settings } from "./store.ts";

/** The page. */
export function Page(): JSX.Element {
  useEffect(() => {
    void loadChoices().then(() => {
      if (choices.value !== null && run.value.status === "idle") ask(true);
    });
  }, []);
  useEffect(
    () =>
      addShortcuts([
        { keys: "Ctrl+Enter", does: "Plan now", group: "Plan", whileTyping: true, run: () => ask(true) },
        { keys: "Escape", does: "Stop planning", group: "Plan", run: cancel },
      ]),
    [],
  );
  return (
    <div class="page-column pl-page">
      <PageHead title="Plan" lead="The cheapest fleet that keeps an objective, found by simulation on this server.">
        <Exports />
      </PageHead>
      <div class="pl-columns">
        <PlanForm />
        <div class="pl-results">
          <Status />
          <Shown />
        </div>
      </div>
    </div>
  );
}

/** The run, or, until it has something to show, the one before it. */
function Shown(): JSX.Element | null {
  const now = run.value;
  const before = lastDone.value;
  const hasPoints = now.modes.some(({ points }) => points.length > 0);
  const isNew = now.status === "done" || hasPoints || before === null;
  const shown = isNew ? now : before;
  if (shown.loads.length === 0) return <Empty />;
  const { attain } = settings.value;
  return (
    <div class="pl-shown" data-stale={!isNew || (now !== shown && isBusy(now))}>
      <PlanResult run={shown} attain={shown.plan?.attain ?? attain} />
    </div>
  );
}

function Empty(): JSX.Element | null {
  if (choicesProblem.value !== null || isBusy(run.value) || run.value.status === "failed") return null;
  return (
    <EmptyState title="Nothing planned yet">
      <p>Move a slider, or press Plan now.</p>
    </EmptyState>
  );
}

function Status(): JSX.Element {
  const { status, ahead, stage, simulations, doing, problem } = run.value;
  if (choicesProblem.value !== null) {
    return (
      <Problem title="This server does not plan.">
        <p>{choicesProblem.value}</p>
        <Button isSmall onClick={() => void loadChoices()}>
          Try again
        </Button>
      </Problem>
    );
  }
  if (missing.value !== null) return <p role="status">{missing.value}</p>;
  if (status === "failed") {
    return (
      <Problem title="This could not be planned.">
        <p>{problem}</p>
        <Button isSmall onClick={() => ask(true)}>
          Try again
        </Button>
      </Problem>
    );
  }
  const words =
    status === "waiting"
      ? ahead > 0
        ? `Waiting: ${ahead} before this one`
        : "Starting"
      : status === "running"
        ? `${stage === null ? "Starting" : STAGE_TEXT[stage]} · ${simulations} simulations`
        : status === "cancelled"
          ? "Stopped."
          : status === "done"
            ? `Planned in ${run.value.seconds.toFixed(1)} s, ${simulations} simulations`
            : "";
  return (
    <div class="pl-status">
      <Bar run={run.value} />
      <div class="pl-status-line">
        <span role="status" class="numbers">
          {words}
        </span>
        <span class="soft small pl-doing">{status === "running" ? doing : ""}</span>
        {isBusy(run.value) ? (
          <Button isSmall icon="stop" onClick={cancel}>
            Stop
          </Button>
        ) : (
          <Button isSmall icon="retry" onClick={() => ask(true)}>
            Plan now
          </Button>
        )}
      </div>
    </div>
  );
}

function Bar({ run: now }: { readonly run: PlanRun }): JSX.Element {
  const share = progressOf(now);
  return (
    <div
      class="pl-bar"
      role="progressbar"
      aria-label="Planning"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      data-busy={isBusy(now)}
    >
      <i style={{ transform: `scaleX(${share})` }} />
    </div>
  );
}

function Exports(): JSX.Element | null {
  const done = lastDone.value;
  if (done === null) return null;
  return (
    <>
      <Button isSmall icon="copy" onClick={() => void copy(done.command)} title={done.command}>
        Copy as a command
      </Button>
      <Button isSmall icon="download" onClick={() => download(done)}>
        JSON
      </Button>
    </>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied. It plans the same in a terminal.");
  } catch {
    toast("The browser did not let this page copy.", { isBad: true });
  }
}

function download({ plan, seconds, command }: PlanRun): void {
  const text = JSON.stringify({ command, seconds, plan }, null, 2);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "punctual-plan.json";
  link.click();
  URL.revokeObjectURL(link.href);
}
