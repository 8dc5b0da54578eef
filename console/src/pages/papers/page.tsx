/**
 * The Papers page: one row for each paper behind the server, and behind a row its claim. All of it is what GET
 * /admin/papers says, which is drawn from what was measured: nothing here knows a figure.
 */
import { signal } from "@preact/signals";
import type { PapersBody, PaperState, PaperVerb } from "@protocol";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import "./papers.css";
import { ApiError, getJson } from "../../lib/api.ts";
import { countOf } from "../../lib/format.ts";
import { formatRoute, navigate, route } from "../../lib/router.ts";
import { addShortcuts } from "../../lib/shortcuts.ts";
import { Button } from "../../ui/button.tsx";
import { Icon } from "../../ui/icon.tsx";
import { PageHead, Problem } from "../../ui/page-head.tsx";
import { Table, type Column } from "../../ui/table.tsx";
import { ClaimView } from "./claim.tsx";
import { StateMark } from "./mark.tsx";
import {
  countStates,
  figure,
  filterPapers,
  findOwn,
  findPaper,
  monthText,
  STATE_TEXT,
  STATES,
  VERBS,
  type Claim,
  type Paper,
  type PaperFilter,
} from "./rows.ts";

const rows = signal<PapersBody | null>(null);
const failure = signal<string | null>(null);
const filter = signal<PaperFilter>({ text: "", state: null, verb: null });

async function load(): Promise<void> {
  failure.value = null;
  try {
    rows.value = await getJson<PapersBody>("/admin/papers");
  } catch (error) {
    failure.value = error instanceof ApiError ? error.message : "The answer could not be read.";
  }
}

/** The page. */
export function Page(): JSX.Element {
  useEffect(() => void load(), []);
  const body = rows.value;
  if (body === null) {
    return (
      <div class="page-column">
        <PageHead title="Papers" lead={failure.value === null ? "Loading…" : undefined} />
        {failure.value === null ? null : (
          <Problem title="The papers could not be loaded.">
            <p>{failure.value}</p>
            <Button isSmall onClick={() => void load()}>
              Try again
            </Button>
          </Problem>
        )}
      </div>
    );
  }
  const [number, id] = route.value.path;
  const paper = findPaper(body, number);
  const own = number === "own" ? findOwn(body, id) : null;
  if (paper !== null) return <PaperView key={paper.number} paper={paper} />;
  if (own !== null) return <OwnView key={own.id} claim={own} />;
  return <List body={body} />;
}

function List({ body }: { readonly body: PapersBody }): JSX.Element {
  const { papers, own } = body;
  const shown = filterPapers(papers, filter.value);
  const change = (part: Partial<PaperFilter>): void => void (filter.value = { ...filter.value, ...part });
  return (
    <div class="page-column pp-page">
      <PageHead
        title="Papers"
        lead={`The ${papers.length} papers behind this server, and what was measured of each.`}
      />
      <div class="pp-controls">
        <Search />
        <States papers={papers} chosen={filter.value.state} onChoose={(state) => change({ state })} />
        <Verbs chosen={filter.value.verb} onChoose={(verb) => change({ verb })} />
      </div>
      <div role="status" class="unseen">
        {countOf(shown.length, "paper")}
      </div>
      <Table
        caption="Papers"
        columns={COLUMNS}
        rows={shown}
        rowKey={({ number }) => number}
        initialOrder={{ key: "state", isDescending: false }}
        onOpen={({ number }) => navigate("papers", [number])}
        empty="No paper has all of these words."
      />
      <section class="stack">
        <h2>Claims of our own</h2>
        <p class="soft small">What no paper says and this server stands for.</p>
        <Table
          caption="Claims of our own"
          columns={OWN_COLUMNS}
          rows={own}
          rowKey={({ id }) => id}
          onOpen={({ id }) => navigate("papers", ["own", id])}
        />
      </section>
    </div>
  );
}

function Search(): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  useEffect(
    () => addShortcuts([{ keys: "/", does: "Search the papers", group: "Papers", run: () => input.current?.focus() }]),
    [],
  );
  return (
    <div class="pp-search">
      <Icon name="search" size={16} />
      <label class="unseen" for="pp-search">
        Search
      </label>
      <input
        id="pp-search"
        ref={input}
        class="input"
        type="search"
        placeholder="Search titles, sentences, modules"
        value={filter.value.text}
        onInput={(event) => (filter.value = { ...filter.value, text: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

function States(props: {
  readonly papers: readonly Paper[];
  readonly chosen: PaperState | null;
  readonly onChoose: (state: PaperState | null) => void;
}): JSX.Element {
  const counts = countStates(props.papers);
  return (
    <div class="pp-chips" role="group" aria-label="State">
      {STATES.map((state) => (
        <button
          key={state}
          type="button"
          class="pp-chip"
          aria-pressed={props.chosen === state}
          onClick={() => props.onChoose(props.chosen === state ? null : state)}
        >
          {STATE_TEXT[state]} <span class="numbers">{counts[state]}</span>
        </button>
      ))}
    </div>
  );
}

function Verbs(props: {
  readonly chosen: PaperVerb | null;
  readonly onChoose: (verb: PaperVerb | null) => void;
}): JSX.Element {
  return (
    <label class="pp-verbs">
      <span class="soft small">Command</span>
      <select
        class="input"
        value={props.chosen ?? ""}
        onChange={(event) => props.onChoose(VERBS.find((verb) => verb === event.currentTarget.value) ?? null)}
      >
        <option value="">all</option>
        {VERBS.map((verb) => (
          <option key={verb} value={verb}>
            {verb}
          </option>
        ))}
      </select>
    </label>
  );
}

const COLUMNS: readonly Column<Paper>[] = [
  {
    key: "number",
    title: "No.",
    cell: ({ number }) => <span class="soft numbers">{number}</span>,
    sortBy: ({ number }) => number,
  },
  {
    key: "title",
    title: "Paper",
    sortBy: ({ title }) => title,
    cell: ({ number, title, speedsUp }) => (
      <div class="pp-title">
        <a href={formatRoute("papers", [number])}>{title}</a>
        <span class="soft">{speedsUp}</span>
      </div>
    ),
  },
  {
    key: "verb",
    title: "Command, module",
    isMinor: true,
    sortBy: ({ verb, module }) => `${verb} ${module}`,
    cell: ({ verb, module }) => (
      <div class="pp-where">
        {verb}
        <span class="soft mono">{module}</span>
      </div>
    ),
  },
  {
    key: "date",
    title: "Date",
    isMinor: true,
    sortBy: ({ date }) => date,
    cell: ({ date }) => <span class="pp-date">{monthText(date)}</span>,
  },
  {
    key: "ratio",
    title: "Measured",
    isNumber: true,
    sortBy: ({ ratio }) => ratio?.value ?? null,
    cell: ({ ratio }) =>
      ratio === null ? (
        <span class="soft">–</span>
      ) : (
        <span title={ratio.metric}>
          {figure(ratio.value)}×{ratio.target === null ? null : <span class="pp-of">of {figure(ratio.target)}×</span>}
        </span>
      ),
  },
  {
    key: "state",
    title: "State",
    sortBy: ({ state }) => STATES.indexOf(state),
    cell: ({ state }) => <StateMark state={state} />,
  },
];

const OWN_COLUMNS: readonly Column<Claim>[] = [
  {
    key: "headline",
    title: "Claim",
    sortBy: ({ headline }) => headline,
    cell: ({ id, headline }) => (
      <div class="pp-title">
        <a href={formatRoute("papers", ["own", id])}>{headline}</a>
        <span class="soft mono">{id}</span>
      </div>
    ),
  },
  {
    key: "state",
    title: "State",
    sortBy: ({ state }) => STATES.indexOf(state),
    cell: ({ state }) => <StateMark state={state} />,
  },
];

function BackLink(): JSX.Element {
  useEffect(
    () =>
      addShortcuts([{ keys: "Escape", does: "Back to all papers", group: "Papers", run: () => navigate("papers") }]),
    [],
  );
  return (
    <a class="pp-back" href={formatRoute("papers")}>
      ← All papers
    </a>
  );
}

function PaperView({ paper }: { readonly paper: Paper }): JSX.Element {
  const { number, title, date, arxiv, speedsUp, verb, module, state, claims } = paper;
  return (
    <div class="page-column pp-page">
      <header class="stack pp-head">
        <BackLink />
        <h1>{title}</h1>
        <p class="pp-lead">{speedsUp}</p>
        <div class="pp-meta">
          <span>No. {number}</span>
          <span>{monthText(date)}</span>
          {arxiv === null ? null : <span>arXiv {arxiv}</span>}
          <span>
            <code>punctual {verb}</code>
          </span>
          <span class="mono">{module}</span>
          <StateMark state={state} />
        </div>
      </header>
      {claims.length === 0 ? (
        <p class="soft">
          Not built yet. It will live in {module} and be used by punctual {verb}; nothing is claimed before it is
          measured.
        </p>
      ) : (
        claims.map((claim) => <ClaimView key={claim.id} claim={claim} />)
      )}
    </div>
  );
}

function OwnView({ claim }: { readonly claim: Claim }): JSX.Element {
  return (
    <div class="page-column pp-page">
      <BackLink />
      <ClaimView claim={claim} />
    </div>
  );
}
