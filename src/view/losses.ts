/** What could not be counted or shown, as people are told of it. */
import { LOSS_COUNTERS, type Losses, type Skipped } from "../model/losses.ts";
import { formatBytes, formatTimeOfDay } from "./format.ts";

function inWords(count: number, [unit, fate]: readonly [unit: string, fate: string]): string {
  const amount = unit === "bytes" ? formatBytes(count) : `${count} ${unit}${count === 1 ? "" : "s"}`;
  return `${amount} ${fate}`;
}

/** What is missing, a phrase a counter; counters of what was only late say nothing. */
export function describeLosses(losses: Losses, skipped: Skipped): string[] {
  return LOSS_COUNTERS.flatMap(({ missing, read }) => {
    const count = read(losses, skipped);
    return missing === null || count === 0 ? [] : [inWords(count, missing)];
  });
}

/** Knows when something was lost last. */
export class LossWatch {
  #words = "";
  #lastMs = 0;

  /** Takes in what a refresh says; `wallMs`: milliseconds since 1970. */
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
