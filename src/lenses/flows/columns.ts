/** The registry of columns: what a connection shows, in every output. */
import { formatEndpoint } from "../../base/format.ts";
import { sanitise } from "../../base/sanitise.ts";
import type { Cell, CellKind, Column } from "../../core/column.ts";
import type { Connection } from "./connection.ts";

type Reader = (connection: Connection, nowNs: number) => Cell | undefined;

function column(key: string, title: string, kind: CellKind, read: Reader): Column<Connection> {
  return { key, title, kind, value: (connection, nowNs) => read(connection, nowNs) ?? null };
}

function added(since: number, columns: readonly Column<Connection>[]): Column<Connection>[] {
  return columns.map((one) => ({ ...one, since }));
}

const NS_PER_MS = 1e6;

/** Milliseconds from first sight to the end, or until now. */
function ageMs({ phase, openedNs }: Connection, nowNs: number): number {
  const endNs = phase.kind === "closing" ? phase.closedNs : nowNs;
  return Math.max(0, Math.round((endNs - openedNs) / NS_PER_MS));
}

/** Rates are exact to a thousandth of a byte a second, so that they stay short to read. */
function rate(bytesPerSecond: number): number {
  return Math.round(bytesPerSecond * 1000) / 1000;
}

/** Text, so that sockets without a flow have names of their own. */
function flowName({ key }: Connection): Cell {
  return key > 0 ? String(key) : `s${-key}`;
}

function processName({ owner }: Connection): Cell {
  return owner && sanitise(owner.process);
}

/** The columns for programs, in the order of the contract; new ones are added at the right. */
export const FIELDS: readonly Column<Connection>[] = [
  column("proto", "Proto", "text", (c) => c.protocol),
  column("local_address", "Local address", "text", (c) => c.local.address),
  column("local_port", "Local port", "id", (c) => c.local.port),
  column("remote_address", "Remote address", "text", (c) => c.remote.address),
  column("remote_port", "Remote port", "id", (c) => c.remote.port),
  column("pid", "PID", "id", (c) => c.owner?.pid),
  column("process", "Process", "text", processName),
  column("state", "State", "text", (c) => c.state),
  column("bytes_in", "Bytes in", "bytes", (c) => c.bytesIn),
  column("bytes_out", "Bytes out", "bytes", (c) => c.bytesOut),
  column("packets_in", "Packets in", "count", (c) => c.packetsIn),
  column("packets_out", "Packets out", "count", (c) => c.packetsOut),
  column("rate_in", "Rate in", "rate", (c) => rate(c.rateIn)),
  column("rate_out", "Rate out", "rate", (c) => rate(c.rateOut)),
  column("rtt_us", "RTT", "micros", (c) => c.tcp?.srttUs),
  column("partial", "Partial", "flag", (c) => c.partial),
  ...added(2, [
    column("rtt_min_us", "RTT min", "micros", (c) => c.tcp?.minRttUs),
    column("rtt_var_us", "RTT var", "micros", (c) => c.tcp?.rttvarUs),
    column("retransmits", "Retrans", "count", (c) => c.tcp?.retransmits),
    column("bytes_retrans", "Bytes retrans", "bytes", (c) => c.tcp?.bytesRetrans),
    column("cwnd", "Cwnd", "count", (c) => c.tcp?.sndCwnd),
    column("uid", "UID", "id", (c) => c.owner?.uid),
    column("netns", "Netns", "id", (c) => c.netns),
    // Text: 64 bits do not fit a JSON number of most readers.
    column("cgroup_id", "Cgroup", "text", (c) => c.owner?.cgroupId?.toString()),
    column("age_ms", "Age", "millis", ageMs),
  ]),
  ...added(3, [
    column("shared", "Shared", "flag", (c) => c.owner && c.shared),
    column("assumed", "Assumed", "flag", (c) => c.owner && c.assumed),
    column("flow", "Flow", "text", flowName),
  ]),
  // With the process id a process's name for ever: the id alone may be given again.
  ...added(4, [column("process_start", "Process start", "id", (c) => c.owner?.startNs)]),
];

/** Columns made of others, for the screen and for sorting. */
const COMBINED: readonly Column<Connection>[] = [
  column("local", "Local", "text", (c) => formatEndpoint(c.local)),
  column("remote", "Remote", "text", (c) => formatEndpoint(c.remote)),
  column("bytes", "Bytes", "bytes", (c) => c.bytesIn + c.bytesOut),
  column("packets", "Packets", "count", (c) => c.packetsIn + c.packetsOut),
  column("rate", "Rate", "rate", (c) => rate(c.rateIn + c.rateOut)),
];

const COLUMNS: ReadonlyMap<string, Column<Connection>> = new Map(
  [...FIELDS, ...COMBINED].map((entry) => [entry.key, entry]),
);

export const COLUMN_KEYS: readonly string[] = [...COLUMNS.keys()];

/** Finds a column by key; `rate-in` and `RATE_IN` are `rate_in`, `rtt` is `rtt_us`, `name` is `process`. */
export function findColumn(name: string): Column<Connection> | undefined {
  const key = name.toLowerCase().replaceAll("-", "_");
  const aliases: Readonly<Record<string, string>> = { rtt: "rtt_us", age: "age_ms", name: "process" };
  return COLUMNS.get(Object.hasOwn(aliases, key) ? (aliases[key] ?? key) : key);
}

/** A column the program itself names; throws when there is none of that key. */
export function getColumn(key: string): Column<Connection> {
  const found = COLUMNS.get(key);
  if (!found) throw new Error(`no column ${key}`);
  return found;
}
