/** Tool calls of an answer, readable, and a place to give their results. */
import type { ToolCall } from "@protocol";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../../ui/button.tsx";
import { TextArea } from "../../ui/field.tsx";

/** The arguments of a call as rows, or null when they are no JSON object (yet). */
export function argumentsOf(call: ToolCall): readonly (readonly [name: string, value: string])[] | null {
  try {
    const value = JSON.parse(call.function.arguments) as unknown;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    return Object.entries(value).map(([name, given]) => [
      name,
      typeof given === "string" ? given : JSON.stringify(given),
    ]);
  } catch {
    return null; // still coming, or cut short
  }
}

/** One call. */
export function CallView({ call }: { readonly call: ToolCall }): JSX.Element {
  const rows = argumentsOf(call);
  return (
    <div class="call">
      <div class="call-name">
        <span class="soft">calls</span> <code>{call.function.name}</code>
      </div>
      {rows === null ? (
        <pre class="call-raw">{call.function.arguments}</pre>
      ) : (
        <dl class="call-arguments">
          {rows.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

/** Asks for the result of a call. */
export function ResultForm(props: { readonly name: string; readonly onGive: (text: string) => void }): JSX.Element {
  const [text, setText] = useState("");
  const give = (): void => props.onGive(text.trim() === "" ? "done" : text);
  return (
    <form
      class="call-result"
      onSubmit={(event) => {
        event.preventDefault();
        give();
      }}
    >
      <TextArea
        label={`Result of ${props.name}`}
        value={text}
        onInput={setText}
        rows={2}
        isMono
        placeholder="done"
        hint="What the tool answered, as text or JSON. The model goes on from it."
      />
      <div>
        <Button type="submit" isSmall>
          Give this result
        </Button>
      </div>
    </form>
  );
}
