/** A slider with its value beside the label; the value can be typed as well. */
import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import type { Scale } from "./settings.ts";

/** What a slider takes. */
export interface SliderProps {
  readonly label: string;
  readonly value: number;
  readonly scale: Scale;
  /** Shown after the value. */
  readonly unit: string;
  /** The value in words, for screen readers and where no unit does: "90 %". */
  readonly text?: (value: number) => string;
  /** Least and most of what may be typed; what the scale has when absent. */
  readonly bounds?: readonly [least: number, most: number];
  readonly isWhole?: boolean;
  readonly isDisabled?: boolean;
  readonly onInput: (value: number) => void;
}

/** The slider. */
export function Slider(props: SliderProps): JSX.Element {
  const { label, value, scale, unit, isDisabled = false, onInput } = props;
  const text = props.text ?? ((shown: number) => `${shown} ${unit}`.trim());
  const id = useId();
  return (
    <div class="pl-slider">
      <label for={id}>{label}</label>
      <Typed {...props} />
      <input
        id={id}
        type="range"
        min={0}
        max={scale.steps}
        step={1}
        disabled={isDisabled}
        value={scale.of(value)}
        aria-valuetext={text(value)}
        onInput={(event) => onInput(scale.at(Number(event.currentTarget.value)))}
      />
    </div>
  );
}

function Typed({
  label,
  value,
  scale,
  unit,
  bounds,
  isWhole = false,
  isDisabled = false,
  onInput,
}: SliderProps): JSX.Element {
  const [draft, setDraft] = useState<string | null>(null);
  const [least, most] = bounds ?? [scale.at(0), scale.at(scale.steps)];
  const read = (words: string): number | null => {
    const typed = Number(words.trim());
    const isGood = words.trim() !== "" && typed >= least && typed <= most && (!isWhole || Number.isInteger(typed));
    return isGood ? typed : null;
  };
  return (
    <span class="pl-typed">
      <input
        class="numbers"
        inputMode="decimal"
        size={5}
        aria-label={`${label}${unit === "" ? "" : `, ${unit}`}`}
        aria-invalid={draft !== null && read(draft) === null}
        disabled={isDisabled}
        value={draft ?? String(value)}
        onInput={(event) => {
          setDraft(event.currentTarget.value);
          const typed = read(event.currentTarget.value);
          if (typed !== null) onInput(typed);
        }}
        onBlur={() => setDraft(null)}
      />
      {unit}
    </span>
  );
}
