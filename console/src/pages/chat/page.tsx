/** The Chat page: conversations with the models that are served, and when every token came. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { route } from "../../lib/router.ts";
import { addShortcuts } from "../../lib/shortcuts.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Select } from "../../ui/field.tsx";
import { Problem } from "../../ui/page-head.tsx";
import "./chat.css";
import { chipsFor, describeModel, type Chip } from "./chips.ts";
import { Composer } from "./composer.tsx";
import { ConversationList } from "./conversation-list.tsx";
import { lastMessage } from "./edits.ts";
import { ExportDialog } from "./export-dialog.tsx";
import { followModels, models, modelsProblem, readModels, type ChatModel } from "./models.ts";
import {
  blankId,
  changeModel,
  changeSettings,
  changeSide,
  conversationOf,
  followStorage,
  isRunning,
  keepSettings,
  modelOf,
  resetSettings,
  sendMessage,
  startConversation,
} from "./session.ts";
import { SettingsPanel } from "./settings-panel.tsx";
import { SideDialog } from "./side-dialog.tsx";
import { Turns } from "./turns.tsx";
import type { Conversation } from "./types.ts";

/** What is open beside the conversation. */
type Opened = "nothing" | "list" | "settings" | "side" | "export";

/** Drafts by conversation: changing to another and back loses nothing. */
const drafts = new Map<string, string>();

/** The page. */
export function Page(): JSX.Element {
  const id = route.value.path[0] ?? blankId.value;
  useEffect(followModels, []);
  useEffect(followStorage, []);
  useEffect(() => addShortcuts([{ keys: "n", does: "New conversation", group: "Chat", run: startConversation }]), []);
  return <ChatView key={id} id={id} />;
}

const isWide = (): boolean => matchMedia("(min-width: 1080px)").matches;

function ChatView({ id }: { readonly id: string }): JSX.Element {
  const conversation = conversationOf(id).value;
  const [opened, setOpened] = useState<Opened>("nothing");
  const [editing, setEditing] = useState<string | null>(null);
  const [text, setDraft] = useState(drafts.get(id) ?? "");
  const setText = (next: string): void => {
    drafts.set(id, next);
    setDraft(next);
  };
  const model = (models.value ?? []).find((known) => known.id === modelOf(conversation)) ?? null;
  const send = (): boolean => {
    // Not the state: Enter may come before what was typed has been drawn.
    const written = drafts.get(id) ?? "";
    if (written.trim() === "" || isRunning(id)) return false;
    drafts.delete(id);
    setDraft("");
    sendMessage(id, written);
    return true;
  };
  const tryChip = (chip: Chip): void => {
    changeSettings(id, chip.settings);
    sendMessage(id, chip.text);
  };
  const close = (): void => setOpened("nothing");
  const toggle = (what: Opened): void => setOpened(opened === what ? "nothing" : what);
  return (
    <div class="chat">
      <ConversationList current={id} onChosen={close} />
      <section class="chat-main" aria-label={conversation.title}>
        <ChatHead conversation={conversation} model={model} opened={opened} onToggle={toggle} />
        <div class="unseen" role="status">
          {isRunning(id) ? "Answering" : conversation.turns.length > 0 ? "The answer is complete" : ""}
        </div>
        <Scroller lastMessage={lastMessage(conversation.turns)?.id ?? null}>
          {conversation.turns.length === 0 ? (
            <Beginning model={model} onChip={tryChip} />
          ) : (
            <Turns conversation={conversation} editing={editing} onEdit={setEditing} />
          )}
        </Scroller>
        <Composer
          conversation={conversation}
          text={text}
          onText={setText}
          onSend={send}
          onEditLast={() => setEditing(lastMessage(conversation.turns)?.id ?? null)}
          onSettings={() => toggle("settings")}
        />
      </section>
      {opened === "settings" ? <Settings id={id} conversation={conversation} model={model} onClose={close} /> : null}
      {opened === "list" ? (
        <Dialog title="Conversations" onClose={close}>
          <ConversationList current={id} onChosen={close} />
        </Dialog>
      ) : null}
      {opened === "side" && model !== null ? (
        <SideDialog model={model} side={conversation.side} onChange={(side) => changeSide(id, side)} onClose={close} />
      ) : null}
      {opened === "export" ? <ExportDialog id={id} text={text} onClose={close} /> : null}
    </div>
  );
}

function Settings(props: {
  readonly id: string;
  readonly conversation: Conversation;
  readonly model: ChatModel | null;
  readonly onClose: () => void;
}): JSX.Element {
  const { id, conversation, model, onClose } = props;
  const panel = (
    <SettingsPanel
      settings={conversation.settings}
      model={model}
      onChange={(changed) => changeSettings(id, changed)}
      onReset={() => resetSettings(id)}
      onKeep={() => keepSettings(id)}
      onClose={onClose}
    />
  );
  if (isWide()) return panel;
  return (
    <Dialog title="Settings of this conversation" onClose={onClose}>
      {panel}
    </Dialog>
  );
}

function ChatHead(props: {
  readonly conversation: Conversation;
  readonly model: ChatModel | null;
  readonly opened: Opened;
  readonly onToggle: (what: Opened) => void;
}): JSX.Element {
  const { conversation, model, opened, onToggle } = props;
  const { side, id } = conversation;
  const chosen = model?.id ?? "";
  const options = (models.value ?? [])
    .filter(({ capabilities }) => capabilities.chat)
    .map((known) => ({
      value: known.id,
      text: known.state === "loaded" ? known.id : `${known.id} (loads when asked)`,
    }));
  return (
    <header class="chat-head">
      <span class="chat-list-button">
        <IconButton icon="list" label="Conversations" onClick={() => onToggle("list")} />
      </span>
      <h1 class="unseen">Chat</h1>
      <Select label="Model" isLabelHidden value={chosen} options={options} onInput={(next) => changeModel(id, next)} />
      {side.kind === "off" ? null : (
        <span class="small soft side-note">
          {side.kind === "models"
            ? `beside ${side.other}`
            : `${side.first} beside ${side.second}, with ${side.company} others`}
        </span>
      )}
      <span class="chat-tools">
        <IconButton
          icon="columns"
          label="Side by side"
          isPressed={side.kind !== "off"}
          isDisabled={model === null}
          onClick={() => onToggle("side")}
        />
        <IconButton icon="code" label="Export as curl or TypeScript" onClick={() => onToggle("export")} />
        <IconButton
          icon="settings"
          label="Settings"
          isPressed={opened === "settings"}
          onClick={() => onToggle("settings")}
        />
      </span>
    </header>
  );
}

/** Scrolls, and follows the end as long as the reader is there. */
function Scroller(props: { readonly lastMessage: string | null; readonly children: JSX.Element }): JSX.Element {
  const { lastMessage: last, children } = props;
  const place = useRef<HTMLDivElement>(null);
  const column = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const lastTop = useRef(0);
  useLayoutEffect(() => {
    if (last === null) return undefined;
    const element = place.current!;
    isAtEnd.current = true; // who sends a message wants to see its answer
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(column.current!);
    return () => observer.disconnect();
  }, [last]);
  return (
    <div
      class="chat-scroll"
      ref={place}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        // Only who moves up leaves the end: text that grew since is no reason.
        if (scrollHeight - scrollTop - clientHeight < 40) isAtEnd.current = true;
        else if (scrollTop < lastTop.current) isAtEnd.current = false;
        lastTop.current = scrollTop;
      }}
    >
      <div class="chat-column" ref={column}>
        {children}
      </div>
    </div>
  );
}

/** What an empty conversation shows: what the model is and is not, and what to try. */
function Beginning(props: { readonly model: ChatModel | null; readonly onChip: (chip: Chip) => void }): JSX.Element {
  const { model, onChip } = props;
  if (model === null) return <NoModel />;
  return (
    <div class="beginning">
      <h2>{model.id}</h2>
      {model.parameters > 0 ? <p class="soft">{describeModel(model)}</p> : null}
      <div class="chips" role="group" aria-label="Things to try">
        {chipsFor(model).map((chip) => (
          <button key={chip.label} type="button" class="chip" onClick={() => onChip(chip)}>
            <strong>{chip.label}</strong>
            <span>{chip.text}</span>
          </button>
        ))}
      </div>
    </div>
  );
}

function NoModel(): JSX.Element {
  if (modelsProblem.value !== null) {
    return (
      <Problem title="The models could not be read.">
        <p>{modelsProblem.value}</p>
        <div>
          <Button isSmall onClick={() => void readModels()}>
            Try again
          </Button>
        </div>
      </Problem>
    );
  }
  if (models.value === null) return <p class="soft">Asking the server for its models…</p>;
  return (
    <Problem title="No model is served.">
      <p>Start the server with a model, or load one on the Models page.</p>
    </Problem>
  );
}
