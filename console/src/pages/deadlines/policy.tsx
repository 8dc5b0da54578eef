/** The scheduling policy in force, and the switch to another one: between two steps, without losing a request. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { LiveModel, PolicyAnswer } from "@protocol";
import { ApiError, postJson } from "../../lib/api.ts";
import { Button } from "../../ui/button.tsx";
import { Select } from "../../ui/field.tsx";
import { Problem } from "../../ui/page-head.tsx";
import { toast } from "../../ui/toast.tsx";

/** What each policy does, in a sentence; a policy that is not named here is shown without one. */
const ABOUT: Readonly<Record<string, string>> = {
  fifo: "First come, first served, prompts in chunks beside the answers under way.",
  "prefill-first": "Prompts before everything: first tokens come early, and every answer stands still meanwhile.",
  "orca-mixed": "Whole prompts join the answers under way: a long prompt makes one long step for everybody.",
  splitfuse: "Steps of even size: all answers under way, filled up with pieces of prompts.",
  edf: "What is due first goes first; what is late already waits for what can still be in time.",
  "shortest-predicted": "What is expected to end soonest goes first.",
  "least-attained": "Whoever has been served least goes first, counted over whole tasks.",
  jitserve: "Just in time: effort goes where it earns most kept promises.",
};

/** The control. */
export function PolicySwitch({
  model,
  policies,
}: {
  readonly model: LiveModel;
  readonly policies: readonly string[];
}): JSX.Element {
  const [chosen, setChosen] = useState(model.policy);
  const [isAsking, setAsking] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    setChosen(model.policy);
    setProblem(null);
  }, [model.id, model.policy]);
  const names = policies.includes(model.policy) ? policies : [model.policy, ...policies];
  const ask = async (): Promise<void> => {
    setAsking(true);
    setProblem(null);
    try {
      const answer = await postJson<PolicyAnswer>(`/admin/models/${encodeURIComponent(model.id)}/policy`, {
        policy: chosen,
      });
      toast(`${answer.model} now schedules by ${answer.policy}; it was ${answer.previous}.`);
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : "The switch could not be asked for.");
    } finally {
      setAsking(false);
    }
  };
  return (
    <div class="dl-policy">
      <Select
        label="Policy in force"
        value={chosen}
        options={names.map((name) => ({ value: name, text: name === model.policy ? `${name} (in force)` : name }))}
        isDisabled={model.fixedPolicy !== undefined || isAsking}
        hint={model.fixedPolicy ?? ABOUT[chosen]}
        onInput={setChosen}
      />
      {chosen === model.policy ? null : (
        <div class="row">
          <Button kind="accent" isSmall isDisabled={isAsking} onClick={() => void ask()}>
            {isAsking ? "Switching…" : `Switch to ${chosen}`}
          </Button>
          <Button kind="quiet" isSmall onClick={() => setChosen(model.policy)}>
            Keep {model.policy}
          </Button>
        </div>
      )}
      {problem === null ? null : <Problem title="The policy was not switched.">{problem}</Problem>}
    </div>
  );
}
