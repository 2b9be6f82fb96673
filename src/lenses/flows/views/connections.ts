/** The view of connections, one a row. */
import { formatEndpoint } from "../../../base/format.ts";
import { plain } from "../../../core/tone.ts";
import type { ColumnWishes } from "../../../core/view.ts";
import { findColumn } from "../columns.ts";
import { CELLS, connectionText, type FlowColumn, Numbers, PROCESS, stateColumn } from "./cells.ts";
import {
  type BareView,
  COMMON,
  type FlowList,
  inOrder,
  isGroup,
  longestEndpoints,
  sortColumn,
} from "./rows.ts";

const NUMBERS = new Numbers(null);

/** From this many cells on, an endpoint can be read. */
const ENDPOINT_CELLS = 21;

function endpoint(side: "local" | "remote", longest: number, rank: number): FlowColumn {
  return {
    id: side,
    title: side.toUpperCase(),
    align: "left",
    least: ENDPOINT_CELLS,
    best: Math.max(ENDPOINT_CELLS, longest),
    rank,
    sortKey: side,
    show: (row) => plain(isGroup(row) ? "" : formatEndpoint(row[side])),
  };
}

/** Further numbers of a connection, behind those of `Numbers.more`. */
function tcpColumns({ isWide }: ColumnWishes): FlowColumn[] {
  if (!isWide) return [];
  return [
    NUMBERS.column("retransmits", "RETRANS", 7, 2),
    NUMBERS.column("cwnd", "CWND", 6, 1),
    NUMBERS.column("age_ms", "AGE", 9, 3),
  ];
}

/** LOCAL gives way first, then PROTO joins STATE, then RTT, PID and STATE go. */
function columns({ localCells, remoteCells }: FlowList, wishes: ColumnWishes): FlowColumn[] {
  const cells = CELLS[wishes.style];
  return [
    connectionText("proto", "PROTO", 5, 20),
    endpoint("local", localCells, 10),
    endpoint("remote", remoteCells, 90),
    NUMBERS.column("pid", "PID", cells.pid, 40),
    PROCESS,
    stateColumn(50, false),
    ...NUMBERS.traffic(wishes, 95),
    ...NUMBERS.more(wishes, 70),
    NUMBERS.column("rtt_us", "RTT", cells.rtt, 30),
    ...tcpColumns(wishes),
  ];
}

/**
 * Where PROTO has gone, STATE says it for UDP; where LOCAL has, REMOTE says where a socket without a remote end
 * listens.
 */
function standIn(column: FlowColumn, kept: readonly FlowColumn[]): FlowColumn {
  const isGone = (id: string) => kept.every((other) => other.id !== id);
  if (column.id === "state" && isGone("proto")) return { ...column, show: stateColumn(50, true).show };
  if (column.id !== "remote" || !isGone("local")) return column;
  return {
    ...column,
    show: (row, scale, cells) =>
      !isGroup(row) && row.remote.port === 0
        ? plain(`at ${formatEndpoint(row.local)}`)
        : column.show(row, scale, cells),
  };
}

export const connectionsView: BareView = {
  ...COMMON,
  id: "connections",
  title: "connections",
  groupWords: null,
  folds: false,
  list: (connections, nowNs, wishes) => ({
    rows: inOrder(connections, nowNs, wishes),
    groups: 0,
    ...longestEndpoints(connections),
  }),
  columns,
  standIn,
  sortColumn(key) {
    const column = findColumn(key);
    return column === undefined ? null : sortColumn(key, column.kind);
  },
  depthOf: () => 0,
};
