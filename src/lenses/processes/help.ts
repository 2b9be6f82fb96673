/** What the page of keys says of processes. */
import type { LensHelp } from "../../core/lens.ts";

export const processHelp: LensHelp = {
  filterWords: "process, PID, command",
  keys: [],
  marks: [],
  remarks: () => [
    "In the process tree, the numbers of a process are those of all under it too.",
    "A process stands under the one that began it, or under the nearest one above it that still lives.",
  ],
};
