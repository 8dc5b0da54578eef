/** Things to fill in, each with its label, a hint and what is wrong with it. */
import type { ComponentChildren, JSX } from "preact";
import { useId, useState } from "preact/hooks";

/** What every field takes. */
export interface FieldProps {
  readonly label: string;
  /** One sentence under the field. */
  readonly hint?: string | undefined;
  /** What is wrong; shown in place of the hint. */
  readonly error?: string | null;
  /** The label is read out but not shown. */
  readonly isLabelHidden?: boolean;
  readonly isDisabled?: boolean;
}

interface Described {
  readonly id: string;
  readonly "aria-describedby"?: string;
  readonly "aria-invalid"?: boolean;
  readonly disabled: boolean;
}

/** A label above, a hint or an error below; `children` gets what the input must carry. */
export function Field(
  props: FieldProps & { readonly children: (described: Described) => ComponentChildren },
): JSX.Element {
  const id = useId();
  const { label, hint, error = null, isLabelHidden = false, isDisabled = false, children } = props;
  const note = error ?? hint;
  const described: Described = {
    id,
    disabled: isDisabled,
    ...(note === undefined ? {} : { "aria-describedby": `${id}-note` }),
    ...(error === null ? {} : { "aria-invalid": true }),
  };
  return (
    <div class="field">
      <label for={id} class={isLabelHidden ? "unseen" : "field-label"}>
        {label}
      </label>
      {children(described)}
      {note === undefined ? null : (
        <div
          id={`${id}-note`}
          class={error === null ? "field-note" : "field-note bad"}
          role={error === null ? undefined : "alert"}
        >
          {note}
        </div>
      )}
    </div>
  );
}

/** One line of text. */
export function TextInput(
  props: FieldProps & {
    readonly value: string;
    readonly onInput: (value: string) => void;
    readonly placeholder?: string;
    /** Shown as dots. */
    readonly isSecret?: boolean;
    readonly isMono?: boolean;
  },
): JSX.Element {
  const { value, onInput, placeholder, isSecret = false, isMono = false } = props;
  const common = {
    class: isMono ? "input mono" : "input",
    value,
    placeholder,
    autocomplete: "off",
    spellcheck: false,
    onInput: (event: { readonly currentTarget: HTMLInputElement }) => onInput(event.currentTarget.value),
  };
  return (
    <Field {...props}>
      {(described) =>
        isSecret ? (
          <input {...described} {...common} type="password" />
        ) : (
          <input {...described} {...common} type="text" />
        )
      }
    </Field>
  );
}

/** Several lines of text. */
export function TextArea(
  props: FieldProps & {
    readonly value: string;
    readonly onInput: (value: string) => void;
    readonly placeholder?: string;
    readonly rows?: number;
    readonly isMono?: boolean;
  },
): JSX.Element {
  const { value, onInput, placeholder, rows = 3, isMono = false } = props;
  return (
    <Field {...props}>
      {(described) => (
        <textarea
          {...described}
          class={isMono ? "input mono" : "input"}
          rows={rows}
          value={value}
          placeholder={placeholder}
          spellcheck={!isMono}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** What a number may be. */
export interface NumberBounds {
  readonly min?: number;
  readonly max?: number;
  readonly isWhole?: boolean;
}

/** The number in a text, null for none; or what is wrong with it. */
export function readNumber(text: string, bounds: NumberBounds): { value: number | null } | { problem: string } {
  const trimmed = text.trim().replaceAll(",", "");
  if (trimmed === "") return { value: null };
  const value = Number(trimmed);
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, isWhole = false } = bounds;
  if (!Number.isFinite(value)) return { problem: "Expected a number." };
  if (isWhole && !Number.isInteger(value)) return { problem: "Expected a whole number." };
  if (value < min) return { problem: `Expected ${min} or more.` };
  if (value > max) return { problem: `Expected ${max} or less.` };
  return { value };
}

/** A number or nothing; `onInput` hears only numbers within the bounds. */
export function NumberInput(
  props: FieldProps &
    NumberBounds & {
      readonly value: number | null;
      readonly onInput: (value: number | null) => void;
      readonly placeholder?: string;
      /** Shown after the field: "ms". */
      readonly unit?: string;
    },
): JSX.Element {
  const [draft, setDraft] = useState<string | null>(null);
  const text = draft ?? (props.value === null ? "" : String(props.value));
  const read = readNumber(text, props);
  const error = "problem" in read ? read.problem : (props.error ?? null);
  const change = (next: string): void => {
    setDraft(next);
    const result = readNumber(next, props);
    if ("value" in result) props.onInput(result.value);
  };
  return (
    <Field {...props} error={error}>
      {(described) => (
        <span class="input-unit">
          <input
            {...described}
            class="input numbers"
            inputMode={props.isWhole === true ? "numeric" : "decimal"}
            value={text}
            placeholder={props.placeholder}
            autocomplete="off"
            onInput={(event) => change(event.currentTarget.value)}
            onBlur={() => "value" in read && setDraft(null)}
          />
          {props.unit === undefined ? null : <span aria-hidden="true">{props.unit}</span>}
        </span>
      )}
    </Field>
  );
}

/** One of a few values. */
export function Select<T extends string>(
  props: FieldProps & {
    readonly value: T;
    readonly options: readonly { readonly value: T; readonly text: string; readonly isDisabled?: boolean }[];
    readonly onInput: (value: T) => void;
  },
): JSX.Element {
  const { value, options, onInput } = props;
  return (
    <Field {...props}>
      {(described) => (
        <select
          {...described}
          class="input"
          value={value}
          onChange={(event) => onInput(event.currentTarget.value as T)}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value} disabled={option.isDisabled ?? false}>
              {option.text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** On or off. */
export function Switch(props: {
  readonly label: string;
  readonly isOn: boolean;
  readonly hint?: string;
  readonly isDisabled?: boolean;
  readonly onChange: (isOn: boolean) => void;
}): JSX.Element {
  const { label, isOn, hint, isDisabled = false, onChange } = props;
  return (
    <label class="switch">
      <input
        type="checkbox"
        role="switch"
        checked={isOn}
        disabled={isDisabled}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span class="switch-track" aria-hidden="true" />
      <span>
        {label}
        {hint === undefined ? null : <span class="field-note">{hint}</span>}
      </span>
    </label>
  );
}
