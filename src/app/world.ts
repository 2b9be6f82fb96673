/** All that the program needs of the machine. Tests pass a `World` of their own. */
import type { Clock } from "../base/clock.ts";
import type { Platform } from "../platform/platform.ts";
import type { OutputStream } from "../sinks/text-writer.ts";

export type StopSignal = NodeJS.Signals;

export type Cancel = () => void;

export interface World {
  readonly clock: Clock;
  readonly platform: Platform;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** Calls once, not before `ms` milliseconds have passed. */
  after(ms: number, call: () => void): Cancel;
  /** Calls at each request to end. */
  onStop(call: (signal: StopSignal) => void): Cancel;
  /** Whether the terminal that the program was started at has gone; false without one. */
  hasLostTerminal(): boolean;
}
