/** A table of records: sorted by a click on a heading, rows that open, narrow screens scroll it sideways. */
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";

/** A column. */
export interface Column<T> {
  readonly key: string;
  readonly title: ComponentChildren;
  /** What a cell shows. */
  cell(row: T): ComponentChildren;
  /** What rows are sorted by; absent: this column does not sort. Null comes last either way. */
  readonly sortBy?: (row: T) => string | number | null;
  /** Figures stand at the right, under each other. */
  readonly isNumber?: boolean;
  /** Left out on narrow screens. */
  readonly isMinor?: boolean;
}

/** What rows are sorted by. */
export interface SortOrder {
  readonly key: string;
  readonly isDescending: boolean;
}

/** Rows in an order; equal ones keep theirs. */
export function sortRows<T>(rows: readonly T[], columns: readonly Column<T>[], order: SortOrder | null): readonly T[] {
  const sortBy = columns.find(({ key }) => key === order?.key)?.sortBy;
  if (order === null || sortBy === undefined) return rows;
  const sign = order.isDescending ? -1 : 1;
  return rows.toSorted((left, right) => {
    const [a, b] = [sortBy(left), sortBy(right)];
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  });
}

/** The table. `onOpen` makes rows open by click and Enter. */
export function Table<T>(props: {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly rowKey: (row: T) => string;
  readonly initialOrder?: SortOrder;
  readonly onOpen?: (row: T) => void;
  /** Shown in place of rows when there are none. */
  readonly empty?: ComponentChildren;
}): JSX.Element {
  const { caption, columns, rows, rowKey, initialOrder, empty } = props;
  const [order, setOrder] = useState<SortOrder | null>(initialOrder ?? null);
  const sorted = sortRows(rows, columns, order);
  const turn = (key: string): void => setOrder({ key, isDescending: order?.key === key ? !order.isDescending : false });
  return (
    <div class="table-scroll">
      <table class="table">
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <HeadCell key={column.key} column={column} order={order} onTurn={turn} />
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <Row key={rowKey(row)} row={row} columns={columns} onOpen={props.onOpen} />
          ))}
          {sorted.length > 0 || empty === undefined ? null : (
            <tr>
              <td colSpan={columns.length} class="soft">
                {empty}
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function cellClass<T>(column: Column<T>): string {
  return `${column.isNumber === true ? "number" : ""}${column.isMinor === true ? " minor" : ""}`;
}

function HeadCell<T>(props: {
  readonly column: Column<T>;
  readonly order: SortOrder | null;
  readonly onTurn: (key: string) => void;
}): JSX.Element {
  const { column, order, onTurn } = props;
  const isSorted = order?.key === column.key;
  const direction = !isSorted ? "none" : order.isDescending ? "descending" : "ascending";
  return (
    <th scope="col" class={cellClass(column)} aria-sort={column.sortBy === undefined ? undefined : direction}>
      {column.sortBy === undefined ? (
        column.title
      ) : (
        <button type="button" class="table-sort" onClick={() => onTurn(column.key)}>
          {column.title}
          <span aria-hidden="true">{isSorted ? (order.isDescending ? " ↓" : " ↑") : ""}</span>
        </button>
      )}
    </th>
  );
}

function Row<T>(props: {
  readonly row: T;
  readonly columns: readonly Column<T>[];
  readonly onOpen: ((row: T) => void) | undefined;
}): JSX.Element {
  const { row, columns, onOpen } = props;
  const cells = columns.map((column) => (
    <td key={column.key} class={cellClass(column)}>
      {column.cell(row)}
    </td>
  ));
  if (onOpen === undefined) return <tr>{cells}</tr>;
  return (
    <tr
      class="table-opens"
      tabIndex={0}
      onClick={() => onOpen(row)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.target !== event.currentTarget) return;
        event.preventDefault();
        onOpen(row);
      }}
    >
      {cells}
    </tr>
  );
}
