/** Where refreshes come from: a capture, a recording. */
import type { ExitError } from "../base/errors.ts";
import type { StartInfo } from "../output/output.ts";
import type { PlayStatus } from "../view/screen/play.ts";
import type { Face } from "./loop.ts";
import type { Stop } from "./stop.ts";

/** How a recording is played. */
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
  /** null: it is no recording. */
  readonly player: Player | null;
  /** What comes is written to a recording as well. */
  readonly isRecorded: boolean;
  /** What went wrong without ending it, in words; empty: nothing. */
  readonly notice: string;
  /** What the program has to end with, once all that could be shown was shown. */
  readonly failure: ExitError | null;
  /** Shows refreshes until a request to end, the end of the iterations or its own. */
  follow(stop: Stop, face: Face): Promise<void>;
  setDelay(delayNs: number): void;
  /** Also the sockets that carry no flow. */
  setAll(all: boolean): void;
  close(): void;
}
