/** The process tree: each process with what it and all under it use, and its connections. */
import { formatEndpoint } from "../../../base/format.ts";
import { sanitise } from "../../../base/sanitise.ts";
import { truncate } from "../../../base/width.ts";
import { showCell } from "../../../core/column.ts";
import { heatOf, plain, type Shown } from "../../../core/tone.ts";
import type { ColumnWishes, TableColumn, View } from "../../../core/view.ts";
import { commandLine } from "../columns.ts";
import { detailsOf, type TreePast } from "./details.ts";
import { itemsOf, passingOf, type TreeItem } from "./items.ts";
import { findTreeColumn, idOf, listTree, type TreeList, type TreeRow } from "./rows.ts";

type Column = TableColumn<TreeRow>;

/** Cells of each step of the indent. */
const INDENT = 2;

const TITLES: Readonly<Record<string, string>> = {
  pid: "PID",
  process: "process",
  connections: "connections",
  cpu: "processor time",
  memory: "memory",
  rate: "rate",
  rate_in: "rate in",
  rate_out: "rate out",
  bytes: "bytes",
  bytes_in: "bytes in",
  bytes_out: "bytes out",
};

function nameText({ item, depth }: TreeRow): string {
  const indent = " ".repeat(depth * INDENT);
  if (item.kind === "process") return indent + sanitise(item.process.name);
  const { protocol, local, remote } = item.connection;
  return `${indent}${protocol} :${local.port} → ${formatEndpoint(remote)}`;
}

function nameColumn({ deepest }: TreeList): Column {
  return {
    id: "process",
    title: "PROCESS",
    align: "left",
    least: 20,
    best: Math.min(60, 24 + deepest * INDENT),
    rank: 100,
    sortKey: "process",
    show: (row, _, cells) => plain(truncate(nameText(row), cells)),
  };
}

function number(
  key: string,
  title: string,
  cells: number,
  rank: number,
  ofConnections: boolean,
  format?: (value: number) => string,
): Column {
  const column = findTreeColumn(key);
  if (column === null) throw new Error(`no column ${key}`);
  return {
    id: key,
    title,
    align: "right",
    least: cells,
    best: cells,
    rank,
    sortKey: key,
    show(row, { style }): Shown {
      if (row.item.kind === "connection" && !ofConnections) return plain("");
      const cell = column.value(row);
      if (typeof cell !== "number") return plain(showCell(column.kind, cell, style));
      const text = format?.(cell) ?? showCell(column.kind, cell, style);
      return { text, tone: column.kind === "rate" ? heatOf(cell) : cell === 0 ? "quiet" : "plain" };
    },
  };
}

/** A share of one processor. */
function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

const CELLS = { human: { rate: 9, bytes: 9 }, raw: { rate: 14, bytes: 16 } } as const;

function columns(list: TreeList, { numbers, style, isWide }: ColumnWishes): Column[] {
  const cells = CELLS[style];
  const rates = [
    number("rate_in", "IN", cells.rate, 95, true),
    number("rate_out", "OUT", cells.rate, 95, true),
  ];
  const totals = [
    number("bytes_in", "TOTAL IN", cells.bytes, 70, true),
    number("bytes_out", "TOTAL OUT", cells.bytes, 70, true),
  ];
  const [shown, others] = numbers === "rates" ? [rates, totals] : [totals, rates];
  return [
    number("pid", "PID", 7, 80, false),
    nameColumn(list),
    number("connections", "CONNS", 6, 60, false),
    ...shown,
    ...(isWide ? others : []),
    number("cpu", "CPU", 8, 50, false, percent),
    number("memory", "MEMORY", cells.bytes, 40, false),
  ];
}

const COMMAND: Column = {
  id: "command",
  title: "COMMAND",
  align: "left",
  least: 16,
  best: 160,
  rank: 0,
  sortKey: null,
  show({ item }, _, cells) {
    if (item.kind === "connection") return plain("");
    const { arguments: words, executable } = item.process;
    return plain(truncate(sanitise(words === null ? (executable ?? "") : commandLine(words)), cells));
  },
};

function markOf({ item, isFoldable }: TreeRow, isUnfolded: boolean): Shown {
  const kind = item.kind === "process" ? item.process.phase.kind : item.connection.phase.kind;
  if (kind === "ended" || kind === "closing") return { text: "-", tone: "quiet" };
  if (isFoldable) return { text: isUnfolded ? "▾" : "▸", tone: kind === "new" ? "good" : "quiet" };
  return kind === "new" ? { text: "+", tone: "good" } : { text: " ", tone: "plain" };
}

/** `onlyTree`: only processes of the tree that is watched. */
export function treeView(onlyTree: boolean): View<TreeItem, TreePast, TreeRow, TreeList> {
  return {
    id: "tree",
    title: "process tree",
    itemWords: ["process", "processes"],
    groupWords: null,
    folds: true,
    opensUnfolded: true,
    order: { key: "pid", reverse: false },
    sortKeys: (numbers) =>
      numbers === "rates"
        ? { p: "pid", n: "process", r: "rate_in", R: "rate_out" }
        : { p: "pid", n: "process", r: "bytes_in", R: "bytes_out" },
    sortKeyFor(key, numbers) {
      return numbers === "rates" ? key.replace(/^bytes/, "rate") : key.replace(/^rate/, "bytes");
    },
    items: itemsOf,
    passing: (items, words) => passingOf(items, words, onlyTree),
    list: (items, _, wishes) => listTree(items, wishes),
    columns,
    filler: COMMAND,
    sortColumn(key) {
      const column = findTreeColumn(key);
      return column === null ? null : { kind: column.kind, title: TITLES[key] ?? key };
    },
    idOf: ({ item }) => idOf(item),
    itemOf: ({ item }) => item,
    keyOf: idOf,
    depthOf: ({ depth }) => depth,
    isFoldable: ({ isFoldable }) => isFoldable,
    details: detailsOf,
    markOf,
  };
}
