/** Losses in words, for people. */
import { formatBytes, formatTimeOfDay } from "../../base/format.ts";
import { LOSS_COUNTERS, type Losses, type Skipped } from "./losses.ts";

function inWords(count: number, [unit, fate]: readonly [unit: string, fate: string]): string {
  const amount = unit === "bytes" ? formatBytes(count) : `${count} ${unit}${count === 1 ? "" : "s"}`;
  return `${amount} ${fate}`;
}

/** One phrase for each counter of something missing. Counters of something late have none. */
export function describeLosses(losses: Losses, skipped: Skipped): string[] {
  return LOSS_COUNTERS.flatMap(({ missing, read }) => {
    const count = read(losses, skipped);
    return missing === null || count === 0 ? [] : [inWords(count, missing)];
  });
}

/** Remembers the time of the last loss. */
export class LossWatch {
  #words = "";
  #lastMs = 0;

  /** Takes in the losses of a refresh; `wallMs`: milliseconds since 1970. */
  see(losses: Losses, skipped: Skipped, wallMs: number): void {
    const words = describeLosses(losses, skipped).join("; ");
    if (words === this.#words) return;
    this.#words = words;
    this.#lastMs = wallMs;
  }

  copy(): LossWatch {
    const copy = new LossWatch();
    copy.#words = this.#words;
    copy.#lastMs = this.#lastMs;
    return copy;
  }

  /** `incomplete, last at 12:04:32: 2 flows not shown, ...`; empty: nothing is missing. */
  get text(): string {
    return this.#words && `incomplete, last at ${formatTimeOfDay(this.#lastMs)}: ${this.#words}`;
  }
}
