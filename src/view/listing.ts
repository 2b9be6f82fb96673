/** The entries of a view: grouped, filtered, in order. */
import { sortRows, sortsSmallestFirst } from "../core/sort.ts";
import { findColumn } from "../lenses/flows/columns.ts";
import type { Connection } from "../lenses/flows/connection.ts";
import type { Accept } from "../lenses/flows/filter.ts";
import { both, matcher } from "../lenses/flows/matcher.ts";
import type { Snapshot } from "../lenses/flows/snapshot.ts";
import { Entries } from "./entries.ts";
import { findGroupColumn, type Group, type Grouping, groupConnections } from "./groups.ts";
import type { EntryId, Order, UiState } from "./state.ts";

/** The part of the state that entries depend on. */
type Wishes = Pick<UiState, "view" | "orders" | "filter" | "frozen" | "unfolded">;

export interface Listing {
  readonly entries: Entries;
  /** Groups among the entries. */
  readonly groups: number;
  /** What all filters let through. */
  readonly passing: readonly Connection[];
  /** Cells of the longest local and remote endpoint. */
  readonly localCells: number;
  readonly remoteCells: number;
  /** What it was made of. */
  readonly source: { readonly snapshot: Snapshot; readonly wishes: Wishes };
}

function sortByKey(connections: readonly Connection[], { key, reverse }: Order, nowNs: number) {
  const column = findColumn(key);
  if (column === undefined) return connections;
  const smallestFirst = sortsSmallestFirst(column.kind) !== reverse;
  return sortRows(connections, (connection) => column.value(connection, nowNs), { smallestFirst });
}

function sortGroups(groups: readonly Group[], { key, reverse }: Order, grouping: Grouping) {
  const column = findGroupColumn(key, grouping);
  if (column === undefined) return groups;
  const smallestFirst = sortsSmallestFirst(column.kind) !== reverse;
  return sortRows(groups, (group) => column.value(group), { smallestFirst });
}

/** Rows with a place in the frozen order first, in it; the others after them, as they are. */
function inFrozenOrder<T>(rows: readonly T[], frozen: readonly EntryId[] | null, idOf: (row: T) => EntryId) {
  if (frozen === null) return rows;
  const places = new Map(frozen.map((id, place) => [id, place]));
  return sortRows(rows, (row) => places.get(idOf(row)) ?? null, { smallestFirst: true });
}

function listRows(connections: readonly Connection[], nowNs: number, wishes: Wishes) {
  const { view, orders, frozen, unfolded } = wishes;
  const order = orders[view];
  const sorted = (rows: readonly Connection[]) =>
    inFrozenOrder(sortByKey(rows, order, nowNs), frozen, ({ key }) => key);
  if (view === "connections") return { entries: new Entries(sorted(connections), unfolded), groups: 0 };
  const grouped = sortGroups(groupConnections(connections, view), order, view);
  const groups = inFrozenOrder(grouped, frozen, ({ id }) => id);
  const rows = groups.flatMap((group) =>
    unfolded.has(group.id) ? [group, ...sorted(group.connections)] : [group],
  );
  return { entries: new Entries(rows, unfolded), groups: groups.length };
}

function digits(port: number): number {
  return port < 10 ? 1 : port < 100 ? 2 : port < 1000 ? 3 : port < 10_000 ? 4 : 5;
}

/** As `formatEndpoint` would write it, without writing it. */
function endpointCells(address: string, port: number): number {
  return address.length + (address.includes(":") ? 3 : 1) + digits(port);
}

function isMadeOf({ source }: Listing, snapshot: Snapshot, wishes: Wishes): boolean {
  const keys = ["view", "orders", "filter", "frozen", "unfolded"] as const;
  return source.snapshot === snapshot && keys.every((key) => source.wishes[key] === wishes[key]);
}

/**
 * Lists what the state asks for. `before` is given back if it still holds, so that a key that only
 * moves costs nothing. `accept` is the command line's filter, the same for the whole run.
 */
export function listEntries(
  snapshot: Snapshot,
  wishes: Wishes,
  accept: Accept | null,
  before: Listing | null = null,
): Listing {
  if (before !== null && isMadeOf(before, snapshot, wishes)) return before;
  const matches = matcher(wishes.filter);
  const passes = matches === null ? accept : both(accept, matches);
  const shown = passes === null ? snapshot.connections : snapshot.connections.filter(passes);
  let localCells = 0;
  let remoteCells = 0;
  for (const { local, remote } of shown) {
    localCells = Math.max(localCells, endpointCells(local.address, local.port));
    remoteCells = Math.max(remoteCells, endpointCells(remote.address, remote.port));
  }
  return {
    ...listRows(shown, snapshot.timeNs, wishes),
    passing: shown,
    localCells,
    remoteCells,
    source: { snapshot, wishes },
  };
}
