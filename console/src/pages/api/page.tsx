/**
 * The API page: the server's OpenAPI document, read and tried out. Routes at the left, the chosen one at the right: what
 * it takes, what it answers, and a form that sends it. The document comes from the server that is asked.
 */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import "./api.css";
import { addressOf, ApiError, getJson } from "../../lib/api.ts";
import { apiKey } from "../../lib/key.ts";
import { formatRoute, route } from "../../lib/router.ts";
import { addShortcuts } from "../../lib/shortcuts.ts";
import { Button } from "../../ui/button.tsx";
import { TextInput } from "../../ui/field.tsx";
import { PageHead, Problem } from "../../ui/page-head.tsx";
import { Method } from "./method.tsx";
import { readApi, searchApi, type Api, type Group, type Operation } from "./openapi.ts";
import { OperationView } from "./operation.tsx";

/** Asked for once; the document does not change while a server runs. */
const api = signal<Api | null>(null);
const problem = signal<string | null>(null);
/** Names of models, for examples; empty when the server does not tell. */
const models = signal<readonly string[]>([]);

async function load(): Promise<void> {
  problem.value = null;
  try {
    api.value = readApi(await getJson<unknown>("/openapi.json"));
    const { data } = await getJson<{ readonly data: readonly { readonly id: string }[] }>("/v1/models");
    models.value = data.map(({ id }) => id);
  } catch (error) {
    if (api.value === null)
      problem.value = error instanceof ApiError ? error.message : "The document could not be read.";
  }
}

/** The page. */
export function Page(): JSX.Element {
  const key = apiKey.value;
  useEffect(() => {
    if (api.peek() === null) void load();
  }, [key]);
  useEffect(
    () =>
      addShortcuts([
        {
          keys: "/",
          does: "Search the routes",
          group: "API",
          run: () => document.querySelector<HTMLInputElement>(".api-search input")?.focus(),
        },
      ]),
    [],
  );
  const document_ = api.value;
  return (
    <div class="page-column api-page">
      <PageHead title="API" lead="Every route of this server, as the schemas describe it that check what you send.">
        <a class="button" href={addressOf("/openapi.json")} target="_blank" rel="noreferrer">
          openapi.json
        </a>
      </PageHead>
      {problem.value === null ? null : (
        <Problem title="The server's description could not be had.">
          <p>{problem.value}</p>
          <Button isSmall onClick={() => void load()}>
            Try again
          </Button>
        </Problem>
      )}
      {document_ === null ? (
        problem.value === null ? (
          <p class="soft">Reading the document…</p>
        ) : null
      ) : (
        <Browser api={document_} />
      )}
    </div>
  );
}

/** An operation's place in the address: method and path without what an address cannot hold plainly. */
function slugOf({ method, path }: Operation): readonly string[] {
  return [method.toLowerCase(), ...path.split("/").filter(Boolean)];
}

const FIRST = "POST /v1/chat/completions";

function Browser({ api: shown }: { readonly api: Api }): JSX.Element {
  const [query, setQuery] = useState("");
  const groups = useMemo(() => searchApi(shown.groups, query), [shown, query]);
  const all = useMemo(() => shown.groups.flatMap(({ operations }) => operations), [shown]);
  const wanted = route.value.path.join("/");
  const chosen =
    all.find((operation) => slugOf(operation).join("/") === wanted) ??
    all.find(({ id }) => id === FIRST) ??
    all[0] ??
    null;
  return (
    <div class="api-columns">
      <div class="api-side">
        <div class="api-search">
          <TextInput
            label="Search the routes"
            isLabelHidden
            placeholder="Search the routes"
            value={query}
            onInput={setQuery}
          />
        </div>
        <nav aria-label="Routes" class="api-nav">
          {groups.map((group) => (
            <Routes key={group.name} group={group} chosen={chosen} />
          ))}
          {groups.length === 0 ? <p class="soft small">No route has these words.</p> : null}
        </nav>
      </div>
      {chosen === null ? null : <OperationView key={chosen.id} api={shown} operation={chosen} models={models.value} />}
    </div>
  );
}

function Routes({ group, chosen }: { readonly group: Group; readonly chosen: Operation | null }): JSX.Element {
  return (
    <section>
      <h2 title={group.description}>{group.name}</h2>
      <ul>
        {group.operations.map((operation) => (
          <li key={operation.id}>
            <a
              href={formatRoute("api", slugOf(operation))}
              aria-current={operation === chosen ? "true" : undefined}
              title={operation.summary}
            >
              <Method name={operation.method} />
              <span class="mono">{operation.path}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
