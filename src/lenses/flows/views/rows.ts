/** What the views of flows have in common: their rows, and how these are put in order. */
import type { CellKind } from "../../../core/column.ts";
import type { Refresh } from "../../../core/refresh.ts";
import { sortRows, sortsSmallestFirst } from "../../../core/sort.ts";
import type { Shown } from "../../../core/tone.ts";
import type { EntryId, Listed, ListWishes, Numbers, Order, SortColumn, View } from "../../../core/view.ts";
import { findColumn } from "../columns.ts";
import type { Connection } from "../connection.ts";
import type { Series } from "../history.ts";
import { isNew } from "../marks.ts";
import { FLOWS } from "../snapshot.ts";
import { detailLines } from "./details.ts";
import type { Group } from "./groups.ts";

/** In the views of groups, connections stand under the group they are of. */
export type FlowRow = Connection | Group;

export interface FlowList extends Listed<FlowRow> {
  /** Cells of the longest local and remote endpoint. */
  readonly localCells: number;
  readonly remoteCells: number;
}

export type FlowView = View<Connection, Series, FlowRow, FlowList>;

/** A view without a filter. */
export type BareView = Omit<FlowView, "passing">;

export function isGroup(row: FlowRow): row is Group {
  return "connections" in row;
}

function idOf(row: FlowRow): EntryId {
  return isGroup(row) ? row.id : row.key;
}

function markOf(row: FlowRow, isUnfolded: boolean): Shown {
  if (isGroup(row)) return { text: isUnfolded ? "▾" : "▸", tone: "quiet" };
  if (row.phase.kind === "closing") return { text: "-", tone: "quiet" };
  if (row.partial) return { text: "*", tone: "quiet" };
  return isNew(row) ? { text: "+", tone: "good" } : { text: " ", tone: "plain" };
}

const SORT_KEYS = { p: "pid", n: "process", s: "state", t: "rtt_us", a: "local", A: "remote", P: "proto" };

const TRAFFIC_KEYS: Readonly<Record<Numbers, Readonly<Record<string, string>>>> = {
  rates: { ...SORT_KEYS, r: "rate_in", R: "rate_out" },
  totals: { ...SORT_KEYS, r: "bytes_in", R: "bytes_out" },
};

/** The traffic columns show rates or totals, and are sorted by what they show. */
const TOTALS_OF_RATES: Readonly<Record<string, string>> = {
  rate: "bytes",
  rate_in: "bytes_in",
  rate_out: "bytes_out",
};
const SORTED_BY: Readonly<Record<Numbers, Readonly<Record<string, string>>>> = {
  totals: TOTALS_OF_RATES,
  rates: Object.fromEntries(Object.entries(TOTALS_OF_RATES).map(([rate, total]) => [total, rate])),
};

/** The keys that sorting by a sum shows in the headings of both directions. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  rate: ["rate_in", "rate_out"],
  bytes: ["bytes_in", "bytes_out"],
  packets: ["packets_in", "packets_out"],
};

/** As it is shown: sums of both directions have one name. */
export function sortColumn(key: string, kind: CellKind): SortColumn {
  const title = key === "rate" || key === "bytes" ? "In+out" : (findColumn(key)?.title ?? key);
  const parts = PARTS[key];
  return parts === undefined ? { kind, title } : { kind, title, parts };
}

/** The part of a view that is the same in all. */
export const COMMON = {
  itemWords: ["connection", "connections"],
  opensUnfolded: false,
  /** The busiest first. */
  order: { key: "rate", reverse: false },
  sortKeys: (numbers: Numbers) => TRAFFIC_KEYS[numbers],
  sortKeyFor: (key: string, numbers: Numbers) => SORTED_BY[numbers][key] ?? key,
  items: (refresh: Refresh) => FLOWS.of(refresh).connections,
  keyOf: ({ key }: Connection): EntryId => key,
  isFoldable: isGroup,
  idOf,
  itemOf: (row: FlowRow): Connection | null => (isGroup(row) ? null : row),
  markOf,
  details: detailLines,
} as const;

function sortByKey(connections: readonly Connection[], { key, reverse }: Order, nowNs: number) {
  const column = findColumn(key);
  if (column === undefined) return connections;
  const smallestFirst = sortsSmallestFirst(column.kind) !== reverse;
  return sortRows(connections, (connection) => column.value(connection, nowNs), { smallestFirst });
}

/** Rows with a place in the frozen order first, in it; the others after them, as they are. */
export function inFrozenOrder<Row extends FlowRow>(
  rows: readonly Row[],
  frozen: readonly EntryId[] | null,
): readonly Row[] {
  if (frozen === null) return rows;
  const places = new Map(frozen.map((id, place) => [id, place]));
  return sortRows(rows, (row) => places.get(idOf(row)) ?? null, { smallestFirst: true });
}

export function inOrder(
  connections: readonly Connection[],
  nowNs: number,
  { order, frozen }: ListWishes,
): readonly Connection[] {
  return inFrozenOrder(sortByKey(connections, order, nowNs), frozen);
}

function digits(port: number): number {
  return port < 10 ? 1 : port < 100 ? 2 : port < 1000 ? 3 : port < 10_000 ? 4 : 5;
}

/** As `formatEndpoint` would write it, without writing it. */
function endpointCells(address: string, port: number): number {
  return address.length + (address.includes(":") ? 3 : 1) + digits(port);
}

/** Cells of the longest endpoints. */
export function longestEndpoints(
  connections: readonly Connection[],
): Pick<FlowList, "localCells" | "remoteCells"> {
  let localCells = 0;
  let remoteCells = 0;
  for (const { local, remote } of connections) {
    localCells = Math.max(localCells, endpointCells(local.address, local.port));
    remoteCells = Math.max(remoteCells, endpointCells(remote.address, remote.port));
  }
  return { localCells, remoteCells };
}
