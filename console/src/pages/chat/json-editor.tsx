/** A field for JSON: says where it is wrong while one types, puts it in order, brings an example. */
import type { JSX } from "preact";
import { Button } from "../../ui/button.tsx";
import { TextArea } from "../../ui/field.tsx";
import { readJson } from "./request-body.ts";

/** The editor. `problem` is what the caller finds wrong with the value, or null. */
export function JsonEditor(props: {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly problem: string | null;
  readonly hint: string | undefined;
  readonly example: string;
}): JSX.Element {
  const { label, value, onInput, problem, hint, example } = props;
  const read = readJson(value);
  const lines = Math.min(16, Math.max(3, value.split("\n").length));
  return (
    <div class="json-editor">
      <TextArea
        label={label}
        value={value}
        onInput={onInput}
        rows={lines}
        isMono
        error={problem}
        hint={hint}
        placeholder="None"
      />
      <div class="row">
        {value.trim() === "" ? (
          <Button isSmall kind="quiet" onClick={() => onInput(example)}>
            Insert an example
          </Button>
        ) : (
          <>
            <Button
              isSmall
              kind="quiet"
              isDisabled={read === null || "problem" in read}
              onClick={() => read !== null && "value" in read && onInput(JSON.stringify(read.value, null, 2))}
            >
              Put in order
            </Button>
            <Button isSmall kind="quiet" onClick={() => onInput("")}>
              Clear
            </Button>
          </>
        )}
      </div>
    </div>
  );
}
