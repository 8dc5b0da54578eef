/** A schema as a tree of rows that open level by level. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "../../ui/icon.tsx";
import type { Json } from "./openapi.ts";
import { Prose } from "./prose.tsx";
import { describe, partsOf, type SchemaPart } from "./schema.ts";

/** Deeper than this nobody reads on; it also ends schemas that hold themselves, when all is opened by hand. */
const MOST_DEPTH = 12;

/** The fields of a schema; a plain value is told in one line. */
export function SchemaTree({ document, schema }: { readonly document: Json; readonly schema: Json }): JSX.Element {
  const parts = partsOf(document, schema);
  const words = describe(document, schema);
  if (parts.length === 0) {
    return (
      <p class="small">
        <Words type={words.type} bounds={words.bounds} values={words.values} />{" "}
        <span class="soft">
          <Prose text={words.description} />
        </span>
      </p>
    );
  }
  return (
    <>
      {words.type === "object" ? null : <p class="soft small">{words.type}</p>}
      <Parts document={document} parts={parts} depth={0} />
    </>
  );
}

function Parts(props: {
  readonly document: Json;
  readonly parts: readonly SchemaPart[];
  readonly depth: number;
}): JSX.Element {
  const { document, parts, depth } = props;
  return (
    <ul class="api-tree">
      {parts.map((part, index) => (
        <Part key={`${part.name}.${index}`} document={document} part={part} depth={depth} />
      ))}
    </ul>
  );
}

function Part(props: { readonly document: Json; readonly part: SchemaPart; readonly depth: number }): JSX.Element {
  const { document, part, depth } = props;
  const [isOpen, setOpen] = useState(false);
  const words = describe(document, part.schema);
  const canOpen = depth < MOST_DEPTH && partsOf(document, part.schema).length > 0;
  const name = <code>{part.name}</code>;
  return (
    <li>
      <div class="api-field">
        {canOpen ? (
          <button type="button" class="api-open" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <Icon name={isOpen ? "down" : "right"} size={13} />
            {name}
          </button>
        ) : (
          <span class="api-plain">{name}</span>
        )}
        {part.isRequired ? <span class="api-required">required</span> : null}
        <Words type={words.type} bounds={words.bounds} values={words.values} />
      </div>
      {words.description === "" ? null : (
        <p class="api-about">
          <Prose text={words.description} />
        </p>
      )}
      {isOpen ? <Parts document={document} parts={partsOf(document, part.schema)} depth={depth + 1} /> : null}
    </li>
  );
}

function Words(props: {
  readonly type: string;
  readonly bounds: readonly string[];
  readonly values: readonly string[];
}): JSX.Element {
  const { type, bounds, values } = props;
  return (
    <span class="api-type">
      {values.length > 0 ? values.join(" or ") : type}
      {bounds.length === 0 ? "" : `, ${bounds.join(", ")}`}
    </span>
  );
}
