import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Cell, compareCells } from "../../../src/core/column.ts";
import { sortByColumn, sortRows } from "../../../src/core/sort.ts";
import { findColumn } from "../../../src/lenses/flows/columns.ts";
import { connection, udpFlow } from "../../support/connections.ts";

const rows = [
  connection({ key: 1, rateIn: 5, rateOut: 0 }),
  udpFlow({ key: 2, rateIn: 90, rateOut: 10 }),
  connection({ key: 3, rateIn: 5, rateOut: 0, owner: null, openedNs: 0 }),
  connection({ key: 4, rateIn: 7, rateOut: 0, local: { address: "9.0.0.1", port: 1 } }),
];

function keysBy(name: string | null, reverse = false): number[] {
  const column = name === null ? null : (findColumn(name) ?? null);
  return sortByColumn(rows, { column, reverse }, 5_000_000_000).map(({ key }) => key);
}

describe("order", () => {
  test("without a column is that of first sight", () => {
    expect(keysBy(null)).toEqual([1, 2, 3, 4]);
    expect(keysBy(null, true)).toEqual([4, 3, 2, 1]);
  });

  test("of quantities is largest first, equal ones by first sight", () => {
    expect(keysBy("rate")).toEqual([2, 4, 1, 3]);
    expect(keysBy("rate", true)).toEqual([1, 3, 4, 2]);
  });

  test("of names and ids is smallest first, unknown last both ways", () => {
    expect(keysBy("process")).toEqual([1, 4, 2, 3]);
    expect(keysBy("process", true)).toEqual([2, 1, 4, 3]);
    expect(keysBy("pid")).toEqual([2, 1, 4, 3]);
    expect(keysBy("rtt")).toEqual([1, 3, 4, 2]);
    expect(keysBy("rtt", true)).toEqual([1, 3, 4, 2]);
  });

  test("of addresses goes by number", () => {
    expect(keysBy("local")).toEqual([4, 2, 1, 3]);
  });

  test("of ages uses the time of the refresh", () => {
    expect(keysBy("age")).toEqual([3, 1, 2, 4]);
  });

  test("leaves its input alone", () => {
    keysBy("rate");
    expect(rows.map(({ key }) => key)).toEqual([1, 2, 3, 4]);
  });
});

test("endpoints sort by their numbers, IPv6 first, whatever else there is", () => {
  const endpoints = [
    { address: "10.0.0.9", port: 443 },
    { address: "9.255.255.255", port: 65_535 },
    { address: "2001:db8::a", port: 80 },
    { address: "10.0.0.9", port: 80 },
    { address: "10.0.0.10", port: 0 },
    { address: "2001:db8::9", port: 80 },
    { address: "10.0.0.9", port: 443 },
  ];
  const remotes = endpoints.map((remote, i) => connection({ key: i + 1, remote }));
  const sorted = sortByColumn(remotes, { column: findColumn("remote") ?? null, reverse: false }, 5e9);
  expect(sorted.map(({ key }) => key)).toEqual([6, 3, 2, 4, 1, 7, 5]);
});

const NUMBERS = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, 1, 2 ** 53 - 1, -(2 ** 31), 1e-9, Number.MAX_VALUE, -Number.MAX_VALUE),
);
const NAMES = fc.oneof(fc.ipV6(), fc.constantFrom("eth2", "eth10", "nginx", "-", "127.0.0.1:80"));

describe("any rows", () => {
  const isSortedAs = (cells: readonly Cell[], smallestFirst: boolean) => {
    const sign = smallestFirst ? 1 : -1;
    const rows = cells.map((cell, i) => ({ cell, i }));
    const expected = rows.toSorted((a, b) => {
      if (a.cell === null || b.cell === null) return compareCells(a.cell, b.cell) || a.i - b.i;
      return sign * compareCells(a.cell, b.cell) || a.i - b.i;
    });
    expect(sortRows(rows, ({ cell }) => cell, { smallestFirst })).toEqual(expected);
  };

  test("zero and negative zero are equal", () => {
    isSortedAs([-0, 0], false);
    isSortedAs([0, -0], true);
  });

  test("of numbers are in the order of their cells, equal ones in their own", () => {
    const cells = fc.array(fc.option(NUMBERS), { maxLength: 300 });
    fc.assert(fc.property(cells, fc.boolean(), isSortedAs));
  });

  test("of names too", () => {
    const cells = fc.array(fc.option(NAMES));
    fc.assert(fc.property(cells, fc.boolean(), isSortedAs));
  });
});
