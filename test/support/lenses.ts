/** The lens of flows as the program has it, for tests of what comes after the model. */
import type { StreamFeedOptions } from "../../src/app/run.ts";
import type { LensParts } from "../../src/core/lens.ts";
import type { Refresh } from "../../src/core/refresh.ts";
import type { Table } from "../../src/core/table.ts";
import { Figures, flowLosses } from "../../src/lenses/flows/figures.ts";
import type { Accept } from "../../src/lenses/flows/filter.ts";
import type { FlowSettings } from "../../src/lenses/flows/options.ts";
import { parts } from "../../src/lenses/flows/parts.ts";
import { FLOWS, type Snapshot } from "../../src/lenses/flows/snapshot.ts";
import { FlowSummary } from "../../src/lenses/flows/summary.ts";
import { flowTable } from "../../src/lenses/flows/table.ts";
import { flowViews } from "../../src/lenses/flows/views/views.ts";
import { csvOutput } from "../../src/sinks/csv.ts";
import { jsonOutput } from "../../src/sinks/json.ts";
import type { LensSummary } from "../../src/sinks/output.ts";

/** As the command line sets them without an option. */
export const SETTINGS: FlowSettings = {
  filter: { pids: [], processes: [], ports: [], hosts: [], protocols: [], families: [], noLoopback: false },
  all: false,
  udpTimeoutS: 5,
  maxTcpFlows: undefined,
  maxUdpFlows: undefined,
};

/** The order of first sight. */
export const NO_ORDER = { key: null, reverse: false } as const;

/** `accept`: a filter that options may not have words for. */
export function flowLens(accept: Accept | null = null, settings: Partial<FlowSettings> = {}): LensParts {
  return {
    ...parts({ ...SETTINGS, ...settings }),
    tables: [flowTable(accept)],
    views: flowViews(accept),
    summary: () => new FlowSummary(accept),
    figures: (words) => new Figures(accept, words),
  };
}

/** Its only table. */
export function flowsTable(accept: Accept | null = null): Table {
  const table: Table = flowTable(accept);
  return table;
}

export function refreshOf(snapshot: Snapshot, wallMs = 0): Refresh {
  return FLOWS.alone({ nowNs: snapshot.timeNs, wallMs }, snapshot);
}

/** What a form of the stream is given at the end of a refresh. */
export function summaryOf(snapshot: Snapshot, accept: Accept | null = null): LensSummary[] {
  const summary = new FlowSummary(accept);
  summary.add(refreshOf(snapshot));
  const { shown, everything } = summary;
  const losses = flowLosses(snapshot);
  return [{ lens: FLOWS.lens, intervalS: snapshot.intervalS, losses, shown, everything }];
}

/** A stream of flows as JSON, in the order of first sight. */
export function jsonStream(lens: LensParts = flowLens()): StreamFeedOptions["stream"] {
  return { output: jsonOutput([lens]), lenses: [lens], order: NO_ORDER };
}

export function csvStream(): StreamFeedOptions["stream"] {
  return { output: csvOutput(flowsTable()), lenses: [flowLens()], order: NO_ORDER };
}
