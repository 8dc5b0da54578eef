/** Markdown as elements. Only what the tree knows is made: nothing of the model's text ever becomes HTML by itself. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { toast } from "../../ui/toast.tsx";
import { IconButton } from "../../ui/button.tsx";
import { parseMarkdown, type Block } from "./markdown.ts";
import type { Inline } from "./markdown-inline.ts";

/** A text of a model. */
export function Markdown({ text }: { readonly text: string }): JSX.Element {
  const blocks = useMemo(() => parseMarkdown(text).map(blockView), [text]);
  return <div class="markdown">{blocks}</div>;
}

function blockView(block: Block, key: number): JSX.Element {
  switch (block.kind) {
    case "paragraph":
      return <p key={key}>{block.children.map(inlineView)}</p>;
    case "heading": {
      // The page has its own first and second level.
      const Heading = (["h3", "h3", "h4", "h5", "h6", "h6"] as const)[block.level - 1]!;
      return <Heading key={key}>{block.children.map(inlineView)}</Heading>;
    }
    case "code":
      return <CodeBlock key={key} language={block.language} text={block.text} />;
    case "quote":
      return <blockquote key={key}>{block.children.map(blockView)}</blockquote>;
    case "list": {
      const items = block.items.map((item, i) => (
        <li key={i}>{item.length === 1 ? looseItem(item[0]!) : item.map(blockView)}</li>
      ));
      return block.start === null ? (
        <ul key={key}>{items}</ul>
      ) : (
        <ol key={key} start={block.start}>
          {items}
        </ol>
      );
    }
    case "table":
      return <TableView key={key} table={block} />;
    case "rule":
      return <hr key={key} />;
    default:
      return block satisfies never;
  }
}

/** An item of one paragraph is a line, not a paragraph in a line. */
function looseItem(block: Block): JSX.Element | JSX.Element[] {
  return block.kind === "paragraph" ? block.children.map(inlineView) : blockView(block, 0);
}

function TableView({ table }: { readonly table: Extract<Block, { kind: "table" }> }): JSX.Element {
  const { head, rows, align } = table;
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            {head.map((cell, i) => (
              <th key={i} scope="col" style={{ textAlign: align[i] }}>
                {cell.map(inlineView)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, r) => (
            <tr key={r}>
              {row.map((cell, i) => (
                <td key={i} style={{ textAlign: align[i] }}>
                  {cell.map(inlineView)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inlineView(piece: Inline, key: number): JSX.Element {
  switch (piece.kind) {
    case "text":
      return <span key={key}>{piece.text}</span>;
    case "code":
      return <code key={key}>{piece.text}</code>;
    case "break":
      return <br key={key} />;
    case "strong":
      return <strong key={key}>{piece.children.map(inlineView)}</strong>;
    case "emphasis":
      return <em key={key}>{piece.children.map(inlineView)}</em>;
    case "strike":
      return <s key={key}>{piece.children.map(inlineView)}</s>;
    case "link":
      return (
        <a key={key} href={piece.href} target="_blank" rel="noreferrer noopener">
          {piece.children.map(inlineView)}
        </a>
      );
    default:
      return piece satisfies never;
  }
}

/** Code with a button that copies it. */
export function CodeBlock({ language, text }: { readonly language: string; readonly text: string }): JSX.Element {
  return (
    <div class="code-block">
      <div class="code-head">
        <span>{language}</span>
        <IconButton icon="copy" label="Copy the code" isSmall onClick={() => void copyText(text)} />
      </div>
      {/* It scrolls sideways, and a keyboard must be able to. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  );
}

/** Copies a text, and says so. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser does not let this page copy. Select the text instead.", { isBad: true });
  }
}
