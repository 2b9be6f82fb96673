/** The source of refreshes: a capture or a recording. */
import type { ExitError } from "../base/errors.ts";
import type { Refresh } from "../core/refresh.ts";
import type { FanOut } from "../sinks/fan-out.ts";
import type { StartInfo } from "../sinks/output.ts";
import type { PlayStatus } from "../view/play.ts";
import type { Stop } from "./stop.ts";

/** Controls the replay of a recording. */
export interface Player {
  readonly status: PlayStatus;
  togglePause(): void;
  /** Forwards, or backwards below 0. */
  seek(byNs: number): void;
  /** One step faster, or slower with -1. */
  changeSpeed(by: 1 | -1): void;
}

export interface Feed {
  readonly info: StartInfo;
  /** When the capture began, CLOCK_MONOTONIC of its machine. */
  readonly startNs: number;
  /** null for a capture. */
  readonly player: Player | null;
  /** Whether the refreshes are also written to a recording. */
  readonly isRecorded: boolean;
  /** A fault that has not ended the feed, in words; empty: none. */
  readonly notice: string;
  /** The error that the program ends with after the last refresh; null: none. */
  readonly failure: ExitError | null;
  /** Shows refreshes until a request to end, the last iteration or the end of the feed. */
  follow(stop: Stop, sinks: FanOut<Refresh>): Promise<void>;
  setDelay(delayNs: number): void;
  /** Turns a switch of a lens. */
  turn(lens: string, id: string, isOn: boolean): void;
  close(): void;
}
