/** Connections put together by what they have in common: a process, or the host they talk to. */
import { UNKNOWN } from "../../../base/format.ts";
import { sanitise } from "../../../base/sanitise.ts";
import type { Cell, CellKind } from "../../../core/column.ts";
import type { Connection, Owner } from "../connection.ts";

/** Sums over its connections, as far as the filter lets them through. */
export interface Group {
  readonly id: string;
  /** Process name or host; sanitised. */
  readonly name: string;
  /** null for hosts and for what has no owner. */
  readonly owner: Owner | null;
  readonly connections: readonly Connection[];
  /** Distinct remote addresses of a process, distinct processes of a host. */
  readonly others: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly rateIn: number;
  readonly rateOut: number;
  /** The lowest smoothed round-trip time in microseconds, null if none is known. */
  readonly rttUs: number | null;
}

export type Grouping = "processes" | "hosts";

const OTHERS: Readonly<Record<Grouping, (connection: Connection) => string | number>> = {
  processes: ({ remote }) => remote.address,
  hosts: ({ owner }) => (owner === null ? UNKNOWN : `${owner.pid} ${owner.startNs}`),
};

function idOf({ owner, remote }: Connection, grouping: Grouping): string {
  if (grouping === "hosts") return `host ${remote.address}`;
  return owner === null ? "process" : `process ${owner.pid} ${owner.startNs} ${owner.process}`;
}

function groupOf(id: string, connections: readonly Connection[], grouping: Grouping): Group {
  const [first] = connections;
  const owner = grouping === "processes" ? (first?.owner ?? null) : null;
  const host = first?.remote.address ?? UNKNOWN;
  const sum = { bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0, rateIn: 0, rateOut: 0 };
  let rttUs: number | null = null;
  const others = new Set<string | number>();
  for (const connection of connections) {
    sum.bytesIn += connection.bytesIn;
    sum.bytesOut += connection.bytesOut;
    sum.packetsIn += connection.packetsIn;
    sum.packetsOut += connection.packetsOut;
    sum.rateIn += connection.rateIn;
    sum.rateOut += connection.rateOut;
    const srttUs = connection.tcp?.srttUs ?? null;
    if (srttUs !== null) rttUs = Math.min(srttUs, rttUs ?? srttUs);
    others.add(OTHERS[grouping](connection));
  }
  const name = grouping === "hosts" ? host : owner === null ? UNKNOWN : sanitise(owner.process);
  return { id, name, owner, connections, others: others.size, rttUs, ...sum };
}

/** In the order in which each group's first connection comes. */
export function groupConnections(connections: readonly Connection[], grouping: Grouping): Group[] {
  const members = new Map<string, Connection[]>();
  for (const connection of connections) {
    const id = idOf(connection, grouping);
    const list = members.get(id);
    if (list === undefined) members.set(id, [connection]);
    else list.push(connection);
  }
  return [...members].map(([id, list]) => groupOf(id, list, grouping));
}

export interface GroupColumn {
  readonly kind: CellKind;
  value(group: Group): Cell;
}

const NAME: GroupColumn = { kind: "text", value: ({ name }) => name };

/** What groups are sorted by; the keys are those of a connection's columns where they mean the same. */
const COLUMNS: Readonly<Record<string, GroupColumn>> = {
  pid: { kind: "id", value: ({ owner }) => owner?.pid ?? null },
  connections: { kind: "count", value: ({ connections }) => connections.length },
  others: { kind: "count", value: ({ others }) => others },
  rate: { kind: "rate", value: ({ rateIn, rateOut }) => rateIn + rateOut },
  rate_in: { kind: "rate", value: ({ rateIn }) => rateIn },
  rate_out: { kind: "rate", value: ({ rateOut }) => rateOut },
  bytes: { kind: "bytes", value: ({ bytesIn, bytesOut }) => bytesIn + bytesOut },
  bytes_in: { kind: "bytes", value: ({ bytesIn }) => bytesIn },
  bytes_out: { kind: "bytes", value: ({ bytesOut }) => bytesOut },
  packets_in: { kind: "count", value: ({ packetsIn }) => packetsIn },
  packets_out: { kind: "count", value: ({ packetsOut }) => packetsOut },
  rtt_us: { kind: "micros", value: ({ rttUs }) => rttUs },
};

/** The column of a group by its key, undefined where groups have none. */
export function findGroupColumn(key: string, grouping: Grouping): GroupColumn | undefined {
  if (key === (grouping === "processes" ? "process" : "remote")) return NAME;
  if (key === "pid" && grouping === "hosts") return undefined;
  return Object.hasOwn(COLUMNS, key) ? COLUMNS[key] : undefined;
}
