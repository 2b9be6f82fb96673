/** What the kernel side delivers, independent of how it is encoded. */
import { TCP_STATES, type TcpState } from "./connection.ts";

/** `enum flows_kind` of bpf/flows/wire.h. */
export const RecordKind = { open: 1, state: 2, owner: 3, sample: 4, close: 5, totals: 6 } as const;

/** `enum flows_flag` of bpf/flows/wire.h. */
export const RecordFlag = {
  partial: 1,
  owned: 2,
  active: 4,
  timed: 8,
  minRtt: 16,
  shared: 32,
  assumed: 64,
} as const;

export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

/**
 * One flow at one moment: `struct flows_record` of bpf/flows/wire.h, whose comments say what each field
 * means. The decoder's implementation is a cursor: its fields change when it moves on, so copy what
 * must stay. Numbers that are 64 bits wide in the kernel are doubles here, exact up to 2^53.
 */
export interface FlowRecord {
  readonly kind: number;
  readonly id: bigint;
  readonly timeNs: number;
  readonly openedNs: number;
  readonly activeNs: number;
  readonly proto: number;
  readonly state: number;
  readonly flags: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesRetrans: number;
  readonly cgroupId: bigint;
  readonly srttUs: number;
  readonly rttvarUs: number;
  readonly minRttUs: number;
  readonly retransmits: number;
  readonly sndCwnd: number;
  readonly pid: number;
  readonly uid: number;
  readonly netns: number;
  /** Of the socket; 0 where it has none, and in recordings of version 1. */
  readonly inode: number;
  /** CLOCK_BOOTTIME; 0 where unknown, and in recordings of version 1. */
  readonly processStartNs: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** Canonical text, IPv4-mapped shown as IPv4. Made at each call: call once per flow. */
  localAddress(): string;
  remoteAddress(): string;
  /** The owner's name: untrusted text. Made anew at each call. */
  process(): string;
}

/** A socket that existed before the capture, from /proc/net. */
export interface SeedEntry {
  readonly proto: typeof IPPROTO_TCP | typeof IPPROTO_UDP;
  /** Kernel's number, as in FlowRecord. /proc/net/udp has 7 (CLOSE) for an unconnected socket. */
  readonly state: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly uid: number;
  /** 0 when no socket file exists (TIME_WAIT). */
  readonly inode: number;
  readonly netns: number;
  readonly owner: {
    readonly pid: number;
    readonly process: string;
    readonly uid: number | null;
    readonly cgroupId: bigint | null;
    readonly startNs: number | null;
  } | null;
}

/** Existing sockets, and the lines about them that could not be read. */
export interface Seed {
  readonly entries: readonly SeedEntry[];
  readonly linesSkipped: number;
}

/** TCP states of a connection, in contrast to request sockets, TIME_WAIT, listeners and sockets only bound. */
const CONNECTION_STATES: ReadonlySet<TcpState | null | undefined> = new Set<TcpState>([
  "ESTABLISHED",
  "SYN_SENT",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "CLOSE_WAIT",
  "LAST_ACK",
  "CLOSING",
]);

/** Whether a line of /proc/net is a flow, in contrast to a socket that only waits. */
export function isFlow(entry: SeedEntry): boolean {
  return (
    entry.localPort !== 0 &&
    entry.remotePort !== 0 &&
    (entry.proto === IPPROTO_UDP || CONNECTION_STATES.has(TCP_STATES[entry.state]))
  );
}
