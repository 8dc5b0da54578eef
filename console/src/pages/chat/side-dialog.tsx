/** Chooses what stands beside the answer: nothing, another model, or another policy of the same one. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { NumberInput, Select } from "../../ui/field.tsx";
import { models, policyNames, policyOf, type ChatModel } from "./models.ts";
import type { SideBySide } from "./types.ts";

/** The dialog. */
export function SideDialog(props: {
  readonly model: ChatModel;
  readonly side: SideBySide;
  readonly onChange: (side: SideBySide) => void;
  readonly onClose: () => void;
}): JSX.Element {
  const { model, onChange, onClose } = props;
  const [side, setSide] = useState<SideBySide>(props.side);
  const others = (models.value ?? []).filter(({ id, capabilities }) => id !== model.id && capabilities.chat);
  const policies = policyNames();
  const choose = (kind: SideBySide["kind"]): void => {
    if (kind === "off") setSide({ kind });
    if (kind === "models") setSide({ kind, other: others[0]!.id });
    if (kind === "policies") setSide(firstPolicies(model.id, policies));
  };
  const canSwitch = model.fixedPolicy === undefined && policies.length > 1;
  return (
    <Dialog title="Side by side" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onChange(side);
          onClose();
        }}
      >
        <Select
          label="The same message to"
          value={side.kind}
          onInput={choose}
          options={[
            { value: "off", text: `${model.id} alone` },
            { value: "models", text: "Two models", isDisabled: others.length === 0 },
            { value: "policies", text: "Two scheduling policies", isDisabled: !canSwitch },
          ]}
        />
        {side.kind === "models" ? (
          <Select
            label={`Beside ${model.id}`}
            value={side.other}
            onInput={(other) => setSide({ kind: "models", other })}
            options={others.map(({ id }) => ({ value: id, text: id }))}
            hint="Both are asked at the same moment and share this machine."
          />
        ) : null}
        {side.kind === "policies" ? (
          <PolicyFields side={side} policies={policies} model={model} onChange={setSide} />
        ) : null}
        {others.length > 0 ? null : <p class="small soft">Two models need a server that serves two that chat.</p>}
        {model.fixedPolicy === undefined ? null : (
          <p class="small soft">
            The policy of {model.id} cannot be switched: {model.fixedPolicy}
          </p>
        )}
        <div class="row">
          <Button kind="accent" type="submit">
            {side.kind === "off" ? "One answer" : "Compare from now on"}
          </Button>
          <Button kind="quiet" onClick={onClose}>
            Cancel
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Requests beside the one that is looked at, at first. */
const COMPANY = 8;

function firstPolicies(model: string, policies: readonly string[]): SideBySide {
  const first = policyOf(model) ?? policies[0]!;
  const second = policies.find((name) => name !== first) ?? first;
  return { kind: "policies", first, second, company: COMPANY };
}

type Policies = Extract<SideBySide, { kind: "policies" }>;

function PolicyFields(props: {
  readonly side: Policies;
  readonly policies: readonly string[];
  readonly model: ChatModel;
  readonly onChange: (side: SideBySide) => void;
}): JSX.Element {
  const { side, policies, model, onChange } = props;
  const options = policies.map((name) => ({ value: name, text: name }));
  return (
    <>
      <div class="pair">
        <Select label="Left" value={side.first} options={options} onInput={(first) => onChange({ ...side, first })} />
        <Select
          label="Right"
          value={side.second}
          options={options}
          onInput={(second) => onChange({ ...side, second })}
        />
      </div>
      <NumberInput
        label="Company"
        value={side.company}
        onInput={(company) => onChange({ ...side, company: company ?? 0 })}
        min={0}
        max={32}
        isWhole
        unit="requests"
        hint="So many copies of the message are sent a moment before it, best effort: alone on the machine, every policy does the same."
      />
      <p class="notice">
        A policy belongs to the engine. While the two answers are made, one after the other, {model.id} is scheduled by
        each of them <strong>for everybody who uses this server</strong>. Afterwards the policy in force before is put
        back.
      </p>
    </>
  );
}
