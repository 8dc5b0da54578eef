import { expect, test } from "vitest";
import { readNumber } from "./field.tsx";
import { sortRows, type Column } from "./table.tsx";

test("numbers within bounds, or what is wrong with them", () => {
  const bounds = { min: 1, max: 10, isWhole: true };
  expect(readNumber(" 7 ", bounds)).toEqual({ value: 7 });
  expect(readNumber("", bounds)).toEqual({ value: null });
  expect(readNumber("1,000", { max: 2000 })).toEqual({ value: 1000 });
  for (const text of ["x", "0", "11", "1.5", "Infinity", "1e999"])
    expect(readNumber(text, bounds)).toHaveProperty("problem");
});

test("rows in order, unknown values last either way, equal ones as they were", () => {
  interface Row {
    readonly name: string;
    readonly size: number | null;
  }
  const rows: Row[] = [
    { name: "b", size: 2 },
    { name: "a", size: null },
    { name: "a10", size: 1 },
    { name: "a2", size: 2 },
  ];
  const columns: Column<Row>[] = [
    { key: "name", title: "Name", cell: ({ name }) => name, sortBy: ({ name }) => name },
    { key: "size", title: "Size", cell: ({ size }) => size, sortBy: ({ size }) => size },
    { key: "none", title: "None", cell: () => "" },
  ];
  const names = (key: string, isDescending: boolean): string[] =>
    sortRows(rows, columns, { key, isDescending }).map(({ name }) => name);
  expect(names("name", false)).toEqual(["a", "a2", "a10", "b"]);
  expect(names("size", false)).toEqual(["a10", "b", "a2", "a"]);
  expect(names("size", true)).toEqual(["b", "a2", "a10", "a"]);
  expect(names("none", true)).toEqual(["b", "a", "a10", "a2"]);
  expect(sortRows(rows, columns, null)).toBe(rows);
});
