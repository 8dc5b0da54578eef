/** How a conversation's requests are made: everything that the chat endpoint takes and a person wants to try. */
import type { JSX } from "preact";
import { formatMs } from "../../lib/format.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { NumberInput, Select, TextArea } from "../../ui/field.tsx";
import { JsonEditor } from "./json-editor.tsx";
import type { ChatModel } from "./models.ts";
import { objectiveProblem, readSchema, readTools } from "./request-body.ts";
import type { ChatSettings, ObjectiveSetting, ThinkingSetting } from "./types.ts";

interface SectionProps {
  readonly settings: ChatSettings;
  readonly onChange: (changed: Partial<ChatSettings>) => void;
}

/** The panel. `model` is who answers, null while unknown. */
export function SettingsPanel(
  props: SectionProps & {
    readonly model: ChatModel | null;
    readonly onReset: () => void;
    readonly onKeep: () => void;
    readonly onClose: () => void;
  },
): JSX.Element {
  const { settings, onChange, model, onReset, onKeep, onClose } = props;
  return (
    <aside class="settings" aria-label="Settings of this conversation">
      <header class="settings-head">
        <h2>Settings</h2>
        <Button kind="quiet" isSmall title="New conversations begin with these settings" onClick={onKeep}>
          Keep
        </Button>
        <Button kind="quiet" isSmall title="Back to what they are at first" onClick={onReset}>
          Reset
        </Button>
        <IconButton icon="close" label="Close the settings" isSmall onClick={onClose} />
      </header>
      <TextArea
        label="System prompt"
        value={settings.system}
        onInput={(system) => onChange({ system })}
        rows={3}
        placeholder="None"
      />
      <Sampling settings={settings} onChange={onChange} />
      <Deadline settings={settings} onChange={onChange} model={model} />
      <Thinking settings={settings} onChange={onChange} model={model} />
      <Tools settings={settings} onChange={onChange} model={model} />
      <Format settings={settings} onChange={onChange} model={model} />
    </aside>
  );
}

function Sampling({ settings, onChange }: SectionProps): JSX.Element {
  return (
    <fieldset>
      <legend>Sampling</legend>
      <div class="pair">
        <NumberInput
          label="Temperature"
          value={settings.temperature}
          onInput={(temperature) => onChange({ temperature })}
          min={0}
          max={2}
          placeholder="1"
          hint="0: the likeliest token."
        />
        <NumberInput
          label="Top p"
          value={settings.topP}
          onInput={(topP) => onChange({ topP })}
          min={0.01}
          max={1}
          placeholder="1"
        />
        <NumberInput
          label="Longest answer"
          value={settings.maxTokens}
          onInput={(maxTokens) => onChange({ maxTokens })}
          min={1}
          max={1_000_000}
          isWhole
          placeholder="context"
          unit="tokens"
        />
        <NumberInput
          label="Seed"
          value={settings.seed}
          onInput={(seed) => onChange({ seed })}
          isWhole
          placeholder="none"
        />
      </div>
    </fieldset>
  );
}

type ObjectiveChoice = "default" | "priority" | "scale" | "flex" | "own";

const OWN: ObjectiveSetting = {
  kind: "own",
  class: "latency",
  ttftMs: 200,
  tpotMs: 50,
  deadlineMs: null,
  onMiss: "finish",
};

/** The server's default objective in words. */
function defaultWords(model: ChatModel | null): string {
  if (model === null) return "The server decides.";
  const { class: kind, ttftMs, tpotMs, deadlineMs } = model.defaultTargets;
  const parts = [
    ttftMs === undefined ? null : `first token ${formatMs(ttftMs)}`,
    tpotMs === undefined ? null : `per token ${formatMs(tpotMs)}`,
    deadlineMs === undefined ? null : `deadline ${formatMs(deadlineMs)}`,
  ].filter((part) => part !== null);
  return parts.length === 0
    ? `The server's default is ${kind}, without targets.`
    : `The server's default is ${kind}: ${parts.join(", ")}.`;
}

function Deadline({ settings, onChange, model }: SectionProps & { readonly model: ChatModel | null }): JSX.Element {
  const { objective } = settings;
  const choice: ObjectiveChoice = objective.kind === "tier" ? objective.tier : objective.kind;
  const choose = (next: ObjectiveChoice): void => {
    if (next === "default") onChange({ objective: { kind: "default" } });
    else if (next === "own") onChange({ objective: OWN });
    else onChange({ objective: { kind: "tier", tier: next } });
  };
  return (
    <fieldset>
      <legend>Deadline</legend>
      <Select
        label="Objective"
        value={choice}
        onInput={choose}
        hint={objective.kind === "default" ? defaultWords(model) : undefined}
        options={[
          { value: "default", text: "The server's default" },
          { value: "priority", text: "Service tier priority" },
          { value: "scale", text: "Service tier scale" },
          { value: "flex", text: "Service tier flex" },
          { value: "own", text: "Of its own" },
        ]}
      />
      {objective.kind === "own" ? <OwnObjective objective={objective} onChange={onChange} /> : null}
    </fieldset>
  );
}

type Own = Extract<ObjectiveSetting, { kind: "own" }>;

function OwnObjective(props: {
  readonly objective: Own;
  readonly onChange: (changed: Partial<ChatSettings>) => void;
}): JSX.Element {
  const { objective, onChange } = props;
  const set = (changed: Partial<Own>): void => onChange({ objective: { ...objective, ...changed } });
  const problem = objectiveProblem(objective);
  return (
    <>
      <div class="pair">
        <Select
          label="Class"
          value={objective.class}
          onInput={(kind) => set({ class: kind })}
          options={[
            { value: "latency", text: "latency" },
            { value: "deadline", text: "deadline" },
            { value: "compound", text: "compound" },
            { value: "best-effort", text: "best effort" },
          ]}
        />
        <Select
          label="When missed"
          value={objective.onMiss}
          onInput={(onMiss) => set({ onMiss })}
          options={[
            { value: "finish", text: "finish late" },
            { value: "cut", text: "cut it off" },
            { value: "reject", text: "refuse it" },
          ]}
        />
        <NumberInput
          label="First token"
          value={objective.ttftMs}
          onInput={(ttftMs) => set({ ttftMs })}
          min={1}
          max={86_400_000}
          placeholder="none"
          unit="ms"
        />
        <NumberInput
          label="Per token"
          value={objective.tpotMs}
          onInput={(tpotMs) => set({ tpotMs })}
          min={1}
          max={86_400_000}
          placeholder="none"
          unit="ms"
        />
        <NumberInput
          label="Deadline"
          value={objective.deadlineMs}
          onInput={(deadlineMs) => set({ deadlineMs })}
          min={1}
          max={86_400_000}
          placeholder="none"
          unit="ms"
        />
      </div>
      {problem === null ? null : (
        <p class="small bad" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

const EFFORTS = ["none", "minimal", "low", "medium", "high"] as const;
type ThinkingChoice = "default" | "budget" | (typeof EFFORTS)[number];

function Thinking({ settings, onChange, model }: SectionProps & { readonly model: ChatModel | null }): JSX.Element {
  const { thinking } = settings;
  const choice: ThinkingChoice = thinking.kind === "effort" ? thinking.effort : thinking.kind;
  const choose = (next: ThinkingChoice): void => {
    const chosen: ThinkingSetting =
      next === "default"
        ? { kind: "default" }
        : next === "budget"
          ? { kind: "budget", tokens: 64 }
          : { kind: "effort", effort: next };
    onChange({ thinking: chosen });
  };
  const canThink = model?.capabilities.thinking ?? true;
  return (
    <fieldset>
      <legend>Thinking</legend>
      <Select
        label="Effort"
        value={choice}
        onInput={choose}
        hint={canThink ? undefined : "This model does not think before it answers."}
        options={[
          { value: "default", text: "As the model likes" },
          ...EFFORTS.map((effort) => ({ value: effort, text: effort })),
          { value: "budget", text: "A budget of tokens" },
        ]}
      />
      {thinking.kind === "budget" ? (
        <NumberInput
          label="Budget"
          value={thinking.tokens}
          onInput={(tokens) => onChange({ thinking: { kind: "budget", tokens: tokens ?? 0 } })}
          min={0}
          max={1_000_000}
          isWhole
          unit="tokens"
        />
      ) : null}
    </fieldset>
  );
}

const EXAMPLE_TOOLS = `[
  {
    "type": "function",
    "function": {
      "name": "set_light",
      "description": "Turns a light on or off.",
      "parameters": {
        "type": "object",
        "properties": {
          "room": { "type": "string" },
          "on": { "type": "boolean" }
        },
        "required": ["room", "on"],
        "additionalProperties": false
      }
    }
  }
]`;

function Tools({ settings, onChange, model }: SectionProps & { readonly model: ChatModel | null }): JSX.Element {
  const read = readTools(settings.tools);
  const isAble = model?.capabilities.tools ?? true;
  return (
    <fieldset>
      <legend>Tools</legend>
      <JsonEditor
        label="Tools"
        value={settings.tools}
        onInput={(tools) => onChange({ tools })}
        problem={read !== null && "problem" in read ? read.problem : null}
        hint={isAble ? toolSummary(read) : "This model was not made to call tools."}
        example={EXAMPLE_TOOLS}
      />
      {read === null ? null : (
        <Select
          label="May they be called?"
          value={settings.toolChoice}
          onInput={(toolChoice) => onChange({ toolChoice })}
          options={[
            { value: "auto", text: "When the model likes" },
            { value: "required", text: "One must be called" },
            { value: "none", text: "No" },
          ]}
        />
      )}
    </fieldset>
  );
}

/** "set_light(room, on), set_timer(minutes)". */
export function toolSummary(read: ReturnType<typeof readTools>): string | undefined {
  if (read === null) return "A JSON array of functions, as OpenAI's clients send it.";
  if ("problem" in read) return undefined;
  return read.tools
    .map((tool) => {
      const { name, parameters } = (tool as { function: { name: string; parameters?: { properties?: object } } })
        .function;
      return `${name}(${Object.keys(parameters?.properties ?? {}).join(", ")})`;
    })
    .join(", ");
}

const EXAMPLE_SCHEMA = `{
  "type": "object",
  "properties": {
    "answer": { "type": "integer" }
  },
  "required": ["answer"],
  "additionalProperties": false
}`;

function Format({ settings, onChange, model }: SectionProps & { readonly model: ChatModel | null }): JSX.Element {
  const read = readSchema(settings.schema);
  const isAble = model?.capabilities.schema ?? true;
  return (
    <fieldset>
      <legend>Form of the answer</legend>
      <Select
        label="Form"
        value={settings.format}
        onInput={(format) => onChange({ format })}
        hint={isAble ? undefined : "This model's vocabulary cannot be held to a form."}
        options={[
          { value: "text", text: "Text" },
          { value: "json_object", text: "A JSON object" },
          { value: "json_schema", text: "JSON by a schema" },
        ]}
      />
      {settings.format === "json_schema" ? (
        <JsonEditor
          label="Schema"
          value={settings.schema}
          onInput={(schema) => onChange({ schema })}
          problem={read === null ? "No schema is given." : "problem" in read ? read.problem : null}
          hint="Every token is held to it while the answer is made."
          example={EXAMPLE_SCHEMA}
        />
      ) : null}
    </fieldset>
  );
}
