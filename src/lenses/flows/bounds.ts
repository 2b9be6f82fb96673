/** How much a capture can follow, and what it does not. */

/** Flows that the kernel side has room for at a time; null: the recording does not have the number. */
export interface TableSizes {
  readonly maxTcpFlows: number | null;
  readonly maxUdpFlows: number | null;
}

export const NOT_KNOWN: TableSizes = { maxTcpFlows: null, maxUdpFlows: null };

/** Traffic that is in no row and no total. */
export const NOT_COUNTED: readonly string[] = [
  "ICMP",
  "SCTP",
  "DCCP",
  "UDP-Lite",
  "raw IP",
  "packet sockets",
  "outer flows of tunnels",
  "UDP redirected by a sockmap",
  "vsock",
  "unix sockets",
];
