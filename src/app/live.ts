/** The feed of a running capture, which is recorded on request. */
import type { ExitError } from "../base/errors.ts";
import type { LensParts } from "../core/lens.ts";
import type { Refresh } from "../core/refresh.ts";
import type { Capture, CaptureOptions } from "../platform/platform.ts";
import type { RecordingWriter } from "../recording/writer.ts";
import type { FanOut } from "../sinks/fan-out.ts";
import type { StartInfo } from "../sinks/output.ts";
import type { Feed } from "./feed.ts";
import { Loop, type LoopOptions } from "./loop.ts";
import type { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface LiveOptions extends LoopOptions {
  readonly capture: CaptureOptions;
  /** Those that are on. */
  readonly lenses: readonly LensParts[];
  readonly version: string;
  /** Makes the file of a recording before privileges are given up. Absent: nothing is recorded. */
  readonly record?: (() => RecordingWriter) | undefined;
}

export class Live implements Feed {
  readonly info: StartInfo;
  readonly player = null;
  readonly #capture: Capture;
  readonly #recorder: RecordingWriter | null;
  readonly #loop: Loop;

  /** Opens the capture. Throws ExitError as the platform does, and 73 where the recording cannot be made. */
  constructor(world: World, options: LiveOptions) {
    const { record, capture: captureOptions, version, lenses } = options;
    const recorder = record?.() ?? null;
    try {
      this.#capture = world.platform.open(captureOptions);
    } catch (error) {
      recorder?.close();
      throw error;
    }
    this.#recorder = recorder;
    const { clock } = world;
    const startNs = clock.monotonicNs();
    const source = this.#capture;
    const intakes = lenses.map((lens) => {
      return { lens: lens.id, intake: lens.intake(source, { recorder, clock, startNs }) };
    });
    this.#loop = new Loop(world, options, startNs, intakes);
    const { backend, kernel, stepDowns, tableSizes } = this.#capture;
    this.info = {
      version,
      backend,
      kernel,
      stepDowns,
      facts: new Map(lenses.map(({ id }) => [id, tableSizes])),
    };
    const { udpIdleNs } = captureOptions;
    this.#recorder?.begin({ version, backend, kernel, stepDowns, tableSizes, udpIdleNs, startNs });
  }

  get startNs(): number {
    return this.#loop.startNs;
  }

  get isRecorded(): boolean {
    return this.#recorder !== null && this.failure === null;
  }

  get notice(): string {
    return this.#recorder?.notice ?? "";
  }

  get failure(): ExitError | null {
    return this.#recorder?.failure ?? null;
  }

  /** Calls back once, when recording fails. */
  onFailure(listener: () => void): void {
    this.#recorder?.onFailure(listener);
  }

  follow(stop: Stop, sinks: FanOut<Refresh>): Promise<void> {
    return this.#loop.follow(stop, sinks);
  }

  setDelay(delayNs: number): void {
    this.#loop.setDelay(delayNs);
  }

  turn(lens: string, id: string, isOn: boolean): void {
    this.#loop.turn(lens, id, isOn);
  }

  close(): void {
    this.#capture.close();
    this.#recorder?.close();
  }
}
