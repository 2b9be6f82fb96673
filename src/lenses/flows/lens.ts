/** The lens of flows: TCP connections and UDP flows. It is always on. */
import type { Lens } from "../../core/lens.ts";
import { COLUMN_KEYS, findColumn } from "./columns.ts";
import { FLOW_COUNTERS } from "./losses.ts";
import { type FlowSettings, flowOptions } from "./options.ts";

export const flows: Lens<FlowSettings> = {
  id: "flows",
  number: 1,
  tables: ["flows"],
  sortKeys: COLUMN_KEYS,
  sortKey: (name) => findColumn(name)?.key ?? null,
  lossCounters: FLOW_COUNTERS,
  heading: null,
  options: flowOptions,
  isOn: () => true,
  load: () => import("./parts.ts"),
  loadShown: () => import("./shown.ts"),
};
