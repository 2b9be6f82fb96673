/** The lens of processes: who started whom, what they run and how they end. */
import type { Lens } from "../../core/lens.ts";
import { PROCESS_COUNTERS } from "./losses.ts";
import { type ProcessSettings, processOptions } from "./options.ts";

export const processes: Lens<ProcessSettings> = {
  id: "processes",
  number: 2,
  heading: "Processes:",
  tables: ["processes", "files"],
  sortKeys: [],
  sortKey: () => null,
  lossCounters: PROCESS_COUNTERS,
  options: processOptions,
  isOn: (settings) => settings.processes,
  load: () => import("./parts.ts"),
};
