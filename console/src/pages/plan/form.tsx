/** What is planned for: the workload, the objective, the devices and their prices. Each change plans again. */
import type { PlanMode, TraceCard } from "@protocol";
import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { formatBytes, formatMs, formatNumber, formatSpan } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Select, Switch } from "../../ui/field.tsx";
import { linearScale, logScale, MODE_TEXT, MODES, type GpuPrice, type PlanSettings, type Scale } from "./settings.ts";
import { Slider } from "./slider.tsx";
import { bringTrace, change, choices, settings } from "./store.ts";

const RATE = logScale(0.1, 200);
const REQUESTS = logScale(50, 5000, 100);
const BURSTINESS = linearScale(1, 8, 0.5);
const TTFT = logScale(20, 30_000);
const TPOT = logScale(5, 1000);
const DEADLINE = logScale(200, 120_000);
const ATTAIN = linearScale(50, 99.5, 0.5);
const PRICE = logScale(0.05, 50);
const STAGES = linearScale(1, 4, 1);
const PARALLEL = linearScale(1, 8, 1);

/** The form. */
export function PlanForm(): JSX.Element {
  return (
    <form class="pl-form" aria-label="What is planned for" onSubmit={(event) => event.preventDefault()}>
      <Workload />
      <Objective />
      <Fleet />
    </form>
  );
}

/** Fields that belong together. */
export function Group({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <fieldset class="pl-group">
      <legend>{title}</legend>
      {children}
    </fieldset>
  );
}

/** Which workload: the page of a single world asks the same. */
export function Workload(): JSX.Element {
  const { source, generator, traceId, burstiness, ratePerSecond, requests } = settings.value;
  const known = choices.value;
  const trace = source === "trace" ? (known?.traces.find(({ id }) => id === traceId) ?? null) : null;
  const generators = known?.generators ?? [{ name: generator, about: "" }];
  const options = [
    ...generators.map(({ name }) => ({ value: `generate ${name}`, text: name })),
    ...(known?.traces ?? []).map(({ id, name }) => ({ value: `trace ${id}`, text: name })),
  ];
  const choose = (value: string): void => {
    const [kind, name = ""] = value.split(" ", 2);
    if (kind === "trace") change({ source: "trace", traceId: name, ratePerSecond: null });
    else change({ source: "generate", generator: name, ratePerSecond: ratePerSecond ?? 8 });
  };
  const about = generators.find(({ name }) => name === generator)?.about;
  return (
    <Group title="Requests">
      <Select
        label="Workload"
        value={source === "trace" ? `trace ${traceId ?? ""}` : `generate ${generator}`}
        options={options}
        hint={trace === null ? about : undefined}
        onInput={choose}
      />
      {trace === null ? null : <TraceFacts trace={trace} />}
      <TraceFile />
      {source === "trace" && trace !== null ? (
        <Switch
          label="Arrivals of the trace itself"
          isOn={ratePerSecond === null}
          onChange={(isOn) => change({ ratePerSecond: isOn ? null : RATE.at(RATE.of(trace.ratePerSecond)) })}
        />
      ) : null}
      {ratePerSecond === null ? null : (
        <Slider
          label="Rate"
          unit="per second"
          value={ratePerSecond}
          scale={RATE}
          bounds={[0.001, 10_000]}
          onInput={(value) => change({ ratePerSecond: value })}
        />
      )}
      {source === "trace" ? null : (
        <Slider
          label="Burstiness"
          unit=""
          text={(value) => `${value}, where 1 is Poisson`}
          value={burstiness}
          scale={BURSTINESS}
          onInput={(value) => change({ burstiness: value })}
        />
      )}
      <Slider
        label="Requests simulated"
        unit=""
        isWhole
        value={requests}
        scale={REQUESTS}
        bounds={[2, known?.limits.requests ?? 5000]}
        onInput={(value) => change({ requests: Math.round(value) })}
      />
    </Group>
  );
}

function TraceFacts({ trace }: { readonly trace: TraceCard }): JSX.Element {
  const { format, requests, spanMs, ratePerSecond, promptTokens, outputTokens, bytes, note } = trace;
  return (
    <p class="small soft numbers">
      {format}, {formatNumber(requests)} requests in {formatSpan(spanMs)}, {formatNumber(ratePerSecond)} a second.
      Prompts of {formatNumber(Math.round(promptTokens.mean))} tokens, answers of{" "}
      {formatNumber(Math.round(outputTokens.mean))}. {formatBytes(bytes)}.{note === null ? "" : ` ${note}.`}
    </p>
  );
}

function TraceFile(): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [state, setState] = useState<{ readonly text: string; readonly isBad: boolean } | null>(null);
  const bring = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    setState({ text: `Reading ${file.name}…`, isBad: false });
    try {
      await bringTrace(file);
      setState(null);
    } catch (error) {
      setState({ text: error instanceof Error ? error.message : String(error), isBad: true });
    }
  };
  return (
    <div
      class="pl-file"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void bring(event.dataTransfer?.files[0]);
      }}
    >
      <input
        ref={input}
        id="pl-trace"
        class="unseen"
        type="file"
        accept=".csv,.json,.jsonl,.txt"
        tabIndex={-1}
        aria-label="Trace file"
        onChange={(event) => {
          void bring(event.currentTarget.files?.[0]);
          event.currentTarget.value = ""; // the same file may be brought again
        }}
      />
      <Button icon="upload" isSmall onClick={() => input.current?.click()}>
        Load a trace
      </Button>
      <span class="small soft">Azure, Mooncake, BurstGPT, ShareGPT, our own, or a recording.</span>
      {state === null ? null : (
        <p class={state.isBad ? "small bad" : "small soft"} role={state.isBad ? "alert" : "status"}>
          {state.text}
        </p>
      )}
    </div>
  );
}

interface TargetRange {
  readonly name: "ttftMs" | "tpotMs" | "deadlineMs";
  readonly label: string;
  readonly scale: Scale;
  /** Where it begins when it is switched on, milliseconds. */
  readonly begin: number;
}

const TARGETS: readonly TargetRange[] = [
  { name: "ttftMs", label: "First token within", scale: TTFT, begin: 500 },
  { name: "tpotMs", label: "Each further token within", scale: TPOT, begin: 50 },
  { name: "deadlineMs", label: "Whole answer within", scale: DEADLINE, begin: 10_000 },
];

/** The targets, and the share that shall attain them unless only targets are asked. */
export function Objective({ isShareAsked = true }: { readonly isShareAsked?: boolean }): JSX.Element {
  const { attain } = settings.value;
  return (
    <Group title="Objective">
      {TARGETS.map((target) => (
        <TargetSlider key={target.name} target={target} />
      ))}
      {isShareAsked ? (
        <Slider
          label="Attained by"
          unit="%"
          value={Number((attain * 100).toFixed(1))}
          scale={ATTAIN}
          bounds={[1, 100]}
          onInput={(value) => change({ attain: value / 100 })}
        />
      ) : null}
    </Group>
  );
}

function TargetSlider({ target }: { readonly target: TargetRange }): JSX.Element {
  const { name, label, scale, begin } = target;
  const value = settings.value[name];
  return (
    <div class="pl-target">
      <input
        type="checkbox"
        checked={value !== null}
        aria-label={`${label}: is a target`}
        onChange={(event) => change({ [name]: event.currentTarget.checked ? begin : null })}
      />
      {value === null ? (
        <span class="soft">{label}</span>
      ) : (
        <Slider
          label={label}
          unit="ms"
          text={formatMs}
          value={value}
          scale={scale}
          bounds={[0.1, 86_400_000]}
          onInput={(ms) => change({ [name]: ms })}
        />
      )}
    </div>
  );
}

function Fleet(): JSX.Element {
  const { model, mostDevices, prices } = settings.value;
  const known = choices.value;
  const isPlanned = prices.some(({ gpu, isUsed }) => isUsed && gpu !== "local");
  return (
    <Group title="Devices">
      <Select
        label="Model"
        value={model}
        options={(known?.models ?? [model]).map((name) => ({ value: name, text: name }))}
        isDisabled={!isPlanned}
        onInput={(value) => change({ model: value })}
      />
      <Slider
        label="Devices at most"
        unit=""
        isWhole
        value={mostDevices}
        scale={logScale(1, known?.limits.devices ?? 128, 60)}
        bounds={[1, known?.limits.devices ?? 128]}
        onInput={(value) => change({ mostDevices: Math.max(1, Math.round(value)) })}
      />
      {prices.map((price) => (
        <Price key={price.gpu} price={price} />
      ))}
      <details class="pl-more">
        <summary>More</summary>
        <div class="stack">
          <Modes />
          <Numbers />
        </div>
      </details>
    </Group>
  );
}

function Price({ price }: { readonly price: GpuPrice }): JSX.Element {
  const { gpu, pricePerHour, isUsed } = price;
  const put = (part: Partial<GpuPrice>): void =>
    change({ prices: settings.value.prices.map((one) => (one.gpu === gpu ? { ...one, ...part } : one)) });
  return (
    <div class="pl-price">
      <label>
        <input type="checkbox" checked={isUsed} onChange={(event) => put({ isUsed: event.currentTarget.checked })} />
        {gpu}
      </label>
      {isUsed ? (
        <Slider
          label={`Price of ${gpu}`}
          unit="an hour"
          value={pricePerHour}
          scale={PRICE}
          bounds={[0.0001, 10_000]}
          onInput={(value) => put({ pricePerHour: value })}
        />
      ) : null}
      {isUsed && gpu === "local" ? <CalibrationFile /> : null}
    </div>
  );
}

function CalibrationFile(): JSX.Element {
  const { calibration } = settings.value;
  return (
    <label class="small soft pl-calibration">
      {calibration === null
        ? "Steps of this machine, as punctual doctor --calibrate wrote them:"
        : `${calibration.name} `}
      <input
        type="file"
        accept=".json"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file !== undefined) void file.text().then((text) => change({ calibration: { name: file.name, text } }));
        }}
      />
    </label>
  );
}

function Modes(): JSX.Element {
  const { modes } = settings.value;
  const turn = (mode: PlanMode, isOn: boolean): void =>
    change({ modes: MODES.filter((one) => (one === mode ? isOn : modes.includes(one))) });
  return (
    <div class="pl-modes" role="group" aria-label="Modes">
      {MODES.map((mode) => (
        <label key={mode}>
          <input
            type="checkbox"
            checked={modes.includes(mode)}
            onChange={(event) => turn(mode, event.currentTarget.checked)}
          />
          <span>
            {mode} <span class="small soft">{MODE_TEXT[mode]}</span>
          </span>
        </label>
      ))}
    </div>
  );
}

function Numbers(): JSX.Element {
  const { maxParallel, maxStages, seed } = settings.value;
  const whole = (key: keyof Pick<PlanSettings, "maxParallel" | "maxStages" | "seed">) => (value: number) =>
    change({ [key]: Math.round(value) });
  return (
    <>
      <Slider
        label="Devices of one instance"
        unit=""
        isWhole
        value={maxParallel}
        scale={PARALLEL}
        bounds={[1, 64]}
        onInput={whole("maxParallel")}
      />
      <Slider
        label="Pipeline stages"
        unit=""
        isWhole
        value={maxStages}
        scale={STAGES}
        bounds={[1, 8]}
        onInput={whole("maxStages")}
      />
      <Slider
        label="Seed"
        unit=""
        isWhole
        value={seed}
        scale={linearScale(0, 20, 1)}
        bounds={[0, 2 ** 32]}
        onInput={whole("seed")}
      />
    </>
  );
}
