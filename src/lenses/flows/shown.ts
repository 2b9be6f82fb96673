/** The lens of flows, as far as it shows what there is. */
import type { ShownLens } from "../../core/lens.ts";
import { NOT_COUNTED, type TableSizes } from "./bounds.ts";
import { Figures, flowLosses } from "./figures.ts";
import { compileFilter, describeFilter } from "./filter.ts";
import { flowHelp } from "./help.ts";
import type { FlowSettings } from "./options.ts";
import { FlowPlayer } from "./player.ts";
import { FLOWS_FORM } from "./recorded.ts";
import { FLOWS } from "./snapshot.ts";
import { FlowSummary } from "./summary.ts";
import { flowTable } from "./table.ts";
import { flowViews } from "./views/views.ts";

export function parts({ filter, all }: FlowSettings): ShownLens<TableSizes> {
  const accept = compileFilter(filter);
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
    recording: { form: FLOWS_FORM, player: (recorded) => new FlowPlayer(recorded, all) },
  };
}
