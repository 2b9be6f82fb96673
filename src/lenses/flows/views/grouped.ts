/** The views of processes and of remote hosts, with their connections under them. */
import { formatEndpoint, UNKNOWN } from "../../../base/format.ts";
import { sanitise } from "../../../base/sanitise.ts";
import { displayWidth, truncate } from "../../../base/width.ts";
import { sortRows, sortsSmallestFirst } from "../../../core/sort.ts";
import { plain } from "../../../core/tone.ts";
import type { ColumnWishes, ListWishes, Order } from "../../../core/view.ts";
import type { Connection } from "../connection.ts";
import { ownerMark } from "../marks.ts";
import { CELLS, type FlowColumn, Numbers, PROCESS, stateColumn, text } from "./cells.ts";
import { findGroupColumn, type Group, type Grouping, groupConnections } from "./groups.ts";
import {
  type BareView,
  COMMON,
  type FlowList,
  type FlowRow,
  inFrozenOrder,
  inOrder,
  isGroup,
  longestEndpoints,
  sortColumn,
} from "./rows.ts";

function sortGroups(groups: readonly Group[], { key, reverse }: Order, grouping: Grouping) {
  const column = findGroupColumn(key, grouping);
  if (column === undefined) return groups;
  const smallestFirst = sortsSmallestFirst(column.kind) !== reverse;
  return sortRows(groups, (group) => column.value(group), { smallestFirst });
}

function list(
  connections: readonly Connection[],
  nowNs: number,
  wishes: ListWishes,
  grouping: Grouping,
): FlowList {
  const sorted = sortGroups(groupConnections(connections, grouping), wishes.order, grouping);
  const groups = inFrozenOrder(sorted, wishes.frozen);
  const rows = groups.flatMap((group): FlowRow[] =>
    wishes.isUnfolded(group.id) ? [group, ...inOrder(group.connections, nowNs, wishes)] : [group],
  );
  return { rows, groups: groups.length, ...longestEndpoints(connections) };
}

function hasChildren({ rows, groups }: FlowList): boolean {
  return rows.length > groups;
}

/** One connection under its group, in one text; the local end only where there is room for it. */
function childText(connection: Connection, grouping: Grouping, cells: number): string {
  const { protocol, local, remote, owner } = connection;
  const mark = ownerMark(connection);
  const process = owner === null ? UNKNOWN : `${sanitise(owner.process)}[${owner.pid}]${mark}`;
  const there =
    grouping === "processes" ? `${formatEndpoint(remote)} ${mark}`.trimEnd() : `:${remote.port} ${process}`;
  const whole = `  ${protocol} ${formatEndpoint(local)} → ${there}`;
  return displayWidth(whole) <= cells ? whole : `  ${protocol} → ${there}`;
}

/** The column that names groups, with their connections indented under them. */
function nameColumn(shown: FlowList, grouping: Grouping): FlowColumn {
  const longestGroup = grouping === "hosts" ? shown.remoteCells : PROCESS.best;
  const there = grouping === "hosts" ? PROCESS.best + 16 : shown.remoteCells;
  const longestChild = hasChildren(shown) ? shown.localCells + there + 9 : 0;
  return {
    ...text("name", grouping === "hosts" ? "REMOTE HOST" : "PROCESS", 16),
    best: Math.max(longestGroup, longestChild, PROCESS.best),
    rank: 100,
    sortKey: grouping === "hosts" ? "remote" : "process",
    show: (row, _, cells) => plain(isGroup(row) ? row.name : childText(row, grouping, cells)),
  };
}

function columns(shown: FlowList, wishes: ColumnWishes, grouping: Grouping): FlowColumn[] {
  const cells = CELLS[wishes.style];
  const numbers = new Numbers(grouping);
  const isOfProcesses = grouping === "processes";
  return [
    ...(isOfProcesses ? [numbers.ofGroups("pid", "PID", cells.pid, 80)] : []),
    nameColumn(shown, grouping),
    numbers.ofGroups("connections", "CONNS", 6, 60),
    numbers.ofGroups("others", isOfProcesses ? "PEERS" : "PROCESSES", isOfProcesses ? 6 : 9, 20),
    ...(hasChildren(shown) ? [{ ...stateColumn(10, true), sortKey: null }] : []),
    ...numbers.traffic(wishes, 95),
    ...numbers.more(wishes, 70),
    numbers.column("rtt_us", "LOWEST RTT", Math.max(10, cells.rtt), 30),
  ];
}

const COMMAND: FlowColumn = {
  ...text("command", "COMMAND", 16),
  best: 160,
  rank: 0,
  sortKey: null,
  show(row, { describe }, cells) {
    const owner = isGroup(row) ? row.owner : null;
    const command = owner === null ? null : (describe(owner)?.commandLine ?? null);
    return plain(command === null ? "" : truncate(sanitise(command), cells));
  },
};

function viewOf(
  grouping: Grouping,
  title: string,
  groupWords: readonly [one: string, many: string],
): BareView {
  return {
    ...COMMON,
    id: grouping,
    title,
    groupWords,
    folds: true,
    list: (connections, nowNs, wishes) => list(connections, nowNs, wishes, grouping),
    columns: (shown, wishes) => columns(shown, wishes, grouping),
    sortColumn(key) {
      const column = findGroupColumn(key, grouping);
      return column === undefined ? null : sortColumn(key, column.kind);
    },
    depthOf: (row) => (isGroup(row) ? 0 : 1),
  };
}

export const processesView: BareView = {
  ...viewOf("processes", "processes", ["process", "processes"]),
  filler: COMMAND,
};

export const hostsView: BareView = viewOf("hosts", "remote hosts", ["remote host", "remote hosts"]);
