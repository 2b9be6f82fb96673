/** How large the kernel's flow table has to be for this machine. */

const LEAST_FLOWS = 65_536;
const MOST_FLOWS = 1 << 20;

/**
 * Twice the TCP sockets that exist in all network namespaces (`alloc` of /proc/net/sockstat), as a power of
 * two from 65,536 (22 MB of kernel memory) to 1,048,576. Text without that number gives the least.
 */
export function tcpTableSize(sockstat: string): number {
  const allocated = Number(/^TCP: .*\balloc (\d{1,9})\b/m.exec(sockstat)?.[1] ?? 0);
  const size = 2 ** Math.ceil(Math.log2(Math.max(1, 2 * allocated)));
  return Math.min(MOST_FLOWS, Math.max(LEAST_FLOWS, size));
}
