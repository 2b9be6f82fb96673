/** The lens of flows where it is on. */
import type { LensParts } from "../../core/lens.ts";
import { NOT_COUNTED, type TableSizes } from "./bounds.ts";
import { Figures, flowLosses } from "./figures.ts";
import { compileFilter, describeFilter } from "./filter.ts";
import { flowHelp } from "./help.ts";
import { FlowIntake, type FlowRecorder } from "./intake.ts";
import { type OpenFlows, openFlows } from "./open.ts";
import type { FlowSettings } from "./options.ts";
import { FLOWS } from "./snapshot.ts";
import { FlowSummary } from "./summary.ts";
import { flowTable } from "./table.ts";
import { flowViews } from "./views/views.ts";

const NS_PER_S = 1e9;

export function parts(settings: FlowSettings): LensParts<OpenFlows, FlowRecorder, TableSizes> {
  const { filter, all, udpTimeoutS } = settings;
  const accept = compileFilter(filter);
  const udpIdleNs = udpTimeoutS * NS_PER_S;
  return {
    id: FLOWS.lens,
    tables: [flowTable(accept)],
    views: flowViews(accept),
    help: flowHelp,
    switches: [{ id: "all", key: "L", meaning: "listening and TIME_WAIT sockets too", isOn: all }],
    filterOptions: describeFilter(filter),
    losses: (refresh) => flowLosses(FLOWS.of(refresh)),
    startMembers: (sizes) => ({
      max_tcp_flows: sizes?.maxTcpFlows ?? null,
      max_udp_flows: sizes?.maxUdpFlows ?? null,
      not_counted: NOT_COUNTED,
    }),
    summary: () => new FlowSummary(accept),
    figures: (words) => new Figures(accept, words),
    recorded: ({ facts }) => ({ tableSizes: facts, udpIdleNs }),
    open: (host, options) => openFlows(host, settings, options),
    intake: (source, { recorder, clock, startNs }) =>
      new FlowIntake(source, recorder, clock, { udpIdleNs, startNs, all }),
  };
}
