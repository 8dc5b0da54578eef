/** An answer as it comes in: how it stands, what a stream says, the body, the headers. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { formatMs, formatNumber } from "../../lib/format.ts";
import { laidOut } from "./answer.ts";
import type { ShownAnswer } from "./sender.ts";

/** The answer; nothing before there is one. */
export function AnswerView({ answer }: { readonly answer: ShownAnswer | null }): JSX.Element | null {
  if (answer === null) return null;
  return (
    <section class="stack api-result" aria-label="Answer">
      <Status answer={answer} />
      {answer.problem === null ? null : <p class="bad small">{answer.problem}</p>}
      {answer.said.text === "" ? null : (
        <div>
          <h3>It says</h3>
          <p class="api-said">{answer.said.text}</p>
        </div>
      )}
      {answer.body.text === "" ? null : <Body answer={answer} />}
      {answer.headers.length === 0 ? null : (
        <details>
          <summary>Headers</summary>
          <pre class="api-text">{answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n")}</pre>
        </details>
      )}
    </section>
  );
}

function Status({ answer }: { readonly answer: ShownAnswer }): JSX.Element | null {
  const { status, statusText, headMs, endMs } = answer;
  if (status === 0) return null;
  const isGood = status < 400;
  return (
    <p class="row numbers" role="status">
      <strong class={isGood ? "api-good" : "bad"}>
        {status} {statusText}
      </strong>
      <span class="soft small">
        headers after {formatMs(headMs)}
        {endMs === null ? ", the body is coming…" : `, complete after ${formatMs(endMs)}`}
      </span>
    </p>
  );
}

function Body({ answer }: { readonly answer: ShownAnswer }): JSX.Element {
  const { body, isStream, endMs } = answer;
  const text = useMemo(
    () => (isStream || endMs === null ? body.text : laidOut(body.text)),
    [body.text, isStream, endMs],
  );
  return (
    <div>
      <h3>{isStream ? "Events" : "Body"}</h3>
      {/* A long body scrolls, and what scrolls must be reachable by keyboard. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre class="api-text" tabIndex={0}>
        {text}
      </pre>
      {body.omitted > 0 ? <p class="soft small">{formatNumber(body.omitted)} more characters are not shown.</p> : null}
    </div>
  );
}
