/** One simulated world: so many instances under one policy, what their requests got, over time and one by one. */
import type { WorldBody, WorldLatency } from "@protocol";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type uPlot from "uplot";
import { formatMs, formatNumber, formatShare, formatSpan } from "../../lib/format.ts";
import { addShortcuts } from "../../lib/shortcuts.ts";
import { Button } from "../../ui/button.tsx";
import { Select, Switch } from "../../ui/field.tsx";
import { PageHead, Problem } from "../../ui/page-head.tsx";
import { Plot, type PlotColours, type PlotOptions } from "../../ui/plot.tsx";
import { Group, Objective, Workload } from "./form.tsx";
import { Figure } from "./result.tsx";
import { logScale } from "./settings.ts";
import { Slider } from "./slider.tsx";
import { askIfOld, askWorld, cancelWorld, change, choices, choicesProblem, settings, worldRun } from "./store.ts";
import { Bar, Exports, Views } from "./views.tsx";

/** The view. */
export function WorldView(): JSX.Element {
  const isReady = choices.value !== null;
  useEffect(() => {
    if (isReady) askIfOld("world");
  }, [isReady]);
  useEffect(
    () =>
      addShortcuts([
        { keys: "Ctrl+Enter", does: "Simulate now", group: "Plan", whileTyping: true, run: () => askWorld(true) },
        { keys: "Escape", does: "Stop simulating", group: "Plan", run: cancelWorld },
      ]),
    [],
  );
  const { world, command, seconds, status } = worldRun.value;
  return (
    <div class="page-column pl-page">
      <PageHead title="Plan" lead="So many instances under one policy, simulated on this server.">
        {world === null ? null : (
          <Exports command={command} fileName="punctual-world.json" json={() => ({ command, seconds, world })} />
        )}
      </PageHead>
      <Views shown="world" />
      <div class="pl-columns">
        <form class="pl-form" aria-label="The world" onSubmit={(event) => event.preventDefault()}>
          <Workload />
          <Objective isShareAsked={false} />
          <Engines />
        </form>
        <div class="pl-results">
          <Status />
          {world === null ? null : (
            <div class="pl-shown" data-stale={status === "running"}>
              <Result world={world} />
            </div>
          )}
        </div>
      </div>
    </div>
  );
}

function Engines(): JSX.Element {
  const { cost, policy, dispatch, instances, migrate } = settings.value;
  const known = choices.value;
  const named = (all: readonly string[]) => all.map((name) => ({ value: name, text: name }));
  const costs = known?.costs ?? [cost];
  return (
    <Group title="Instances">
      <Slider
        label="Instances"
        unit=""
        isWhole
        value={instances}
        scale={logScale(1, known?.limits.instances ?? 256, 60)}
        bounds={[1, known?.limits.instances ?? 256]}
        onInput={(value) => change({ instances: Math.max(1, Math.round(value)) })}
      />
      <Select
        label="Model and device"
        hint="Tables were measured on an A100; rooflines are computed."
        value={cost}
        options={named(costs.includes(cost) ? costs : [cost, ...costs])}
        onInput={(value) => change({ cost: value })}
      />
      <Select
        label="Policy"
        value={policy}
        options={named(known?.policies ?? [policy])}
        onInput={(value) => change({ policy: value })}
      />
      <Select
        label="Dispatch"
        value={dispatch}
        options={named(known?.dispatches ?? [dispatch])}
        onInput={(value) => change({ dispatch: value })}
      />
      <Switch
        label="Move running requests"
        hint="From full instances to free ones, with their keys and values."
        isOn={migrate}
        onChange={(isOn) => change({ migrate: isOn })}
      />
    </Group>
  );
}

function Status(): JSX.Element {
  const { status, over, requests, seconds, problem } = worldRun.value;
  if (choicesProblem.value !== null) {
    return (
      <Problem title="This server does not simulate.">
        <p>{choicesProblem.value}</p>
      </Problem>
    );
  }
  if (status === "failed") {
    return (
      <Problem title="This could not be simulated.">
        <p>{problem}</p>
        <Button isSmall onClick={() => askWorld(true)}>
          Try again
        </Button>
      </Problem>
    );
  }
  const words = {
    idle: "",
    running: "Simulating",
    cancelled: "Stopped.",
    done: `Simulated in ${seconds.toFixed(2)} s`,
  };
  const isBusy = status === "running";
  return (
    <div class="pl-status">
      <Bar share={status === "done" ? 1 : over / Math.max(1, requests)} isBusy={isBusy} />
      <div class="pl-status-line">
        <span role="status" class="numbers">
          {words[status]}
        </span>
        <Button
          isSmall
          icon={isBusy ? "stop" : "retry"}
          onClick={() => {
            if (isBusy) cancelWorld();
            else askWorld(true);
          }}
        >
          {isBusy ? "Stop" : "Simulate now"}
        </Button>
      </div>
    </div>
  );
}

function Result({ world }: { readonly world: WorldBody }): JSX.Element {
  const { title, attained, goodput, throughput, utilization, requests, spanMs, basis, fitError, preemptions } = world;
  const { arrived = 0, ...ends } = requests;
  const ended = Object.entries(ends).map(([end, count]) => `${formatNumber(count)} ${end}`);
  return (
    <>
      <section class="card pl-chosen" aria-label="What came of it">
        <div class="pl-headline">
          <div>
            <p class="soft small">{title}</p>
            <h2>
              {formatNumber(arrived)} requests in {formatSpan(spanMs)}: {ended.join(", ")}
            </h2>
          </div>
          <p class="pl-cost numbers">
            {attained === null ? "–" : formatShare(attained)}
            <span class="soft"> attained</span>
          </p>
        </div>
        <dl class="pl-figures numbers">
          <Figure name="goodput" value={`${formatNumber(goodput.requestsPerSecond)} / s`} />
          <Figure name="throughput" value={`${formatNumber(throughput.requestsPerSecond)} / s`} />
          <Figure name="tokens" value={`${formatNumber(Math.round(throughput.tokensPerSecond))} / s`} />
          <Figure name="busy" value={formatShare(utilization)} />
          <Figure name="preemptions" value={formatNumber(preemptions)} />
        </dl>
        <Latencies world={world} />
      </section>
      <section class="card stack" aria-label="Over time">
        <h2>In the system</h2>
        <Timeline world={world} />
      </section>
      <section class="card stack" aria-label="One by one">
        <h2>Time to the first token, request by request</h2>
        <Scatter world={world} />
      </section>
      <p class="soft small">
        Costs: {basis};{" "}
        {fitError === null ? "its error is not known" : `mean error ${formatShare(fitError)} in the worse phase`}.
        Everything is simulated.
      </p>
    </>
  );
}

function Latencies({ world }: { readonly world: WorldBody }): JSX.Element {
  const rows: readonly (readonly [name: string, latency: WorldLatency])[] = [
    ["Time to the first token", world.ttftMs],
    ["Time per further token", world.tpotMs],
    ["End to end", world.e2eMs],
    ["In the queue", world.queueMs],
  ];
  return (
    <div class="table-scroll">
      <table class="table pl-table">
        <caption class="unseen">Latencies</caption>
        <thead>
          <tr>
            <th scope="col">Latency</th>
            {["Mean", "P50", "P90", "P99"].map((name) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, { mean, p50, p90, p99 }]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {[mean, p50, p90, p99].map((ms, i) => (
                <td key={i} class="number">
                  {formatMs(ms)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const seconds = (value: number | null): string => (value === null ? "" : `${Number(value.toPrecision(3))} s`);

function axes(format: (value: number) => string): uPlot.Axis[] {
  return [
    { values: (_, ticks) => ticks.map(seconds) },
    { size: 60, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : format(tick))) },
  ];
}

function Timeline({ world: { timeline } }: { readonly world: WorldBody }): JSX.Element {
  const data = useMemo<uPlot.AlignedData>(
    () => [
      timeline.map(({ atMs }) => atMs / 1000),
      timeline.map(({ waiting }) => waiting),
      timeline.map(({ running }) => running),
    ],
    [timeline],
  );
  return (
    <Plot
      label="Requests before their first token and after it, over time"
      height={220}
      data={data}
      options={timelineOptions}
    />
  );
}

const count = (_: uPlot, value: number | null): string => (value === null ? "" : String(value));

function timelineOptions(colours: PlotColours): PlotOptions {
  return {
    scales: { x: { time: false } },
    series: [
      { label: "at", value: (_, value: number | null) => seconds(value) },
      {
        label: "before the first token",
        stroke: colours.series[2]!,
        width: 1.5,
        points: { show: false },
        value: count,
      },
      { label: "answering", stroke: colours.series[0]!, width: 1.5, points: { show: false }, value: count },
    ],
    axes: axes(String),
    cursor: { y: false },
  };
}

function Scatter({ world: { sample } }: { readonly world: WorldBody }): JSX.Element {
  const data = useMemo<uPlot.AlignedData>(() => {
    const of = (attained: boolean): (number | null)[] =>
      sample.map((request) => ((request.attained ?? true) === attained ? request.ttftMs : null));
    return [sample.map(({ arrivalMs }) => arrivalMs / 1000), of(true), of(false)];
  }, [sample]);
  return (
    <Plot
      label="Time to the first token of each request by its arrival; those that missed are marked"
      height={240}
      data={data}
      options={scatterOptions}
    />
  );
}

function scatterOptions(colours: PlotColours): PlotOptions {
  const dots = (label: string, colour: string): uPlot.Series => ({
    label,
    stroke: colour,
    paths: () => null,
    points: { show: true, size: 5, fill: colour, width: 0 },
    value: (_, value: number | null) => (value === null ? "" : formatMs(value)),
  });
  return {
    scales: { x: { time: false } },
    series: [
      { label: "arrival", value: (_, value: number | null) => seconds(value) },
      dots("attained", colours.series[0]!),
      dots("missed", colours.bad),
    ],
    axes: axes(formatMs),
    cursor: { y: false },
  };
}
