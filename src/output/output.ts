/** What every form of the stream is given and gives back; the forms make text, they do not write it. */
import type { Connection } from "../model/connection.ts";
import type { Losses } from "../model/record.ts";
import type { Snapshot } from "../model/snapshot.ts";
import type { StepDown } from "../platform/platform.ts";

export const FORMATS = ["text", "json", "csv"] as const;
export type Format = (typeof FORMATS)[number];

/** What there is to say once the capture runs and the seed is done. */
export interface StartInfo {
  readonly version: string;
  readonly backend: string;
  readonly kernel: string;
  readonly stepDowns: readonly StepDown[];
}

export type EventName = "open" | "update" | "close";

/** One line of the stream. */
export interface ConnectionEvent {
  readonly event: EventName;
  readonly connection: Connection;
}

/** What was not written because the reader was too slow; both only grow. */
export interface Skipped {
  readonly refreshes: number;
  /** Opens, updates and closes of those refreshes that would have been lines. */
  readonly events: number;
}

/** One moment on both clocks. */
export interface Moment {
  /** Milliseconds since 1970. */
  readonly wallMs: number;
  /** CLOCK_MONOTONIC. */
  readonly nowNs: number;
}

/** A form of the stream. Each method returns whole lines, or nothing. */
export interface Output {
  start(info: StartInfo, at: Moment): string;
  /** In the given order. */
  events(events: readonly ConnectionEvent[], at: Moment): string;
  /** Once a refresh, after its events. Totals and counts are those of all flows, filtered or not. */
  summary(snapshot: Snapshot, skipped: Skipped, at: Moment): string;
  /** What the form had no room for and the user must still be told at the end; for standard error. */
  warning(losses: Losses, skipped: Skipped): string;
}

const LOSS_KEYS: Readonly<Record<keyof Losses, string>> = {
  flowsUntracked: "flows_untracked",
  bytesUntracked: "bytes_untracked",
  datagramsUntracked: "datagrams_untracked",
  recordsDeferred: "records_deferred",
  closesLost: "closes_lost",
  datagramsUncorrected: "datagrams_uncorrected",
  recordsInvalid: "records_invalid",
  seedLinesSkipped: "seed_lines_skipped",
};

const LOSS_ENTRIES = Object.entries(LOSS_KEYS) as [keyof Losses, string][];

/** Every counter of what could not be counted, was late or was not written, by the name users see. */
export function lossCounters(losses: Losses, skipped: Skipped): [key: string, count: number][] {
  return [
    ...LOSS_ENTRIES.map(([field, key]): [string, number] => [key, losses[field]]),
    ["refreshes_skipped", skipped.refreshes],
    ["events_skipped", skipped.events],
  ];
}

/** The counters that are not zero, such as `flows_untracked=2 bytes_untracked=340`; empty if all are. */
export function describeLosses(losses: Losses, skipped: Skipped): string {
  return lossCounters(losses, skipped)
    .filter(([, count]) => count > 0)
    .map(([key, count]) => `${key}=${count}`)
    .join(" ");
}

/** ISO 8601, UTC, milliseconds. */
export function isoTime({ wallMs }: Moment): string {
  return new Date(wallMs).toISOString();
}
