/** The bells as a tree, open until it is folded. */
import { textLine } from "../../../src/core/cells.ts";
import { type Column, showCell } from "../../../src/core/column.ts";
import { sortByColumn } from "../../../src/core/sort.ts";
import { plain } from "../../../src/core/tone.ts";
import type { Listed, ListWishes, TableColumn, View } from "../../../src/core/view.ts";
import { BELLS, type Bell } from "./model.ts";

interface BellRow {
  readonly bell: Bell;
  readonly depth: number;
  readonly hasMore: boolean;
}

export const COLUMNS: readonly Column<Bell>[] = [
  { key: "bell", title: "Bell", kind: "id", value: ({ id }) => id },
  { key: "under", title: "Under", kind: "id", value: ({ under }) => under || null },
  { key: "rings", title: "Rings", kind: "count", value: ({ rings }) => rings },
];

function shown(key: string): TableColumn<BellRow> {
  const column = COLUMNS.find((one) => one.key === key);
  if (column === undefined) throw new Error(`no column ${key}`);
  const { kind, title } = column;
  return {
    ...{ id: key, title: title.toUpperCase(), align: "left", least: 8, best: 8, rank: 1, sortKey: key },
    show: ({ bell, depth }, { style, nowNs }) =>
      plain((key === "bell" ? "  ".repeat(depth) : "") + showCell(kind, column.value(bell, nowNs), style)),
  };
}

function treeOf(bells: readonly Bell[], { isUnfolded }: ListWishes, under = 0, depth = 0): BellRow[] {
  return bells
    .filter((bell) => bell.under === under)
    .flatMap((bell) => {
      const hasMore = bells.some((other) => other.under === bell.id);
      const below = isUnfolded(bell.id)
        ? treeOf(bells, { isUnfolded } as ListWishes, bell.id, depth + 1)
        : [];
      return [{ bell, depth, hasMore }, ...below];
    });
}

export const bellView: View<Bell, null, BellRow, Listed<BellRow>> = {
  id: "bells",
  title: "bells",
  itemWords: ["bell", "bells"],
  groupWords: null,
  folds: true,
  opensUnfolded: true,
  order: { key: "bell", reverse: false },
  sortKeys: () => ({ n: "bell" }),
  sortKeyFor: (key) => key,
  items: (refresh) => BELLS.of(refresh).bells,
  passing: (bells, words) => bells.filter(({ id }) => String(id).includes(words)),
  list(bells, nowNs, wishes) {
    const { key, reverse } = wishes.order;
    const column = COLUMNS.find((one) => one.key === key) ?? null;
    return { rows: treeOf(sortByColumn(bells, { column, reverse }, nowNs), wishes), groups: 0 };
  },
  columns: () => [shown("bell"), shown("rings")],
  sortColumn: (key) => COLUMNS.find((one) => one.key === key) ?? null,
  idOf: ({ bell }) => bell.id,
  itemOf: ({ bell }) => bell,
  keyOf: ({ id }) => id,
  depthOf: ({ depth }) => depth,
  isFoldable: ({ hasMore }) => hasMore,
  details: ({ id, rings }, { isGone }, { columns }) => [
    textLine(` bell ${id}, ${rings} rings${isGone ? ", gone" : ""}`, columns),
  ],
  markOf: ({ hasMore }, isUnfolded) => ({ text: hasMore ? (isUnfolded ? "▾" : "▸") : " ", tone: "quiet" }),
};
