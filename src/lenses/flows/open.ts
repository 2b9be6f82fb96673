/** Begins a capture of flows. */
import { readFileSync } from "node:fs";
import type { LensSource, OpenOptions } from "../../core/lens.ts";
import type { SourceHost } from "../../core/source.ts";
import type { TableSizes } from "./bounds.ts";
import { FlowCapture } from "./capture.ts";
import type { FlowSettings } from "./options.ts";
import { openPrograms } from "./programs.ts";
import type { FlowSource } from "./source.ts";
import { tcpTableSize } from "./table-size.ts";

const NS_PER_S = 1e9;

const DEFAULT_MAX_UDP_FLOWS = 32_768;
/** Some 11,000 events between two drains; the mapping counts twice as resident memory. */
const DEFAULT_RING_BYTES = 2 << 20;

export interface OpenFlows extends FlowSource, LensSource {
  readonly backend: string;
  readonly facts: TableSizes;
}

function readSockstat(): string {
  try {
    return readFileSync("/proc/net/sockstat", "latin1");
  } catch {
    return "";
  }
}

/** Throws SourceError, and NothingWorks where no backend can be used. */
export function openFlows(host: SourceHost, settings: FlowSettings, options: OpenOptions): OpenFlows {
  const { backend, stepDowns, tableSizes, ...programs } = openPrograms(host, {
    backend: options.backend,
    udpIdleNs: settings.udpTimeoutS * NS_PER_S,
    maxTcpFlows: settings.maxTcpFlows ?? tcpTableSize(readSockstat()),
    maxUdpFlows: settings.maxUdpFlows ?? DEFAULT_MAX_UDP_FLOWS,
    ringBytes: options.ringBytes ?? DEFAULT_RING_BYTES,
  });
  return Object.assign(new FlowCapture(programs, host.proc), { backend, stepDowns, facts: tableSizes });
}
