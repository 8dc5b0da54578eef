/**
 * The Plan page: the cheapest fleet that keeps an objective, found by simulation on the server while sliders move; and,
 * beside it, one simulated world (world.tsx).
 */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import "./plan.css";
import { route } from "../../lib/router.ts";
import { addShortcuts } from "../../lib/shortcuts.ts";
import { Button } from "../../ui/button.tsx";
import { EmptyState, PageHead, Problem } from "../../ui/page-head.tsx";
import { PlanForm } from "./form.tsx";
import { PlanResult } from "./result.tsx";
import { isBusy, progressOf, STAGE_TEXT } from "./run.ts";
import { Bar, Exports, Views } from "./views.tsx";
import { WorldView } from "./world.tsx";
import {
  ask,
  askIfOld,
  cancel,
  choices,
  choicesProblem,
  lastDone,
  loadChoices,
  missing,
  run,
  settings,
} from "./store.ts";

/** The page. */
export function Page(): JSX.Element {
  useEffect(() => void loadChoices(), []);
  return route.value.path[0] === "world" ? <WorldView /> : <FleetView />;
}

function FleetView(): JSX.Element {
  const isReady = choices.value !== null;
  useEffect(() => {
    if (isReady) askIfOld("fleet");
  }, [isReady]);
  useEffect(
    () =>
      addShortcuts([
        { keys: "Ctrl+Enter", does: "Plan now", group: "Plan", whileTyping: true, run: () => ask(true) },
        { keys: "Escape", does: "Stop planning", group: "Plan", run: cancel },
      ]),
    [],
  );
  const done = lastDone.value;
  return (
    <div class="page-column pl-page">
      <PageHead title="Plan" lead="The cheapest fleet that keeps an objective, found by simulation on this server.">
        {done === null ? null : (
          <Exports
            command={done.command}
            fileName="punctual-plan.json"
            json={() => ({ command: done.command, seconds: done.seconds, plan: done.plan })}
          />
        )}
      </PageHead>
      <Views shown="fleet" />
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
      <Bar share={progressOf(run.value)} isBusy={isBusy(run.value)} />
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
