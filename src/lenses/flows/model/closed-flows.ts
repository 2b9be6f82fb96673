/** Remembers flows that are over, for long enough that a late record never brings one back. */
import { type Counters, ZERO } from "./counters.ts";
import { IdSet } from "./id-set.ts";

/** A close by the kernel is remembered in the refresh it falls into and over this many more. */
const CONFIRMED_MEMORY_REFRESHES = 2;

/**
 * How long a close that was only presumed is remembered. The kernel's own close normally follows at
 * the next sweep and ends the wait; this bounds the memory when that is lost.
 */
const PRESUMED_MEMORY_NS = 60e9;

/** A flow that is over. */
export interface ClosedFlow {
  /** What its rows have shown together, in the record's terms. */
  readonly counters: Counters;
  /** Nothing can follow: the kernel has said the last word on a stream. */
  readonly isFinal: boolean;
}

const FINAL: ClosedFlow = { counters: ZERO, isFinal: true };

/** More ends of streams in one refresh count as two refreshes: this bounds the memory to 12 MB. */
const MOST_IDS = 1 << 17;

export class ClosedFlows {
  /** Streams closed by the kernel, and other flows closed by it; the newest refresh first. */
  readonly #final = Array.from({ length: CONFIRMED_MEMORY_REFRESHES + 1 }, () => new IdSet());
  readonly #confirmed = Array.from(
    { length: CONFIRMED_MEMORY_REFRESHES + 1 },
    () => new Map<bigint, ClosedFlow>(),
  );
  /** Closed by inference, in the order of `forgetNs`. */
  readonly #presumed = new Map<bigint, ClosedFlow & { readonly forgetNs: number }>();

  get(id: bigint): ClosedFlow | undefined {
    if (this.#final.some((ids) => ids.has(id))) return FINAL;
    for (const flows of this.#confirmed) {
      const flow = flows.get(id);
      if (flow !== undefined) return flow;
    }
    return this.#presumed.get(id);
  }

  /** The kernel said so. */
  addConfirmed(id: bigint, flow: ClosedFlow): void {
    this.forget(id);
    if (!flow.isFinal) {
      this.#confirmed[0]?.set(id, flow);
      return;
    }
    if ((this.#final[0]?.size ?? 0) >= MOST_IDS) this.#ageFinal();
    this.#final[0]?.add(id);
  }

  /** Inferred, so the flow may yet go on. */
  addPresumed(id: bigint, counters: Counters, nowNs: number): void {
    this.forget(id);
    this.#presumed.set(id, { counters, isFinal: false, forgetNs: nowNs + PRESUMED_MEMORY_NS });
  }

  /** Of one that is not final. */
  forget(id: bigint): void {
    for (const flows of this.#confirmed) flows.delete(id);
    this.#presumed.delete(id);
  }

  #ageFinal(): void {
    this.#final.pop();
    this.#final.unshift(new IdSet());
  }

  /** Once a refresh. */
  age(nowNs: number): void {
    this.#ageFinal();
    this.#confirmed.pop();
    this.#confirmed.unshift(new Map());
    for (const [id, { forgetNs }] of this.#presumed) {
      if (forgetNs > nowNs) break;
      this.#presumed.delete(id);
    }
  }
}
