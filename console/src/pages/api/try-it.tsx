/** The form that sends a route: parameters, a body to edit, and what came back. */
import type { ComponentChildren, JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { addressOf } from "../../lib/api.ts";
import { apiKey } from "../../lib/key.ts";
import { Button } from "../../ui/button.tsx";
import { Switch, TextArea, TextInput } from "../../ui/field.tsx";
import { toast } from "../../ui/toast.tsx";
import { AnswerView } from "./answer-view.tsx";
import { canStream, JSON_TYPE, type Api, type Operation } from "./openapi.ts";
import {
  asksForStream,
  curlCommand,
  problemsOf,
  readyRequest,
  withModel,
  withStream,
  type FilledIn,
} from "./request.ts";
import { exampleOf } from "./schema.ts";
import { useSender, type Sender } from "./sender.ts";

/** What somebody has typed; a body of null is the example. */
interface Typed {
  readonly parameters: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** What has been typed, as it was drawn last and as it is; `type` changes parts of it. */
function useTyped(): {
  readonly typed: Typed;
  readonly latest: () => Typed;
  readonly type: (change: (before: Typed) => Partial<Typed>) => void;
} {
  const [typed, setTyped] = useState<Typed>({ parameters: {}, body: null });
  const latest = useRef(typed);
  const type = (change: (before: Typed) => Partial<Typed>): void => {
    latest.current = { ...latest.current, ...change(latest.current) };
    setTyped(latest.current);
  };
  return { typed, latest: () => latest.current, type };
}

/** The form. `models` are the names that examples may use; there may be none. */
export function TryIt(props: {
  readonly api: Api;
  readonly operation: Operation;
  readonly models: readonly string[];
}): JSX.Element {
  const { api, operation, models } = props;
  const example = useMemo(() => exampleBody(api, operation, models), [api, operation, models]);
  const { typed, latest, type } = useTyped();
  const sender = useSender();
  const fillIn = ({ parameters, body }: Typed): FilledIn => {
    return { parameters: withDefaults(operation, parameters, models), body: body ?? example };
  };
  const filled = fillIn(typed);
  const problems = problemsOf(operation, filled);
  const isStream = asksForStream(filled.body);
  // Not what was drawn: Ctrl+Enter may come before what was typed has been.
  const current = (): FilledIn => fillIn(latest());
  const send = (): void => {
    const written = current();
    if (problemsOf(operation, written).length === 0) void sender.send(readyRequest(operation, written));
  };
  const setParameter = (key: string, value: string): void => {
    type(({ parameters }) => ({ parameters: { ...parameters, [key]: value } }));
  };
  const setBody = (body: string | null): void => type(() => ({ body }));
  return (
    <section class="card stack" aria-label="Try it">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.isComposing || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault(); // a browser would submit the form as well
          send();
        }}
      >
        <Parameters operation={operation} filled={filled} onChange={setParameter} />
        {operation.body === null ? null : (
          <TextArea
            label={operation.body.mediaType === JSON_TYPE ? "Body" : `Body (${operation.body.mediaType})`}
            isMono
            rows={Math.min(18, Math.max(4, filled.body.split("\n").length))}
            value={filled.body}
            onInput={setBody}
            error={problems.find((problem) => problem.startsWith("The body")) ?? null}
          />
        )}
        <Buttons operation={operation} current={current} sender={sender} canSend={problems.length === 0}>
          {canStream(operation) ? (
            <Switch
              label="Streamed"
              isOn={isStream === true}
              isDisabled={isStream === null}
              onChange={(isOn) => setBody(withStream(current().body, isOn))}
            />
          ) : null}
          {typed.body === null ? null : (
            <Button kind="quiet" onClick={() => setBody(null)}>
              Example again
            </Button>
          )}
        </Buttons>
      </form>
      <AnswerView answer={sender.answer} />
    </section>
  );
}

function Buttons(props: {
  readonly operation: Operation;
  /** What is filled in at the moment. */
  readonly current: () => FilledIn;
  readonly sender: Sender;
  readonly canSend: boolean;
  readonly children: ComponentChildren;
}): JSX.Element {
  const { operation, current, sender, canSend, children } = props;
  const copy = async (): Promise<void> => {
    const hasKey = apiKey.value !== null;
    try {
      await navigator.clipboard.writeText(curlCommand(readyRequest(operation, current()), addressOf("/"), hasKey));
      toast(hasKey ? "The command is copied; it reads the key from PUNCTUAL_API_KEY." : "The command is copied.");
    } catch {
      toast("The browser did not let the page copy.", { isBad: true });
    }
  };
  return (
    <div class="row">
      <Button kind="accent" type="submit" icon="send" isDisabled={!canSend || sender.isSending} title="Ctrl+Enter">
        Send
      </Button>
      {sender.isSending ? (
        <Button icon="stop" onClick={sender.stop}>
          Stop
        </Button>
      ) : null}
      <Button kind="quiet" icon="copy" onClick={() => void copy()}>
        Copy as curl
      </Button>
      {children}
    </div>
  );
}

function Parameters(props: {
  readonly operation: Operation;
  readonly filled: FilledIn;
  readonly onChange: (key: string, value: string) => void;
}): JSX.Element | null {
  const { operation, filled, onChange } = props;
  const [areHeadersShown, setHeadersShown] = useState(false);
  const plain = operation.parameters.filter(
    (parameter) => parameter.in !== "header" || parameter.isRequired || areHeadersShown,
  );
  const hidden = operation.parameters.length - plain.length;
  if (operation.parameters.length === 0) return null;
  return (
    <>
      {plain.length === 0 ? null : (
        <div class="api-parameters">
          {plain.map((parameter) => {
            const key = `${parameter.in}:${parameter.name}`;
            return (
              <TextInput
                key={key}
                label={`${parameter.name} (${parameter.in}${parameter.isRequired ? ", required" : ""})`}
                isMono
                value={filled.parameters[key] ?? ""}
                hint={parameter.description === "" ? undefined : parameter.description}
                onInput={(value) => onChange(key, value)}
              />
            );
          })}
        </div>
      )}
      {hidden === 0 ? null : (
        <div>
          <button type="button" class="link small" onClick={() => setHeadersShown(true)}>
            Set headers, too ({hidden})
          </button>
        </div>
      )}
    </>
  );
}

/** The document's own example, else what its schema demands; with a model that is there. */
function exampleBody(api: Api, { body }: Operation, models: readonly string[]): string {
  if (body === null) return "";
  if (body.mediaType !== JSON_TYPE) return typeof body.example === "string" ? body.example : "";
  const example = body.example ?? exampleOf(api.document, body.schema);
  return JSON.stringify(withModel(example, models), null, 2);
}

/** The id of a model in a path is filled in; everything else starts empty. */
function withDefaults(
  operation: Operation,
  typed: Readonly<Record<string, string>>,
  [model]: readonly string[],
): Readonly<Record<string, string>> {
  const isOfModel = /\/models\/\{id\}/.test(operation.path);
  return isOfModel && model !== undefined && typed["path:id"] === undefined ? { ...typed, "path:id": model } : typed;
}
