/** What every view of flows has to keep. */
import { describe, expect, test } from "vitest";
import { flowViews } from "../../../../../src/lenses/flows/views/views.ts";
import { connection, udpFlow } from "../../../../support/connections.ts";

const VIEWS = flowViews(null);
const ITEMS = [connection({ key: 1 }), udpFlow({ key: 2 }), connection({ key: 3, owner: null })];
const NOW_NS = 5e9;
const ORDER = { key: "rate", reverse: false };
const SCALE = { style: "human", nowNs: NOW_NS, describe: () => null } as const;

test("each view has an id and a title of its own", () => {
  expect(new Set(VIEWS.map(({ id }) => id)).size).toBe(VIEWS.length);
  expect(new Set(VIEWS.map(({ title }) => title)).size).toBe(VIEWS.length);
});

describe.each(VIEWS.map((view) => [view.id, view] as const))("%s", (_, view) => {
  const folded = view.list(ITEMS, NOW_NS, { order: ORDER, frozen: null, isUnfolded: () => false });
  const list = view.list(ITEMS, NOW_NS, { order: ORDER, frozen: null, isUnfolded: () => true });
  const columns = (["rates", "totals"] as const).flatMap((numbers) =>
    view.columns(list, { isWide: true, numbers, style: "human" }),
  );

  test("shows every item once, under its group where there are groups", () => {
    const items = list.rows.flatMap((row) => view.itemOf(row) ?? []);
    expect(items.map(({ key }) => key).sort()).toEqual([1, 2, 3]);
    expect(list.rows.length - items.length).toBe(list.groups);
    expect(list.groups > 0).toBe(view.groupWords !== null);
    expect(folded.rows.length).toBe(view.groupWords === null ? ITEMS.length : list.groups);
    expect(list.rows.map((row) => view.depthOf(row) > 0)).toEqual(
      list.rows.map((row) => view.groupWords !== null && view.itemOf(row) !== null),
    );
    expect(items.map((item) => view.keyOf(item))).toEqual(items.map((item) => view.idOf(item)));
  });

  test("tells its rows apart, and keeps them in a frozen order", () => {
    const ids = list.rows.map((row) => view.idOf(row));
    expect(new Set(ids).size).toBe(ids.length);
    const frozen = folded.rows.map((row) => view.idOf(row)).toReversed();
    const kept = view.list(ITEMS, NOW_NS, { order: ORDER, frozen, isUnfolded: () => false });
    expect(kept.rows.map((row) => view.idOf(row))).toEqual(frozen);
  });

  test("sorts by every column that a click sorts by", () => {
    for (const { sortKey } of columns) {
      if (sortKey !== null) expect([sortKey, view.sortColumn(sortKey)]).toEqual([sortKey, expect.anything()]);
    }
    expect(view.sortColumn("rate")).not.toBeNull();
    expect(view.sortColumn("no such column")).toBeNull();
  });

  test("has texts of one line in every cell", () => {
    const all = [...columns, ...(view.filler ? [view.filler] : [])];
    for (const row of list.rows) {
      for (const column of all) expect(column.show(row, SCALE, column.least).text).toMatch(/^[^\n]*$/);
    }
  });
});
