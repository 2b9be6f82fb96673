/** What tcptop knows about one TCP connection or UDP flow. */
import type { Endpoint } from "../../base/address.ts";

export type Protocol = "tcp" | "udp";

/** Names of the kernel's TCP states as `ss` and RFC 9293 spell them, with underscores. */
export type TcpState =
  | "ESTABLISHED"
  | "SYN_SENT"
  | "SYN_RECV"
  | "FIN_WAIT1"
  | "FIN_WAIT2"
  | "TIME_WAIT"
  | "CLOSE"
  | "CLOSE_WAIT"
  | "LAST_ACK"
  | "LISTEN"
  | "CLOSING"
  | "NEW_SYN_RECV"
  | "BOUND_INACTIVE";

/**
 * Indexed by the kernel's number (include/net/tcp_states.h); 0 is no state. The two last ones never
 * reach a user: NEW_SYN_RECV is a request socket, BOUND_INACTIVE exists only in diagnostics.
 */
export const TCP_STATES: readonly (TcpState | null)[] = [
  null,
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
  "LISTEN",
  "CLOSING",
  "NEW_SYN_RECV",
  "BOUND_INACTIVE",
];

/** A process, as it was when it was seen with a socket. */
export interface Owner {
  readonly pid: number;
  /** Its name as the kernel gives it: untrusted text, sanitise before showing. */
  readonly process: string;
  readonly uid: number | null;
  /** cgroup v2 id, null when unknown. */
  readonly cgroupId: bigint | null;
  /** When the process began, CLOCK_BOOTTIME; null when unknown. Together with the pid it identifies a process. */
  readonly startNs: number | null;
}

/** TCP's own measurements; null where the kernel has none yet. */
export interface TcpMetrics {
  readonly srttUs: number | null;
  readonly rttvarUs: number | null;
  readonly minRttUs: number | null;
  readonly retransmits: number;
  readonly bytesRetrans: number;
  readonly sndCwnd: number | null;
}

/** Where a connection is in its life on the screen. */
export type Phase =
  /** Opened since the refresh before. */
  | { readonly kind: "new" }
  | { readonly kind: "live" }
  /** Over; shown for one more refresh. */
  | { readonly kind: "closing"; readonly closedNs: number };

/** One row, as of one refresh. Totals count from first sight. */
export interface Connection {
  /** Unique and stable for one run; a row keeps it for life. Below zero for sockets that carry no flow. */
  readonly key: number;
  readonly protocol: Protocol;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Inode number of the network namespace. */
  readonly netns: number;
  readonly owner: Owner | null;
  /** More than one process has used the socket; the owner is the last one. */
  readonly shared: boolean;
  /** No process was seen using the socket: the owner is its listener, or holds it open. */
  readonly assumed: boolean;
  /** null for UDP, which has no states. */
  readonly state: TcpState | null;
  /** CLOCK_MONOTONIC of the change to that state; null for UDP, and where it is older than tcptop. */
  readonly stateSinceNs: number | null;
  readonly phase: Phase;
  /** Older than tcptop: its totals began at zero when tcptop started. */
  readonly partial: boolean;
  readonly openedNs: number;
  /** CLOCK_MONOTONIC of the last byte or datagram, null when none was seen. */
  readonly activeNs: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  /** Bytes a second over the last refresh. */
  readonly rateIn: number;
  readonly rateOut: number;
  /** null for UDP. */
  readonly tcp: TcpMetrics | null;
}
