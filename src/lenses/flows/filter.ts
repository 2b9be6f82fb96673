/** Which connections the user wants to see. */
import { type AddressRange, type Endpoint, parseAddressRange } from "../../base/address.ts";
import { sanitise } from "../../base/sanitise.ts";
import type { Connection, Protocol } from "./connection.ts";

export type Family = 4 | 6;

/** Kinds combine with AND, the values of one kind with OR; an empty list asks for nothing. */
export interface Filter {
  readonly pids: readonly number[];
  /** Parts of process names, upper and lower case alike, as in htop's filter. */
  readonly processes: readonly string[];
  /** Of either end. */
  readonly ports: readonly number[];
  /** Of either end. */
  readonly hosts: readonly AddressRange[];
  readonly protocols: readonly Protocol[];
  readonly families: readonly Family[];
  /** Hides flows that have both ends on the loopback. */
  readonly noLoopback: boolean;
}

/** Whether a connection is to be shown. */
export type Accept = (connection: Connection) => boolean;

/** The kernel keeps this much of a process name (TASK_COMM_LEN without the NUL). */
const COMM_BYTES = 15;

/** A name that is longer than the kernel keeps is compared as the kernel cuts it. */
function processPattern(name: string): string {
  return Buffer.from(name).subarray(0, COMM_BYTES).toString().toLowerCase();
}

const LOOPBACK = ["127.0.0.0/8", "::1"].flatMap((text) => parseAddressRange(text) ?? []);

function isLoopback({ address }: Endpoint): boolean {
  return LOOPBACK.some((range) => range.contains(address));
}

/** Both ends of a flow are of one family; IPv4-mapped is IPv4. */
function familyOf({ local }: Connection): Family {
  return local.address.includes(":") ? 6 : 4;
}

function tests(filter: Filter): Accept[] {
  const { pids, ports, hosts, protocols, families } = filter;
  const patterns = filter.processes.map(processPattern);
  const list: Accept[] = [];
  if (protocols.length > 0) list.push((c) => protocols.includes(c.protocol));
  if (families.length > 0) list.push((c) => families.includes(familyOf(c)));
  if (pids.length > 0) list.push((c) => c.owner !== null && pids.includes(c.owner.pid));
  if (ports.length > 0) list.push((c) => ports.includes(c.local.port) || ports.includes(c.remote.port));
  if (patterns.length > 0) {
    list.push(({ owner }) => {
      const name = owner?.process.toLowerCase();
      return name !== undefined && patterns.some((pattern) => name.includes(pattern));
    });
  }
  if (hosts.length > 0) {
    list.push((c) => hosts.some((host) => host.contains(c.local.address) || host.contains(c.remote.address)));
  }
  if (filter.noLoopback) list.push((c) => !(isLoopback(c.local) && isLoopback(c.remote)));
  return list;
}

/** Makes one question of a filter; null when it lets everything through. */
export function compileFilter(filter: Filter): Accept | null {
  const list = tests(filter);
  return list.length === 0 ? null : (connection) => list.every((test) => test(connection));
}

/** As the options that ask for it: `--process nginx --no-loopback`; empty where it lets everything through. */
export function describeFilter(filter: Filter): string {
  const { pids, processes, ports, hosts, protocols, families, noLoopback } = filter;
  const values = (flag: string, list: readonly (string | number)[]) =>
    list.length === 0 ? [] : [`${flag} ${list.join(",")}`];
  return [
    ...values("--pid", pids),
    ...values("--process", processes.map(sanitise)),
    ...values("--port", ports),
    ...values(
      "--host",
      hosts.map(({ text }) => text),
    ),
    ...protocols.map((protocol) => `--${protocol}`),
    ...families.map((family) => `--ipv${family}`),
    ...(noLoopback ? ["--no-loopback"] : []),
  ].join(" ");
}
