/** What a stream says of flows at the end of a refresh: the sums of the filter, and those of everything. */
import type { Summary } from "../../core/lens.ts";
import type { Refresh } from "../../core/refresh.ts";
import type { Accept } from "./filter.ts";
import { FLOWS } from "./snapshot.ts";
import { type Sum, Sums } from "./sums.ts";

function members({ totals, counts }: Sum): object {
  return {
    bytes_in: totals.bytesIn,
    bytes_out: totals.bytesOut,
    packets_in: totals.packetsIn,
    packets_out: totals.packetsOut,
    rate_in: Math.round(totals.rateIn * 1000) / 1000,
    rate_out: Math.round(totals.rateOut * 1000) / 1000,
    connections: counts.tcp + counts.udp,
    tcp: counts.tcp,
    udp: counts.udp,
    states: Object.fromEntries(counts.byState),
  };
}

export class FlowSummary implements Summary {
  readonly #sums: Sums;
  #machine: Sum | null = null;
  #shown: Sum | null = null;

  /** null: everything. */
  constructor(accept: Accept | null) {
    this.#sums = new Sums(accept);
  }

  add(refresh: Refresh): void {
    const snapshot = FLOWS.of(refresh);
    this.#machine = snapshot;
    this.#shown = this.#sums.add(snapshot);
  }

  /** Each opens and closes. */
  get unlistedEvents(): number {
    return 2 * this.#sums.unlisted;
  }

  get shown(): object {
    return this.#shown === null ? {} : members(this.#shown);
  }

  get everything(): object {
    return this.#machine === null ? {} : members(this.#machine);
  }
}
