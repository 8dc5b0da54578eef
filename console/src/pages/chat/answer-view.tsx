/** One column of an answer: what was thought, said and called, what went wrong, its timeline, and what can be done with it. */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { formatSpan } from "../../lib/format.ts";
import { formatRoute } from "../../lib/router.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { adviceOn } from "./advice.ts";
import { CallView } from "./calls-view.tsx";
import { CodeBlock, copyText, Markdown } from "./markdown-view.tsx";
import { readJson } from "./request-body.ts";
import { TimelineView } from "../../timeline/timeline-view.tsx";
import { shownAnswer, type Answer, type AnswerError, type Column } from "./types.ts";

/** What an answer's buttons do. */
export interface AnswerActions {
  readonly canRetry: boolean;
  readonly onRetry: () => void;
  readonly onShow: (version: number) => void;
}

/** A column of an answer. `heading` names who answers, where there are two. */
export function AnswerColumn(
  props: { readonly column: Column; readonly heading: string | null } & AnswerActions,
): JSX.Element {
  const { column, heading } = props;
  const answer = shownAnswer(column);
  const isComing = answer.state === "waiting" || answer.state === "streaming";
  return (
    <article class="answer" aria-busy={isComing}>
      {heading === null ? null : <h3 class="answer-heading">{heading}</h3>}
      <Thinking answer={answer} />
      {answer.content === "" ? null : <Content text={answer.content} />}
      {answer.calls.map((call, i) => (
        <CallView key={i} call={call} />
      ))}
      {isComing && answer.content === "" && answer.calls.length === 0 && answer.reasoning === "" ? <Waiting /> : null}
      {answer.error === null ? null : (
        <Failure error={answer.error} canRetry={props.canRetry} onRetry={props.onRetry} />
      )}
      <Ending answer={answer} />
      {answer.timeline === null ? null : <TimelineView timeline={answer.timeline} />}
      {isComing ? null : <Actions {...props} answer={answer} />}
    </article>
  );
}

/** An answer that is JSON as a whole reads best in order; anything else is markdown. */
function Content({ text }: { readonly text: string }): JSX.Element {
  const json = useMemo(() => jsonInOrder(text), [text]);
  return json === null ? <Markdown text={text} /> : <CodeBlock language="JSON" text={json} />;
}

function jsonInOrder(text: string): string | null {
  if (!/^\s*[{[]/.test(text)) return null;
  const read = readJson(text);
  return read !== null && "value" in read ? JSON.stringify(read.value, null, 2) : null;
}

function Waiting(): JSX.Element {
  return (
    <p class="waiting soft" role="status">
      <span class="unseen">Waiting for the first token</span>
      <i aria-hidden="true" />
      <i aria-hidden="true" />
      <i aria-hidden="true" />
    </p>
  );
}

/** Thinking that is short is read at once; long thinking opens on demand. */
const SHORT_CHARACTERS = 400;

function Thinking({ answer }: { readonly answer: Answer }): JSX.Element | null {
  const { reasoning, content, calls } = answer;
  if (reasoning === "") return null;
  const isOpen = reasoning.length <= SHORT_CHARACTERS || (content === "" && calls.length === 0);
  return (
    <details class="thinking" open={isOpen}>
      <summary>Thinking</summary>
      <div>{reasoning}</div>
    </details>
  );
}

/** Why an answer is shorter than it might be. */
function Ending({ answer }: { readonly answer: Answer }): JSX.Element | null {
  const isCutAtDeadline = answer.timeline?.state === "cut";
  const text =
    answer.state === "stopped"
      ? "Stopped."
      : isCutAtDeadline
        ? "The answer was cut at its deadline."
        : answer.finishReason === "length"
          ? "The answer reached its limit of tokens. Raise “longest answer” in the settings, or start a shorter conversation."
          : null;
  return text === null ? null : <p class="small soft">{text}</p>;
}

function Failure(props: {
  readonly error: AnswerError;
  readonly canRetry: boolean;
  readonly onRetry: () => void;
}): JSX.Element {
  const { error, canRetry, onRetry } = props;
  const { title, advice, retryInMs } = adviceOn(error);
  return (
    <div class="problem" role="alert">
      <strong>{title}</strong>
      <span>{advice}</span>
      {error.code === "unreachable" ? null : (
        <span class="small soft">
          The server said: {error.message}
          {error.param === null ? "" : ` (${error.param})`}
        </span>
      )}
      {retryInMs === null || !canRetry ? null : (
        <div>
          <RetryButton waitMs={retryInMs} onRetry={onRetry} />
        </div>
      )}
    </div>
  );
}

/** Counts the time down that the server asked for. */
function RetryButton({ waitMs, onRetry }: { readonly waitMs: number; readonly onRetry: () => void }): JSX.Element {
  const [seconds, setSeconds] = useState(Math.ceil(waitMs / 1000));
  useEffect(() => {
    if (seconds <= 0) return undefined;
    const timer = setTimeout(() => setSeconds(seconds - 1), 1000);
    return () => clearTimeout(timer);
  }, [seconds]);
  return (
    <Button isSmall icon="retry" isDisabled={seconds > 0} onClick={onRetry}>
      {seconds > 0 ? `Try again in ${formatSpan(seconds * 1000)}` : "Try again"}
    </Button>
  );
}

function Actions(props: { readonly column: Column; readonly answer: Answer } & AnswerActions): JSX.Element {
  const { column, answer, canRetry, onRetry, onShow } = props;
  const { versions, shown } = column;
  return (
    <div class="answer-actions">
      {answer.content === "" ? null : (
        <IconButton icon="copy" label="Copy the answer" isSmall onClick={() => void copyText(answer.content)} />
      )}
      {canRetry ? <IconButton icon="retry" label="Another answer" isSmall onClick={onRetry} /> : null}
      {versions.length < 2 ? null : (
        <span class="row small soft numbers">
          <IconButton
            icon="left"
            label="The try before"
            isSmall
            isDisabled={shown === 0}
            onClick={() => onShow(shown - 1)}
          />
          {shown + 1} of {versions.length}
          <IconButton
            icon="right"
            label="The next try"
            isSmall
            isDisabled={shown === versions.length - 1}
            onClick={() => onShow(shown + 1)}
          />
        </span>
      )}
      {answer.requestId === null ? null : (
        <a
          class="request-id small mono"
          href={formatRoute("deadlines", [answer.requestId])}
          title="This request on the Deadlines page; the same id stands in the server's log"
        >
          {answer.requestId}
        </a>
      )}
    </div>
  );
}
