/** The turns of a conversation, from the first message to the last answer; the newest stays in sight while it comes. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button, IconButton } from "../../ui/button.tsx";
import { AnswerColumn } from "./answer-view.tsx";
import { ResultForm } from "./calls-view.tsx";
import { openCalls } from "./edits.ts";
import { editMessage, giveResult, isRunning, retry, showVersion } from "./session.ts";
import type { Conversation, Turn } from "./types.ts";

/** All turns. `editing` is the id of the message that is being edited. */
export function Turns(props: {
  readonly conversation: Conversation;
  readonly editing: string | null;
  readonly onEdit: (id: string | null) => void;
}): JSX.Element {
  const { conversation, editing, onEdit } = props;
  const { id, turns } = conversation;
  const isBusy = isRunning(id);
  const calls = isBusy ? [] : openCalls(turns);
  const lastAnswer = turns.findLast(({ kind }) => kind === "answer");
  return (
    <div class="turns" role="log" aria-live="off" aria-label="Conversation">
      {turns.map((turn) => {
        if (turn.kind === "answer")
          return <AnswerTurn key={turn.id} id={id} turn={turn} canRetry={!isBusy && turn === lastAnswer} />;
        if (turn.kind === "tool") return <ToolTurn key={turn.id} turn={turn} />;
        return (
          <UserTurn
            key={turn.id}
            id={id}
            turn={turn}
            isEditing={editing === turn.id}
            canEdit={!isBusy}
            onEdit={onEdit}
          />
        );
      })}
      {calls.map(({ column, callId, name }) => (
        <ResultForm
          key={`${column} ${callId}`}
          name={name}
          onGive={(text) => giveResult(id, { column, callId, name, text })}
        />
      ))}
    </div>
  );
}

function AnswerTurn(props: {
  readonly id: string;
  readonly turn: Extract<Turn, { kind: "answer" }>;
  /** Only the last answer can be asked for again: another would take the rest of the conversation with it. */
  readonly canRetry: boolean;
}): JSX.Element {
  const { id, turn, canRetry } = props;
  const isPair = turn.columns.length > 1;
  return (
    <div class={isPair ? "answers answers-pair" : "answers"}>
      {turn.columns.map((column, i) => {
        const { model, policy } = column.versions[column.shown]!;
        const heading = isPair ? (policy === null ? model : `${model} · ${policy}`) : null;
        return (
          <AnswerColumn
            key={i}
            column={column}
            heading={heading}
            canRetry={canRetry}
            onRetry={() => retry(id, turn.id)}
            onShow={(version) => showVersion(id, turn.id, i, version)}
          />
        );
      })}
    </div>
  );
}

function ToolTurn({ turn }: { readonly turn: Extract<Turn, { kind: "tool" }> }): JSX.Element {
  return (
    <div class="tool-turn">
      <span class="soft">
        result of <code>{turn.name}</code>
      </span>
      <pre>{turn.text}</pre>
    </div>
  );
}

function UserTurn(props: {
  readonly id: string;
  readonly turn: Extract<Turn, { kind: "user" }>;
  readonly isEditing: boolean;
  readonly canEdit: boolean;
  readonly onEdit: (id: string | null) => void;
}): JSX.Element {
  const { id, turn, isEditing, canEdit, onEdit } = props;
  if (isEditing) {
    const send = (text: string): void => {
      if (editMessage(id, turn.id, text)) onEdit(null);
    };
    return <EditForm text={turn.text} onSend={send} onCancel={() => onEdit(null)} />;
  }
  return (
    <div class="user-turn">
      <div class="user-text">{turn.text}</div>
      <IconButton
        icon="edit"
        label="Edit and send again"
        isSmall
        isDisabled={!canEdit}
        onClick={() => onEdit(turn.id)}
      />
    </div>
  );
}

function EditForm(props: {
  readonly text: string;
  readonly onSend: (text: string) => void;
  readonly onCancel: () => void;
}): JSX.Element {
  const [text, setText] = useState(props.text);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = area.current!;
    element.focus();
    element.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const send = (): void => {
    // Not the state: Enter may come before what was typed has been drawn.
    const written = area.current!.value;
    if (written.trim() !== "") props.onSend(written);
  };
  return (
    <div class="edit-turn">
      <textarea
        ref={area}
        class="input"
        aria-label="Edit the message"
        rows={Math.min(10, text.split("\n").length + 1)}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.isComposing) return;
          if (event.key === "Escape") props.onCancel();
          else if (event.key === "Enter" && !event.shiftKey) send();
          else return;
          event.preventDefault();
        }}
      />
      <div class="row">
        <Button kind="accent" isSmall isDisabled={text.trim() === ""} onClick={send}>
          Send
        </Button>
        <Button kind="quiet" isSmall onClick={props.onCancel}>
          Cancel
        </Button>
        <span class="small soft">What came after this message is replaced.</span>
      </div>
    </div>
  );
}
