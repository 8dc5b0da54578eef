/** One request: where it is, how far, and the means to send it to another instance while it is answered. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { FleetMoveAnswer, FleetRequestView, FleetView } from "@protocol";
import { ApiError, postJson } from "../../lib/api.ts";
import { formatMs, formatNumber } from "../../lib/format.ts";
import { formatRoute } from "../../lib/router.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Select } from "../../ui/field.tsx";
import { Problem } from "../../ui/page-head.tsx";
import { toast } from "../../ui/toast.tsx";
import { Facts, type Fact } from "../../ui/facts.tsx";
import { requestWords, shortId } from "./sums.ts";

/** The dialog; it stays when the request has ended, and says so. */
export function RequestDialog(props: {
  readonly id: string;
  readonly view: FleetView;
  readonly onClose: () => void;
}): JSX.Element {
  const { id, view, onClose } = props;
  const request = view.requests.find((open) => open.id === id);
  return (
    <Dialog title={`Request ${shortId(id)}`} onClose={onClose}>
      {request === undefined ? (
        <p>It has ended.</p>
      ) : (
        <>
          <RequestFacts request={request} />
          <Move request={request} view={view} />
        </>
      )}
      <p>
        <a href={formatRoute("deadlines", [id])}>Its trace on the Deadlines page</a>
      </p>
    </Dialog>
  );
}

function RequestFacts({ request }: { readonly request: FleetRequestView }): JSX.Element {
  const facts: readonly Fact[] = [
    ["Id", request.id],
    ["Model", request.model],
    ["Instance", request.instance ?? "none"],
    ["State", requestWords(request)],
    ["Prompt", `${formatNumber(request.promptTokens)} tokens`],
    ["Answer so far", `${formatNumber(request.answerTokens)} tokens`],
    ["Moves", formatNumber(request.moves)],
    ["Age", formatMs(request.ageMs)],
  ];
  return <Facts class="fl-facts fl-facts-wide numbers" facts={facts} />;
}

function Move({ request, view }: { readonly request: FleetRequestView; readonly view: FleetView }): JSX.Element {
  const others = view.instances.filter(({ id, model, host, state }) => {
    return id !== request.instance && model === request.model && host === "punctual" && state === "serving";
  });
  const [chosen, setChosen] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const to = others.find(({ id }) => id === chosen)?.id ?? others[0]?.id;
  if (to === undefined) return <p class="soft">There is no other instance that it could move to.</p>;
  const ask = async (): Promise<void> => {
    setProblem(null);
    try {
      const move = await postJson<FleetMoveAnswer>("/admin/fleet/moves", { request: request.id, to });
      toast(`${shortId(move.request)} moves from ${move.from} to ${move.to}.`);
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : "The move could not be asked for.");
    }
  };
  return (
    <div class="stack">
      <Select
        label="Move it to"
        value={to}
        options={others.map(({ id }) => ({ value: id, text: id }))}
        hint="It goes on answering while its pages are copied."
        onInput={setChosen}
      />
      <div>
        <Button kind="accent" isSmall onClick={() => void ask()}>
          Move
        </Button>
      </div>
      {problem === null ? null : <Problem title="It was not moved.">{problem}</Problem>}
    </div>
  );
}
