/** One route: what it is for, a form that sends it, what it takes and what it answers. */
import type { JSX } from "preact";
import { Method } from "./method.tsx";
import { STREAM_TYPE, type Api, type Operation } from "./openapi.ts";
import { Prose } from "./prose.tsx";
import { SchemaTree } from "./schema-tree.tsx";
import { TryIt } from "./try-it.tsx";

/** The route. `models` are the names that examples may use. */
export function OperationView(props: {
  readonly api: Api;
  readonly operation: Operation;
  readonly models: readonly string[];
}): JSX.Element {
  const { api, operation } = props;
  return (
    <article class="api-operation">
      <header class="stack">
        <h2 class="api-title">
          <Method name={operation.method} />
          <span class="mono">{operation.path}</span>
        </h2>
        {operation.summary === "" ? null : <p>{operation.summary}</p>}
        {operation.description === "" ? null : (
          <p class="soft">
            <Prose text={operation.description} />
          </p>
        )}
        {operation.needsKey || !api.asksForKeys ? null : <p class="soft small">Answered without a key.</p>}
      </header>
      <TryIt {...props} />
      {operation.body === null ? null : (
        <section class="card stack" aria-label="Body">
          <h3>Body {operation.body.isRequired ? null : <span class="soft">(optional)</span>}</h3>
          <SchemaTree document={api.document} schema={operation.body.schema} />
        </section>
      )}
      <Answers api={api} operation={operation} />
    </article>
  );
}

function Answers({ api, operation }: { readonly api: Api; readonly operation: Operation }): JSX.Element | null {
  if (operation.answers.length === 0) return null;
  return (
    <section class="card stack" aria-label="Answers">
      <h3>Answers</h3>
      {operation.answers.map(({ status, description, media }) => (
        <details key={status} class="api-answer">
          <summary>
            <code>{status}</code> <Prose text={description} />
          </summary>
          {media.length === 0 ? <p class="soft small">Without a body.</p> : null}
          {media.map(({ type, schema }) => (
            <div key={type}>
              <p class="soft small">{type === STREAM_TYPE ? `${type}, each event's data` : type}</p>
              {schema === undefined ? null : <SchemaTree document={api.document} schema={schema} />}
            </div>
          ))}
        </details>
      ))}
    </section>
  );
}
