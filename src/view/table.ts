/** The columns of each view: what they say, and which of them find room. */

import { formatEndpoint, UNKNOWN } from "../base/format.ts";
import { sanitise } from "../base/sanitise.ts";
import { clip, displayWidth, shorten, truncate } from "../base/width.ts";
import { type CellKind, showCell } from "../core/column.ts";
import type { ProcessFacts, ProcessId } from "../core/process.ts";
import { findColumn } from "../lenses/flows/columns.ts";
import { isNew, ownerMark } from "../lenses/flows/marks.ts";
import { type Line, LineWriter, type Tone } from "./cells.ts";
import type { ConnectionEntry, Entry } from "./entries.ts";
import { findGroupColumn } from "./groups.ts";
import type { Listing } from "./listing.ts";
import type { Order, UiState, View } from "./state.ts";

interface Shown {
  readonly text: string;
  readonly tone: Tone;
}

/** What cells are made with, besides their entry. */
export interface Scale {
  readonly state: UiState;
  readonly nowNs: number;
  readonly describe: DescribeProcess;
}

/** null: nothing is known of the process. */
export type DescribeProcess = (process: ProcessId) => ProcessFacts | null;

export interface TableColumn {
  readonly id: string;
  readonly title: string;
  readonly align: "left" | "right";
  /** Fewest cells it can be read in, and those it would like to have. */
  readonly least: number;
  readonly best: number;
  /** The column with the lowest rank gives way first. */
  readonly rank: number;
  /** Column by which a click sorts; null: none. */
  readonly sortKey: string | null;
  /** `cells`: how many it has; what does not fit is shortened in the middle. */
  show(entry: Entry, scale: Scale, cells: number): Shown;
}

export interface PlacedColumn {
  readonly column: TableColumn;
  readonly x: number;
  readonly cells: number;
}

/** Cells of the marks in front of each row: new, closing, partial, folded. */
const MARK_CELLS = 2;

const STATE_CELLS = "ESTABLISHED".length;

/** Bytes a second from which a rate is drawn in each heat. */
const HEAT: readonly (readonly [from: number, tone: Tone])[] = [
  [10e6, "heat4"],
  [1e6, "heat3"],
  [100e3, "heat2"],
  [1e3, "heat1"],
];

export function heatOf(bytesPerSecond: number): Tone {
  if (bytesPerSecond === 0) return "quiet";
  return HEAT.find(([from]) => bytesPerSecond >= from)?.[1] ?? "plain";
}

function plain(text: string): Shown {
  return { text, tone: text === UNKNOWN ? "quiet" : "plain" };
}

/** What a connection's column or a group's says of an entry, as text; null where it says nothing. */
function cellOf(key: string, entry: Entry, { state, nowNs }: Scale): Shown {
  if (entry.kind === "connection") {
    const column = findColumn(key);
    if (column === undefined) return plain("");
    return shownNumber(column.kind, column.value(entry.connection, nowNs), state);
  }
  if (state.view === "connections") return plain("");
  const column = findGroupColumn(key, state.view);
  return column === undefined ? plain("") : shownNumber(column.kind, column.value(entry.group), state);
}

function shownNumber(kind: CellKind, cell: string | number | boolean | null, { style }: UiState): Shown {
  const text = showCell(kind, cell, style);
  if (kind === "rate" && typeof cell === "number") return { text, tone: heatOf(cell) };
  return { text, tone: cell === 0 || cell === null ? "quiet" : "plain" };
}

/** A column of numbers, right-aligned. */
function numbers(
  key: string,
  title: string,
  cells: number,
  rank: number,
  appliesTo: Entry["kind"] | "both" = "both",
): TableColumn {
  return {
    id: key,
    title,
    align: "right",
    least: cells,
    best: cells,
    rank,
    sortKey: key,
    show: (entry, scale) =>
      appliesTo === "both" || appliesTo === entry.kind ? cellOf(key, entry, scale) : plain(""),
  };
}

/** Cells of a number with its unit. */
const CELLS = {
  human: { rate: 9, bytes: 8, packets: 8, rtt: 8, pid: 7 },
  raw: { rate: 14, bytes: 16, packets: 10, rtt: 11, pid: 7 },
} as const;

function trafficColumns({ numbers: shown, style }: UiState, rank: number): TableColumn[] {
  const cells = CELLS[style];
  return shown === "rates"
    ? [numbers("rate_in", "IN", cells.rate, rank), numbers("rate_out", "OUT", cells.rate, rank)]
    : [
        numbers("bytes_in", "TOTAL IN", cells.rate, rank),
        numbers("bytes_out", "TOTAL OUT", cells.rate, rank),
      ];
}

/** The columns that `c` adds; those asked for outrank what is there by itself. */
function moreColumns({ isWide, numbers: shown, style }: UiState, rank: number): TableColumn[] {
  if (!isWide) return [];
  const cells = CELLS[style];
  const others =
    shown === "rates"
      ? [
          numbers("bytes_in", "TOTAL IN", Math.max(cells.bytes, 9), rank),
          numbers("bytes_out", "TOTAL OUT", Math.max(cells.bytes, 9), rank),
        ]
      : [numbers("rate_in", "IN", cells.rate, rank), numbers("rate_out", "OUT", cells.rate, rank)];
  return [
    ...others,
    numbers("packets_in", "PKTS IN", cells.packets, rank - 1),
    numbers("packets_out", "PKTS OUT", cells.packets + 1, rank - 1),
  ];
}

/** Further numbers of a connection, behind those of `moreColumns`. */
function tcpColumns({ isWide }: UiState): TableColumn[] {
  if (!isWide) return [];
  return [
    numbers("retransmits", "RETRANS", 7, 2),
    numbers("cwnd", "CWND", 6, 1),
    numbers("age_ms", "AGE", 9, 3),
  ];
}

function endpoint(side: "local" | "remote", longest: number, rank: number): TableColumn {
  const best = Math.max(21, longest);
  return {
    id: side,
    title: side.toUpperCase(),
    align: "left",
    least: 21,
    best,
    rank,
    sortKey: side,
    show: (entry) => plain(entry.kind === "connection" ? formatEndpoint(entry.connection[side]) : ""),
  };
}

function stateOf(entry: Entry, scale: Scale, withProtocol: boolean): Shown {
  if (entry.kind === "group") return plain("");
  const { protocol } = entry.connection;
  const shown = cellOf("state", entry, scale);
  return withProtocol && shown.text === UNKNOWN ? { text: protocol, tone: "plain" } : shown;
}

const PROCESS: TableColumn = {
  id: "process",
  title: "PROCESS",
  align: "left",
  least: 12,
  best: 16,
  rank: 100,
  sortKey: "process",
  show(entry, scale, cells) {
    const shown = cellOf("process", entry, scale);
    const mark = entry.kind === "connection" ? ownerMark(entry.connection) : "";
    return mark === "" ? shown : { ...shown, text: shorten(shown.text, cells - 1) + mark };
  },
};

/** LOCAL gives way first, then PROTO joins STATE, then RTT, PID and STATE go. */
function connectionColumns(listing: Listing, state: UiState): TableColumn[] {
  const cells = CELLS[state.style];
  return [
    { ...text("proto", "PROTO", 5), rank: 20, show: (entry, scale) => cellOf("proto", entry, scale) },
    endpoint("local", listing.localCells, 10),
    endpoint("remote", listing.remoteCells, 90),
    numbers("pid", "PID", cells.pid, 40),
    PROCESS,
    {
      ...text("state", "STATE", STATE_CELLS),
      rank: 50,
      show: (entry, scale) => stateOf(entry, scale, false),
    },
    ...trafficColumns(state, 95),
    ...moreColumns(state, 70),
    numbers("rtt_us", "RTT", cells.rtt, 30),
    ...tcpColumns(state),
  ];
}

function text(id: string, title: string, cells: number): Omit<TableColumn, "show" | "rank"> {
  return { id, title, align: "left", least: cells, best: cells, sortKey: id };
}

/** One connection under its group, in one text; the local end only where there is room for it. */
function childText({ connection }: ConnectionEntry, view: View, cells: number): string {
  const { protocol, local, remote, owner } = connection;
  const mark = ownerMark(connection);
  const process = owner === null ? UNKNOWN : `${sanitise(owner.process)}[${owner.pid}]${mark}`;
  const there =
    view === "processes" ? `${formatEndpoint(remote)} ${mark}`.trimEnd() : `:${remote.port} ${process}`;
  const whole = `  ${protocol} ${formatEndpoint(local)} → ${there}`;
  return displayWidth(whole) <= cells ? whole : `  ${protocol} → ${there}`;
}

function hasChildren({ entries, groups }: Listing): boolean {
  return entries.length > groups;
}

/** The column that names groups, with their connections indented under them. */
function nameColumn(listing: Listing, view: View): TableColumn {
  const longestGroup = view === "hosts" ? listing.remoteCells : PROCESS.best;
  const there = view === "hosts" ? PROCESS.best + 16 : listing.remoteCells;
  const longestChild = hasChildren(listing) ? listing.localCells + there + 9 : 0;
  const best = Math.max(longestGroup, longestChild, PROCESS.best);
  return {
    ...text("name", view === "hosts" ? "REMOTE HOST" : "PROCESS", 16),
    best,
    rank: 100,
    sortKey: view === "hosts" ? "remote" : "process",
    show: (entry, _, cells) =>
      plain(entry.kind === "group" ? entry.group.name : childText(entry, view, cells)),
  };
}

/** Takes what room the other columns leave. */
const COMMAND: TableColumn = {
  ...text("command", "COMMAND", 16),
  best: 160,
  rank: 0,
  sortKey: null,
  show(entry, { describe }, cells) {
    const owner = entry.kind === "group" ? entry.group.owner : null;
    const command = owner === null ? null : (describe(owner)?.commandLine ?? null);
    return plain(command === null ? "" : truncate(sanitise(command), cells));
  },
};

function groupColumns(listing: Listing, state: UiState): TableColumn[] {
  const { view, style } = state;
  const cells = CELLS[style];
  const count = numbers("connections", "CONNS", 6, 60, "group");
  return [
    ...(view === "processes" ? [numbers("pid", "PID", cells.pid, 80, "group")] : []),
    nameColumn(listing, view),
    count,
    numbers(
      "others",
      view === "processes" ? "PEERS" : "PROCESSES",
      view === "processes" ? 6 : 9,
      20,
      "group",
    ),
    ...(hasChildren(listing)
      ? [
          {
            ...text("state", "STATE", STATE_CELLS),
            rank: 10,
            sortKey: null,
            show: (entry: Entry, scale: Scale) => stateOf(entry, scale, true),
          },
        ]
      : []),
    ...trafficColumns(state, 95),
    ...moreColumns(state, 70),
    numbers("rtt_us", "LOWEST RTT", Math.max(10, cells.rtt), 30),
  ];
}

/** A column that also says what the ones that found no room would have said. */
function standIn(column: TableColumn, kept: readonly TableColumn[]): TableColumn {
  const isGone = (id: string) => kept.every((other) => other.id !== id);
  if (column.id === "state" && isGone("proto"))
    return { ...column, show: (entry, scale) => stateOf(entry, scale, true) };
  if (column.id !== "remote" || !isGone("local")) return column;
  return {
    ...column,
    show: (entry, scale, cells) =>
      entry.kind === "connection" && entry.connection.remote.port === 0
        ? plain(`at ${formatEndpoint(entry.connection.local)}`)
        : column.show(entry, scale, cells),
  };
}

/** Cells of each column: those it needs, and of what is left each takes one in turn until it has its best. */
function shareCells(columns: readonly TableColumn[], cells: number): number[] {
  const widths = columns.map(({ least }) => least);
  let spare = cells - leastCells(columns);
  for (let grew = true; grew && spare > 0; ) {
    grew = false;
    for (const [i, { best, least }] of columns.entries()) {
      const width = widths[i] ?? least;
      if (spare === 0 || width >= best) continue;
      widths[i] = width + 1;
      spare--;
      grew = true;
    }
  }
  return widths;
}

/**
 * The columns that find room in so many cells. Where PROTO has gone, STATE says it for UDP; where LOCAL
 * has, REMOTE says where a socket without a remote end listens.
 */
export function placeColumns(listing: Listing, state: UiState, columns: number): PlacedColumn[] {
  const all = state.view === "connections" ? connectionColumns(listing, state) : groupColumns(listing, state);
  const kept = keepWhatFits(all, columns - MARK_CELLS);
  const widths = shareCells(kept, columns - MARK_CELLS);
  if (state.view === "processes") {
    const spare = columns - MARK_CELLS - widths.reduce((sum, cells) => sum + cells + 1, 0);
    if (spare >= COMMAND.least) {
      kept.push(COMMAND);
      widths.push(Math.min(spare, COMMAND.best));
    }
  }
  let x = MARK_CELLS;
  return kept.map((column, i) => {
    const placed = { x, cells: widths[i] ?? column.least, column: standIn(column, kept) };
    x += placed.cells + 1;
    return placed;
  });
}

function leastCells(columns: readonly TableColumn[]): number {
  return columns.reduce((sum, { least }) => sum + least + 1, -1);
}

function keepWhatFits(columns: readonly TableColumn[], cells: number): TableColumn[] {
  let kept = [...columns];
  while (kept.length > 1 && leastCells(kept) > cells) {
    const lowest = kept.reduce((a, b) => (b.rank <= a.rank ? b : a));
    kept = kept.filter((column) => column !== lowest);
  }
  return kept;
}

/** The keys that sorting by a sum shows in the headings of both directions. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  rate: ["rate_in", "rate_out"],
  bytes: ["bytes_in", "bytes_out"],
  packets: ["packets_in", "packets_out"],
};

/** Whether the order goes from large to small. */
export function isDescending({ key, reverse }: Order, view: View): boolean {
  const kind = view === "connections" ? findColumn(key)?.kind : findGroupColumn(key, view)?.kind;
  return (kind === "text" || kind === "id" || kind === "flag") === reverse;
}

export function arrow(order: Order, view: View): string {
  return isDescending(order, view) ? "▼" : "▲";
}

export function headingLine(placed: readonly PlacedColumn[], state: UiState, columns: number): Line {
  const line = new LineWriter(columns);
  const order = state.orders[state.view];
  for (const { column, x, cells } of placed) {
    const isSorted =
      column.sortKey === order.key || PARTS[order.key]?.includes(column.sortKey ?? "") === true;
    const title = isSorted ? clip(column.title, cells - 1) + arrow(order, state.view) : column.title;
    const tone = state.picked === column.id ? "picked" : isSorted ? "sorted" : "heading";
    const gap = column.align === "right" ? Math.max(0, cells - displayWidth(title)) : 0;
    line.to(x + gap).add(shorten(title, cells), tone);
  }
  return line.done();
}

function markOf(entry: Entry): Shown {
  if (entry.kind === "group") return { text: entry.isUnfolded ? "▾" : "▸", tone: "quiet" };
  const { phase, partial } = entry.connection;
  if (phase.kind === "closing") return { text: "-", tone: "quiet" };
  if (partial) return { text: "*", tone: "quiet" };
  return isNew(entry.connection) ? { text: "+", tone: "good" } : { text: " ", tone: "plain" };
}

/** A row: closing ones are quiet all over, new ones say so with their mark and their name. */
export function entryLine(
  entry: Entry,
  placed: readonly PlacedColumn[],
  scale: Scale,
  look: { readonly columns: number; readonly isSelected: boolean },
): Line {
  const line = new LineWriter(look.columns);
  const mark = markOf(entry);
  line.add(mark.text, mark.tone);
  for (const { column, x, cells } of placed) {
    const { text: whole, tone } = column.show(entry, scale, cells);
    const shown = shorten(whole, cells);
    const gap = column.align === "right" ? cells - displayWidth(shown) : 0;
    line
      .to(x + gap)
      .add(shown, mark.text === "-" ? "quiet" : mark.tone === "good" && tone === "plain" ? "good" : tone);
  }
  return line.done(look.isSelected);
}
