/** Where messages are written: Enter sends, Shift+Enter makes a line, Escape stops, ArrowUp in an empty one edits the last. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { formatMs } from "../../lib/format.ts";
import { addShortcuts } from "../../lib/shortcuts.ts";
import { IconButton } from "../../ui/button.tsx";
import { readTools } from "./request-body.ts";
import { isRunning, stop } from "./session.ts";
import type { ChatSettings, Conversation, ObjectiveSetting } from "./types.ts";

/** The composer of a conversation. */
export function Composer(props: {
  readonly conversation: Conversation;
  readonly text: string;
  readonly onText: (text: string) => void;
  /** Sends what has been written; false when there is nothing, or an answer is coming. */
  readonly onSend: () => boolean;
  readonly onEditLast: () => void;
  readonly onSettings: () => void;
}): JSX.Element {
  const { conversation, text, onText, onSend, onEditLast, onSettings } = props;
  const { id, settings } = conversation;
  const area = useRef<HTMLTextAreaElement>(null);
  const isBusy = isRunning(id);
  const send = (): void => {
    // At once: a text that came and went between two drawings changes no state, and would stay in sight.
    if (onSend()) area.current!.value = "";
  };
  useComposerKeys(id, area);
  useEffect(() => {
    // Somebody with a keyboard begins to type; on a phone it would cover the page.
    if (matchMedia("(pointer: fine)").matches) area.current!.focus();
  }, [id]);
  useEffect(() => {
    // As high as its text, up to the style's limit.
    const element = area.current!;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight + 2}px`;
  }, [text]);
  return (
    <div class="composer">
      <SettingBadges settings={settings} onSettings={onSettings} />
      <div class="composer-box">
        <textarea
          ref={area}
          id="composer"
          rows={1}
          aria-label="Message"
          placeholder="Write a message"
          value={text}
          onInput={(event) => onText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.isComposing) return;
            const isEmpty = event.currentTarget.value === "";
            if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey) send();
            else if (event.key === "ArrowUp" && isEmpty && !isBusy) onEditLast();
            else return;
            event.preventDefault();
          }}
        />
        {isBusy ? (
          <IconButton kind="plain" icon="stop" label="Stop (Escape)" onClick={() => stop(id)} />
        ) : (
          <IconButton kind="accent" icon="send" label="Send (Enter)" isDisabled={text.trim() === ""} onClick={send} />
        )}
      </div>
    </div>
  );
}

function useComposerKeys(id: string, area: { readonly current: HTMLTextAreaElement | null }): void {
  useEffect(
    () =>
      addShortcuts([
        {
          keys: "Escape",
          does: "Stop the answer, or leave the message",
          group: "Chat",
          whileTyping: true,
          run: () => (isRunning(id) ? stop(id) : area.current?.blur()),
        },
        { keys: "/", does: "To the message", group: "Chat", run: () => area.current?.focus() },
        { keys: "Enter", does: "Send", group: "Chat" },
        { keys: "Shift+Enter", does: "A new line", group: "Chat" },
        { keys: "ArrowUp", does: "Edit the last message, from an empty one", group: "Chat" },
      ]),
    [id],
  );
}

/** What differs from the defaults, so that nobody is surprised by a setting that is not in sight. */
export function settingBadges(settings: ChatSettings): readonly string[] {
  const badges: string[] = [];
  const { system, topP, maxTokens, seed, temperature, thinking, format } = settings;
  if (system.trim() !== "") badges.push("system prompt");
  if (temperature !== 0) badges.push(temperature === null ? "default temperature" : `temperature ${temperature}`);
  if (topP !== null) badges.push(`top p ${topP}`);
  if (maxTokens !== null) badges.push(`at most ${maxTokens} tokens`);
  if (seed !== null) badges.push(`seed ${seed}`);
  badges.push(...objectiveBadges(settings.objective));
  if (thinking.kind === "budget") badges.push(`thinking ${thinking.tokens} tokens`);
  if (thinking.kind === "effort") badges.push(`effort ${thinking.effort}`);
  const tools = readTools(settings.tools);
  if (tools !== null) badges.push("problem" in tools ? "tools with a mistake" : `tools ${tools.tools.length}`);
  if (format !== "text") badges.push(format === "json_schema" ? "JSON by schema" : "JSON");
  return badges;
}

const ON_MISS = { finish: "finish late", cut: "cut", reject: "refuse" } as const;

function objectiveBadges(objective: ObjectiveSetting): readonly string[] {
  if (objective.kind === "default") return [];
  if (objective.kind === "tier") return [`tier ${objective.tier}`];
  const { ttftMs, tpotMs, deadlineMs, onMiss } = objective;
  const parts: string[] = [];
  if (ttftMs !== null) parts.push(`first token ${formatMs(ttftMs)}`);
  if (tpotMs !== null) parts.push(`per token ${formatMs(tpotMs)}`);
  if (deadlineMs !== null) parts.push(`deadline ${formatMs(deadlineMs)}`);
  return parts.length === 0 ? ["best effort"] : [...parts, `else ${ON_MISS[onMiss]}`];
}

function SettingBadges(props: {
  readonly settings: ChatSettings;
  readonly onSettings: () => void;
}): JSX.Element | null {
  const badges = settingBadges(props.settings);
  if (badges.length === 0) return null;
  return (
    <button
      type="button"
      class="badges"
      onClick={props.onSettings}
      aria-label={`Settings in force: ${badges.join(", ")}`}
    >
      {badges.map((badge) => (
        <span key={badge}>{badge}</span>
      ))}
    </button>
  );
}
