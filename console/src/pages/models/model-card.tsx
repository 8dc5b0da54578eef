/** One model: what it is, how it stands, what it can and cannot do, and how well, on items that it has not seen. */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { AdminModel, HeldOutScore } from "@protocol";
import { formatBytes, formatNumber, formatShare, formatShort } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Facts, type Fact } from "../../ui/facts.tsx";
import { cardSections, type CardSection } from "./card.ts";
import { busy, change } from "./models-store.ts";

const STATE_WORDS: Readonly<Record<AdminModel["state"], string>> = {
  loaded: "loaded",
  unloaded: "not loaded",
  loading: "loading…",
  draining: "finishing its requests…",
  unloading: "unloading…",
};

/** What was asked for here counts before the server has begun it. */
function stateWords({ id, state }: AdminModel): string {
  const asked = busy.value.get(id);
  if (asked === "unload" && state === "loaded") return STATE_WORDS.draining;
  if (asked === "load" && state === "unloaded") return STATE_WORDS.loading;
  return STATE_WORDS[state];
}

/** The card. */
export function ModelCard({ model }: { readonly model: AdminModel }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const sections = useMemo(() => wantedSections(model.card), [model.card]);
  const hasMore = sections.length > 0 || model.scores.length > 0;
  return (
    <article class="card models-card" aria-labelledby={`model-${model.id}`}>
      <header class="row">
        <h2 id={`model-${model.id}`}>{model.id}</h2>
        <span class={`models-state models-state-${model.state}`}>{stateWords(model)}</span>
        {model.waiting > 0 ? <span class="soft small">{formatNumber(model.waiting)} requests wait for it</span> : null}
        <span class="spread" />
        <Actions model={model} />
      </header>
      {model.about === null ? null : <p class="models-about">{model.about}</p>}
      <ModelFacts model={model} />
      <Abilities model={model} />
      {hasMore ? (
        <div>
          <button type="button" class="models-more" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <Icon name={isOpen ? "down" : "right"} size={14} />
            What it can and cannot do
          </button>
        </div>
      ) : null}
      {isOpen ? (
        <div class="models-details">
          {model.scores.length === 0 ? null : <Scores scores={model.scores} />}
          {sections.length === 0 ? null : (
            <div class="stack">
              {sections.map((section) => (
                <Section key={section.title} section={section} />
              ))}
            </div>
          )}
        </div>
      ) : null}
    </article>
  );
}

function Actions({ model }: { readonly model: AdminModel }): JSX.Element | null {
  if (!model.managed) return null;
  const { id, state } = model;
  const isBusy = busy.value.has(id) || (state !== "loaded" && state !== "unloaded");
  if (isBusy) return <progress class="models-busy" aria-label={`${id}: ${stateWords(model)}`} />;
  return state === "loaded" ? (
    <Button isSmall onClick={() => void change(id, "unload")}>
      Unload
    </Button>
  ) : (
    <Button isSmall kind="accent" onClick={() => void change(id, "load")}>
      Load
    </Button>
  );
}

function ModelFacts({ model }: { readonly model: AdminModel }): JSX.Element {
  const facts: readonly Fact[] = [
    ["Parameters", formatShort(model.parameters)],
    ["Shape", `${model.layers} layers, ${formatNumber(model.hidden)} wide`],
    ["Vocabulary", formatNumber(model.vocabulary)],
    ["Context", `${formatNumber(model.contextTokens)} tokens`],
    ["Weights", model.weights],
    ["Memory", model.memoryBytes === null ? "not estimated" : formatBytes(model.memoryBytes)],
    ["On disk", formatBytes(model.diskBytes)],
    ["KV cache", `${formatNumber(model.kvTokens)} tokens`],
    ["Threads", formatNumber(model.threads)],
    ["Policy", model.policy],
  ];
  return <Facts class="models-facts" facts={facts} />;
}

const ABILITIES: readonly (readonly [keyof AdminModel["capabilities"], string])[] = [
  ["chat", "chat"],
  ["completions", "completions"],
  ["tools", "tools"],
  ["schema", "JSON schema"],
  ["thinking", "thinking"],
  ["embeddings", "embeddings"],
];

function Abilities({ model: { capabilities } }: { readonly model: AdminModel }): JSX.Element {
  return (
    <ul class="models-abilities" aria-label="Interfaces">
      {ABILITIES.map(([key, words]) => (
        <li key={key} class={capabilities[key] ? undefined : "models-cannot"}>
          <Icon name={capabilities[key] ? "check" : "close"} size={13} />
          <span class="unseen">{capabilities[key] ? "has" : "has no"} </span>
          {words}
        </li>
      ))}
    </ul>
  );
}

/** Held-out scores, best first; the bar shows the share, the thin line its interval. */
function Scores({ scores }: { readonly scores: readonly HeldOutScore[] }): JSX.Element {
  const sorted = scores.toSorted((a, b) => b.share - a.share);
  return (
    <div class="table-scroll">
      <table class="table models-scores">
        <caption>Right answers on held-out items, greedy, with 95% intervals</caption>
        <thead>
          <tr>
            <th scope="col">Skill</th>
            <th scope="col" class="number">
              Right
            </th>
            <th scope="col">
              <span class="unseen">As a bar</span>
            </th>
            <th scope="col" class="number">
              Interval
            </th>
            <th scope="col" class="number minor">
              Items
            </th>
          </tr>
        </thead>
        <tbody>
          {sorted.map((score) => (
            <ScoreRow key={score.name} score={score} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ScoreRow({ score: { name, share, interval95, items } }: { readonly score: HeldOutScore }): JSX.Element {
  const [low, high] = interval95;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td class="number">{formatShare(share)}</td>
      <td class="models-bar-cell">
        <span class="models-bar" aria-hidden="true">
          <i style={{ width: `${share * 100}%` }} />
          <b style={{ left: `${low * 100}%`, width: `${(high - low) * 100}%` }} />
        </span>
      </td>
      <td class="number soft">
        {(low * 100).toFixed(1)} to {formatShare(high)}
      </td>
      <td class="number soft minor">{formatNumber(items)}</td>
    </tr>
  );
}

/** Items of a section that are shown at once. */
const SHOWN_ITEMS = 8;

function Section({ section }: { readonly section: CardSection }): JSX.Element {
  const [isLong, setLong] = useState(false);
  const paragraphs = section.lines.filter(({ kind }) => kind === "paragraph");
  const items = section.lines.filter(({ kind }) => kind === "item");
  const shown = isLong ? items : items.slice(0, SHOWN_ITEMS);
  return (
    <section>
      <h3>{section.title}</h3>
      {paragraphs.map(({ text }, index) => (
        <p key={index}>{text}</p>
      ))}
      {shown.length === 0 ? null : (
        <ul>
          {shown.map(({ text }, index) => (
            <li key={index}>{text}</li>
          ))}
        </ul>
      )}
      {items.length > SHOWN_ITEMS ? (
        <button type="button" class="link small" onClick={() => setLong(!isLong)}>
          {isLong ? "Show fewer" : `Show all ${items.length}`}
        </button>
      ) : null}
    </section>
  );
}

/** Of our cards, what it can and cannot do; of others, the first sections with text. */
function wantedSections(card: string | null): readonly CardSection[] {
  if (card === null) return [];
  const all = cardSections(card).filter(({ title }) => title !== "");
  const told = all.filter(({ title }) => /^what it can/i.test(title));
  return told.length > 0 ? told : all.slice(0, 4);
}
