/** The conversations that this browser keeps: choose, rename, delete, export, import. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { unixMs } from "../../lib/clock.ts";
import { formatMoment } from "../../lib/format.ts";
import { navigate } from "../../lib/router.ts";
import type { RecordEntry } from "../../lib/storage.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { toast } from "../../ui/toast.tsx";
import { entries, exportFile, forget, importFile, rename, runningIds, startConversation } from "./session.ts";

/** The list. `onChosen` is called when one was chosen, so that a drawer can close. */
export function ConversationList(props: { readonly current: string; readonly onChosen: () => void }): JSX.Element {
  const { current, onChosen } = props;
  const now = unixMs();
  return (
    <nav class="conversations" aria-label="Conversations">
      <Button
        icon="plus"
        onClick={() => {
          startConversation();
          onChosen();
        }}
      >
        New conversation
      </Button>
      <ul>
        {entries.value.map((entry) => (
          <Entry key={entry.id} entry={entry} isCurrent={entry.id === current} nowUnixMs={now} onChosen={onChosen} />
        ))}
      </ul>
      {entries.value.length > 0 ? null : <p class="small soft">Conversations are kept in this browser only.</p>}
      <FileButtons />
    </nav>
  );
}

function Entry(props: {
  readonly entry: RecordEntry;
  readonly isCurrent: boolean;
  readonly nowUnixMs: number;
  readonly onChosen: () => void;
}): JSX.Element {
  const { entry, isCurrent, nowUnixMs, onChosen } = props;
  const [name, setName] = useState<string | null>(null);
  if (name !== null) {
    const finish = (): void => {
      if (name.trim() !== "" && name !== entry.title) rename(entry.id, name);
      setName(null);
    };
    return (
      <li>
        <input
          class="input"
          aria-label="Name of the conversation"
          value={name}
          ref={(element) => element?.focus()}
          onInput={(event) => setName(event.currentTarget.value)}
          onBlur={finish}
          onKeyDown={(event) => {
            if (event.key === "Enter") finish();
            if (event.key === "Escape") setName(null);
          }}
        />
      </li>
    );
  }
  return (
    <li class="conversation" data-current={isCurrent}>
      <button
        type="button"
        aria-current={isCurrent ? "true" : undefined}
        onClick={() => {
          navigate("chat", [entry.id]);
          onChosen();
        }}
      >
        <span>{entry.title}</span>
        <small>{runningIds.value.has(entry.id) ? "answering…" : formatMoment(entry.updatedUnixMs, nowUnixMs)}</small>
      </button>
      <span class="conversation-tools">
        <IconButton icon="edit" label={`Rename “${entry.title}”`} isSmall onClick={() => setName(entry.title)} />
        <IconButton icon="trash" label={`Delete “${entry.title}”`} isSmall onClick={() => remove(entry, isCurrent)} />
      </span>
    </li>
  );
}

/** Deleting asks nothing and can be taken back. */
function remove(entry: RecordEntry, isCurrent: boolean): void {
  const restore = forget(entry.id);
  if (isCurrent) startConversation();
  toast(`Deleted “${entry.title}”.`, { action: { text: "Bring it back", run: restore } });
}

function FileButtons(): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    try {
      const count = importFile(await file.text());
      toast(count === 1 ? "1 conversation is in." : `${count} conversations are in.`);
    } catch (error) {
      toast((error as Error).message, { isBad: true });
    }
  };
  return (
    <div class="row conversation-files">
      <Button kind="quiet" isSmall icon="upload" onClick={() => input.current?.click()}>
        Import
      </Button>
      <Button
        kind="quiet"
        isSmall
        icon="download"
        isDisabled={entries.value.length === 0}
        onClick={() => download("punctual-conversations.json", exportFile())}
      >
        Export all
      </Button>
      <input
        ref={input}
        class="unseen"
        type="file"
        tabIndex={-1}
        aria-label="A file of conversations"
        accept="application/json,.json"
        onChange={(event) => {
          const { currentTarget } = event;
          void take(currentTarget.files?.[0]).then(() => (currentTarget.value = ""));
        }}
      />
    </div>
  );
}

/** Gives the visitor a file. */
export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
