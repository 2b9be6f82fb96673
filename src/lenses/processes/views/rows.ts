/** The rows of the process tree in their order, with the sums of what stands under each. */

import type { Cell, CellKind } from "../../../core/column.ts";
import { sortRows, sortsSmallestFirst } from "../../../core/sort.ts";
import type { EntryId, Listed, ListWishes } from "../../../core/view.ts";
import type { ConnectionItem, ProcessItem, TreeItem } from "./items.ts";

/** Of a process and of all under it. */
export interface Subtree {
  readonly connections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly rateIn: number;
  readonly rateOut: number;
  /** Share of one processor; null: of one of them it is unknown. */
  readonly cpuShare: number | null;
  readonly memoryBytes: number;
}

export interface TreeRow {
  readonly item: TreeItem;
  readonly depth: number;
  readonly isFoldable: boolean;
  readonly sum: Subtree;
}

export interface TreeList extends Listed<TreeRow> {
  readonly rows: readonly TreeRow[];
  /** Cells of the longest indent. */
  readonly deepest: number;
}

/** Trees are no deeper than a screen can show. */
const MOST_DEPTH = 64;

export function idOf(item: TreeItem): EntryId {
  return item.kind === "process" ? `process ${item.process.key}` : `connection ${item.connection.key}`;
}

class Node {
  readonly item: TreeItem;
  readonly children: Node[] = [];
  sum: Subtree;

  constructor(item: TreeItem) {
    this.item = item;
    this.sum = item.kind === "process" ? ofProcess(item) : ofConnection(item);
  }

  /** Adds up what is under it. */
  total(): Subtree {
    for (const child of this.children) this.sum = plus(this.sum, child.total());
    return this.sum;
  }
}

function ofProcess({ process }: ProcessItem): Subtree {
  const { cpuShare, memoryBytes } = process;
  return { connections: 0, bytesIn: 0, bytesOut: 0, rateIn: 0, rateOut: 0, cpuShare, memoryBytes };
}

function ofConnection({ connection }: ConnectionItem): Subtree {
  const { bytesIn, bytesOut, rateIn, rateOut } = connection;
  return { connections: 1, bytesIn, bytesOut, rateIn, rateOut, cpuShare: 0, memoryBytes: 0 };
}

function plus(a: Subtree, b: Subtree): Subtree {
  return {
    connections: a.connections + b.connections,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    rateIn: a.rateIn + b.rateIn,
    rateOut: a.rateOut + b.rateOut,
    cpuShare: a.cpuShare === null || b.cpuShare === null ? null : a.cpuShare + b.cpuShare,
    memoryBytes: a.memoryBytes + b.memoryBytes,
  };
}

export interface TreeColumn {
  readonly kind: CellKind;
  value(row: Pick<TreeRow, "item" | "sum">): Cell;
}

/** What rows are sorted by and what their cells say. */
export const TREE_COLUMNS: Readonly<Record<string, TreeColumn>> = {
  pid: { kind: "id", value: ({ item }) => (item.kind === "process" ? item.process.pid : null) },
  process: { kind: "text", value: ({ item }) => (item.kind === "process" ? item.process.name : null) },
  connections: { kind: "count", value: ({ sum }) => sum.connections },
  cpu: { kind: "count", value: ({ sum }) => sum.cpuShare },
  memory: { kind: "bytes", value: ({ sum }) => sum.memoryBytes },
  rate: { kind: "rate", value: ({ sum }) => sum.rateIn + sum.rateOut },
  rate_in: { kind: "rate", value: ({ sum }) => sum.rateIn },
  rate_out: { kind: "rate", value: ({ sum }) => sum.rateOut },
  bytes: { kind: "bytes", value: ({ sum }) => sum.bytesIn + sum.bytesOut },
  bytes_in: { kind: "bytes", value: ({ sum }) => sum.bytesIn },
  bytes_out: { kind: "bytes", value: ({ sum }) => sum.bytesOut },
};

export function findTreeColumn(key: string): TreeColumn | null {
  return Object.hasOwn(TREE_COLUMNS, key) ? (TREE_COLUMNS[key] ?? null) : null;
}

/** The connections of a process come before the processes under it. */
function sorted(nodes: readonly Node[], wishes: ListWishes): readonly Node[] {
  const of = (kind: TreeItem["kind"]) =>
    sortedAlike(
      nodes.filter(({ item }) => item.kind === kind),
      wishes,
    );
  return [...of("connection"), ...of("process")];
}

function sortedAlike(nodes: readonly Node[], { order, frozen }: ListWishes): readonly Node[] {
  const column = findTreeColumn(order.key);
  const inOrder =
    column === null
      ? nodes
      : sortRows(nodes, (node) => column.value(node), {
          smallestFirst: sortsSmallestFirst(column.kind) !== order.reverse,
        });
  if (frozen === null) return inOrder;
  const places = new Map(frozen.map((id, place) => [id, place]));
  return sortRows(inOrder, ({ item }) => places.get(idOf(item)) ?? null, { smallestFirst: true });
}

export function listTree(items: readonly TreeItem[], wishes: ListWishes): TreeList {
  const nodes = new Map<number, Node>();
  for (const item of items) if (item.kind === "process") nodes.set(item.process.key, new Node(item));
  const roots: Node[] = [];
  for (const item of items) {
    const above = item.parent === null ? undefined : nodes.get(item.parent);
    const node = item.kind === "process" ? nodes.get(item.process.key) : new Node(item);
    if (node !== undefined) (above?.children ?? roots).push(node);
  }
  for (const root of roots) root.total();
  const rows: TreeRow[] = [];
  let deepest = 0;
  const add = (node: Node, depth: number) => {
    const { item, children, sum } = node;
    rows.push({ item, depth, isFoldable: children.length > 0, sum });
    deepest = Math.max(deepest, depth);
    if (children.length === 0 || !wishes.isUnfolded(idOf(item))) return;
    for (const child of sorted(children, wishes)) add(child, Math.min(depth + 1, MOST_DEPTH));
  };
  for (const root of sorted(roots, wishes)) add(root, 0);
  return { rows, groups: 0, deepest };
}
