/**
 * The conversations that are open and what runs in them: signals that the page reads, and the actions behind its buttons.
 * An answer goes on while another conversation or page is looked at. Kept in the browser within bounds.
 */
import { signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { unixMs } from "../../lib/clock.ts";
import { navigate } from "../../lib/router.ts";
import { browserStorage, readSetting, RecordCollection, writeSetting, type RecordEntry } from "../../lib/storage.ts";
import { toast } from "../../ui/toast.tsx";
import { ask, toAnswerError } from "./ask.ts";
import { readConversation, readConversationFile, readSettings, writeConversationFile } from "./conversation-file.ts";
import * as edits from "./edits.ts";
import { models, policyOf } from "./models.ts";
import { puttingBack, switchPolicy, withCompany } from "./policies.ts";
import { chatBody, settingsProblems } from "./request-body.ts";
import {
  DEFAULT_SETTINGS,
  emptyAnswer,
  type Answer,
  type ChatSettings,
  type Conversation,
  type SideBySide,
} from "./types.ts";

const storage = browserStorage();
const isConversation = (value: unknown): value is Conversation => readConversation(value) !== null;
const kept = new RecordCollection<Conversation>(
  storage,
  "punctual.chat",
  { maxRecords: 200, maxCharacters: 3_000_000 },
  isConversation,
);
const SETTINGS_SLOT = "punctual.chat-settings";
const MODEL_SLOT = "punctual.chat-model";

/** What is kept, latest first. */
export const entries = signal<readonly RecordEntry[]>(kept.list());
const open = new Map<string, Signal<Conversation>>();
const running = signal<ReadonlyMap<string, AbortController>>(new Map());

/** Another tab writes to the same storage, and a page that goes keeps what has come of its answers. */
export function followStorage(): () => void {
  const onStorage = (event: StorageEvent): void => {
    if (event.key === "punctual.chat") entries.value = kept.list();
  };
  const onLeave = (): void => {
    for (const id of running.peek().keys()) keep(id);
  };
  addEventListener("storage", onStorage);
  addEventListener("pagehide", onLeave);
  return () => {
    removeEventListener("storage", onStorage);
    removeEventListener("pagehide", onLeave);
  };
}

const newId = (): string => crypto.randomUUID().slice(0, 13);

/** The conversation of that id; a new and empty one when none is kept. */
export function conversationOf(id: string): Signal<Conversation> {
  let found = open.get(id);
  if (found === undefined) {
    found = signal(readConversation(kept.read(id)) ?? emptyConversation(id));
    open.set(id, found);
  }
  return found;
}

/** A new conversation goes on with the model last used, and begins with the settings that were kept for new ones. */
function emptyConversation(id: string): Conversation {
  const settings = readSetting(storage, SETTINGS_SLOT, (value): value is object => typeof value === "object", {});
  const model = readSetting(storage, MODEL_SLOT, (value) => typeof value === "string", "");
  const now = unixMs();
  return {
    version: 1,
    id,
    title: "New conversation",
    createdUnixMs: now,
    updatedUnixMs: now,
    model: model === "" ? null : model,
    settings: readSettings(settings),
    side: { kind: "off" },
    turns: [],
  };
}

/** The id of the conversation that is shown where the address names none. */
export const blankId = signal(newId());

/** Shows a new conversation. */
export function startConversation(): void {
  open.delete(blankId.peek());
  blankId.value = newId();
  navigate("chat");
}

/** True while an answer of that conversation is coming. */
export function isRunning(id: string): boolean {
  return running.value.has(id);
}

/** Ids of conversations whose answers are coming. */
export const runningIds: ReadonlySignal<ReadonlyMap<string, unknown>> = running;

function change(id: string, next: (before: Conversation) => Conversation): Conversation {
  const state = conversationOf(id);
  state.value = next(state.peek());
  return state.peek();
}

let isStorageFull = false;

function keep(id: string): void {
  const conversation = change(id, (before) => ({ ...before, updatedUnixMs: unixMs() }));
  if (conversation.turns.length === 0) return;
  try {
    const dropped = kept.write(id, conversation.title, conversation.updatedUnixMs, conversation);
    for (const other of dropped) open.delete(other);
    if (dropped.length > 0)
      toast(`The oldest conversation made room for this one (${dropped.length} gone). Export what you want to keep.`);
    isStorageFull = false;
  } catch (error) {
    if (!isStorageFull) toast(`This conversation is not kept. ${(error as Error).message}`, { isBad: true });
    isStorageFull = true;
  }
  entries.value = kept.list();
}

/** The model that a conversation talks to: its own, or the first that can chat. */
export function modelOf(conversation: Conversation): string | null {
  const all = models.value ?? [];
  const own = all.find(({ id }) => id === conversation.model);
  return (own ?? all.find(({ capabilities }) => capabilities.chat) ?? all[0])?.id ?? conversation.model;
}

/** Changes settings of one conversation. */
export function changeSettings(id: string, changed: Partial<ChatSettings>): void {
  const { turns } = change(id, (before) => ({ ...before, settings: { ...before.settings, ...changed } }));
  if (turns.length > 0) keep(id);
}

/** Puts settings back to what they are at first. */
export function resetSettings(id: string): void {
  changeSettings(id, DEFAULT_SETTINGS);
}

/** New conversations begin with this one's settings from now on. */
export function keepSettings(id: string): void {
  const isKept = writeSetting(storage, SETTINGS_SLOT, conversationOf(id).peek().settings);
  if (isKept) toast("New conversations begin with these settings.");
  else toast("The browser has no room left to keep them.", { isBad: true });
}

/** Changes whom the conversation, and the next new one, talks to. */
export function changeModel(id: string, model: string): void {
  change(id, (before) => ({ ...before, model }));
  writeSetting(storage, MODEL_SLOT, model);
}

/** Changes what stands beside the answer. */
export function changeSide(id: string, side: SideBySide): void {
  change(id, (before) => ({ ...before, side }));
}

/** Renames a conversation. */
export function rename(id: string, title: string): void {
  change(id, (before) => ({ ...before, title: edits.titleOf(title) }));
  keep(id);
}

/** Forgets a conversation, and stops what runs in it. The returned function brings it back. */
export function forget(id: string): () => void {
  const conversation = conversationOf(id).peek();
  stop(id);
  kept.delete(id);
  open.delete(id);
  entries.value = kept.list();
  return () => {
    open.set(id, signal(conversation));
    keep(id);
  };
}

/** The text of a file with these conversations, or all. */
export function exportFile(ids: readonly string[] = entries.value.map((entry) => entry.id)): string {
  return writeConversationFile(ids.map((id) => conversationOf(id).peek()));
}

/** Takes the conversations of a file in; those with an id that is here already replace it. @throws Error for another file. */
export function importFile(text: string): number {
  const conversations = readConversationFile(text);
  for (const conversation of conversations.toReversed()) {
    open.set(conversation.id, signal(conversation));
    kept.write(conversation.id, conversation.title, conversation.updatedUnixMs, conversation);
  }
  entries.value = kept.list();
  return conversations.length;
}

/** Ends the answer that is coming. */
export function stop(id: string): void {
  running.peek().get(id)?.abort();
}

/** Sends a message. Does nothing while an answer is coming. */
export function sendMessage(id: string, text: string): void {
  if (!canRun(id)) return;
  change(id, (before) => edits.withMessage(before, newId(), text));
  showSent(id);
  answerNext(id);
}

/** Sends a message anew with another text; false, and nothing changed, while an answer is coming. */
export function editMessage(id: string, turn: string, text: string): boolean {
  if (!canRun(id)) return false;
  change(id, (before) => edits.withEdit(before, turn, text));
  answerNext(id);
  return true;
}

/** Gives the result of a call; when it was the last one, the model goes on. */
export function giveResult(id: string, result: { column: number; callId: string; name: string; text: string }): void {
  if (!canRun(id)) return;
  const { turns } = change(id, (before) => edits.withToolResult(before, newId(), result));
  if (edits.openCalls(turns).length === 0) answerNext(id);
  else keep(id);
}

/** Asks for another answer in place of one. */
export function retry(id: string, turn: string): void {
  if (!canRun(id)) return;
  change(id, (before) => edits.withRetry(before, turn, askedOf(before)));
  void run(id, turn);
}

/** Shows another try. */
export function showVersion(id: string, turn: string, column: number, shown: number): void {
  change(id, (before) => edits.withShown(before, turn, column, shown));
  keep(id);
}

/** A conversation that was new gets its own address once it has a message. */
function showSent(id: string): void {
  if (id !== blankId.peek()) return;
  blankId.value = newId();
  navigate("chat", [id], {}, true);
}

function canRun(id: string): boolean {
  if (running.peek().has(id)) return false;
  const conversation = conversationOf(id).peek();
  const [problem] = settingsProblems(conversation.settings);
  if (problem !== undefined) toast(`Not sent. ${problem}`, { isBad: true });
  else if (modelOf(conversation) === null) toast("Not sent. No model is served.", { isBad: true });
  else return true;
  return false;
}

function askedOf(conversation: Conversation): readonly edits.Asked[] {
  const model = modelOf(conversation)!;
  const { side } = conversation;
  const first = { model, policy: policyOf(model) };
  if (side.kind === "models") return [first, { model: side.other, policy: policyOf(side.other) }];
  if (side.kind === "policies") return [side.first, side.second].map((policy) => ({ model, policy }));
  return [first];
}

function answerNext(id: string): void {
  const turn = newId();
  change(id, (before) => edits.withAnswerTurn(before, turn, askedOf(before)));
  void run(id, turn);
}

/** Runs the answer at the conversation's end, in all its columns. */
async function run(id: string, turn: string): Promise<void> {
  const gone = new AbortController();
  running.value = new Map([...running.peek(), [id, gone]]);
  keep(id);
  try {
    const conversation = conversationOf(id).peek();
    if (conversation.side.kind === "policies") await runPolicies(id, turn, conversation, gone.signal);
    else
      await Promise.all(askedOf(conversation).map((asked, column) => runColumn(id, turn, column, asked, gone.signal)));
  } catch (error) {
    change(id, (before) => edits.withFailure(before, turn, toAnswerError(error)));
    toast((error as Error).message, { isBad: true });
  } finally {
    running.value = new Map([...running.peek()].filter(([other]) => other !== id));
    keep(id);
  }
}

async function runPolicies(id: string, turn: string, conversation: Conversation, gone: AbortSignal): Promise<void> {
  const model = modelOf(conversation)!;
  const before = policyOf(model);
  if (before === null)
    throw new Error("The server has not said which policy is in force, so it could not be put back.");
  await puttingBack(model, before, async () => {
    for (const [column, asked] of askedOf(conversation).entries()) {
      if (gone.aborted) return setAnswer(id, turn, column, { ...emptyAnswer(model, asked.policy), state: "stopped" });
      await switchPolicy(model, asked.policy!);
      await runColumn(id, turn, column, asked, gone);
    }
  });
}

async function runColumn(
  id: string,
  turn: string,
  column: number,
  asked: edits.Asked,
  gone: AbortSignal,
): Promise<void> {
  const { settings, turns, side } = conversationOf(id).peek();
  const at = turns.findIndex((other) => other.id === turn);
  const body = chatBody(asked.model, settings, turns.slice(0, at), column);
  const company = side.kind === "policies" ? await withCompany(body, side.company) : null;
  try {
    await ask({
      body,
      answer: emptyAnswer(asked.model, asked.policy),
      signal: gone,
      onAnswer: (answer) => setAnswer(id, turn, column, answer),
    });
  } finally {
    company?.();
  }
}

function setAnswer(id: string, turn: string, column: number, answer: Answer): void {
  change(id, (before) => edits.withAnswer(before, turn, column, answer));
}

/** The body of the next request, for export: as if a message with this text were sent, or as the last one was. */
export function nextBody(id: string, text: string): Record<string, unknown> {
  const conversation = conversationOf(id).peek();
  const asked = text.trim() === "" ? conversation : edits.withMessage(conversation, "next", text);
  const last = asked.turns.findLastIndex(({ kind }) => kind !== "answer");
  return chatBody(modelOf(conversation) ?? "MODEL", conversation.settings, asked.turns.slice(0, last + 1), 0);
}
