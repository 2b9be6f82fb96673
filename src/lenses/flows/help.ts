/** What the page of keys says of flows. */
import type { LensHelp } from "../../core/lens.ts";
import { NOT_COUNTED, type TableSizes } from "./bounds.ts";

export const flowHelp: LensHelp<TableSizes> = {
  filterWords: "address, port, process",
  keys: [
    ["r R", "sort by rate in, rate out"],
    ["p n s t", "sort by PID, name, state, RTT"],
    ["a A P", "sort by local, remote, protocol"],
  ],
  marks: [
    ["*", "older than tcptop: counted since then"],
    ["▸ ▾", "a group, closed and open"],
    ["name+", "several processes use the socket; the last"],
    ["name?", "nobody was seen using it; who listens or holds"],
  ],
  remarks(sizes) {
    const { maxTcpFlows = null, maxUdpFlows = null } = sizes ?? {};
    return [
      `Not counted: ${NOT_COUNTED.join(", ")}.`,
      ...(maxTcpFlows === null || maxUdpFlows === null
        ? []
        : [
            `Room for ${maxTcpFlows} TCP and ${maxUdpFlows} UDP flows at a time; flows beyond that are counted as lost.`,
          ]),
    ];
  },
};
