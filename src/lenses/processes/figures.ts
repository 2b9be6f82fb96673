/** The figures above the process tree: those of flows, and how many processes there are. */
import type { Asked, Figures, Header, Reading } from "../../core/figures.ts";
import { type Loss, LossWatch, lossesOf } from "../../core/losses.ts";
import type { Refresh } from "../../core/refresh.ts";
import type { Connection } from "../flows/connection.ts";
import { Figures as FlowFigures } from "../flows/figures.ts";
import { PROCESS_COUNTERS } from "./losses.ts";
import { PROCESSES, type Snapshot } from "./snapshot.ts";
import type { TreePast } from "./views/details.ts";
import type { TreeItem } from "./views/items.ts";

/** All loss counters at a refresh. */
export function processLosses({ losses }: Snapshot): Loss[] {
  return lossesOf(PROCESS_COUNTERS, losses);
}

class ProcessReading implements Reading<TreeItem, TreePast> {
  readonly losses: string;
  readonly #flows: ReturnType<FlowFigures["freeze"]>;

  constructor(flows: ReturnType<FlowFigures["freeze"]>, losses: string) {
    this.#flows = flows;
    this.losses = losses;
  }

  pastOf(item: TreeItem): TreePast {
    return item.kind === "connection" ? this.#flows.pastOf(item.connection) : null;
  }

  header({ words, refresh, passing }: Asked<TreeItem>): Header {
    const connections: Connection[] = [];
    for (const item of passing) if (item.kind === "connection") connections.push(item.connection);
    return this.#flows.header({ words, refresh, passing: connections });
  }
}

export class ProcessFigures implements Figures<TreeItem, TreePast> {
  readonly #flows: FlowFigures;
  #watch = new LossWatch();

  /** `words`: the filter of the screen. */
  constructor(words: string) {
    this.#flows = new FlowFigures(null, words);
  }

  get losses(): string {
    return this.#watch.text;
  }

  pastOf(item: TreeItem): TreePast {
    return new ProcessReading(this.#flows, "").pastOf(item);
  }

  header(asked: Asked<TreeItem>): Header {
    return new ProcessReading(this.#flows, "").header(asked);
  }

  record(refresh: Refresh): void {
    this.#flows.record(refresh);
    this.#watch.see(processLosses(PROCESSES.of(refresh)), refresh.at.wallMs);
  }

  freeze(): Reading<TreeItem, TreePast> {
    return new ProcessReading(this.#flows.freeze(), this.#watch.text);
  }
}
