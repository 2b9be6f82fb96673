/** The feed of a running capture, which is recorded on request. */
import type { ExitError } from "../base/errors.ts";
import type { LensParts, LensSource } from "../core/lens.ts";
import type { Refresh } from "../core/refresh.ts";
import type { CaptureOptions } from "../platform/platform.ts";
import type { RecordingWriter } from "../recording/writer.ts";
import type { FanOut } from "../sinks/fan-out.ts";
import type { StartInfo } from "../sinks/output.ts";
import type { Feed } from "./feed.ts";
import { Loop, type LoopOptions } from "./loop.ts";
import type { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface LiveOptions extends LoopOptions {
  readonly capture: Omit<CaptureOptions, "lenses">;
  /** Those that are on. */
  readonly lenses: readonly LensParts[];
  readonly version: string;
  /** Makes the file of a recording before privileges are given up. Absent: nothing is recorded. */
  readonly record?: (() => RecordingWriter) | undefined;
}

export class Live implements Feed {
  readonly info: StartInfo;
  readonly player = null;
  readonly #sources: readonly LensSource[];
  readonly #recorder: RecordingWriter | null;
  readonly #loop: Loop;

  /** Opens the capture. Throws ExitError as the platform does, and 73 where the recording cannot be made. */
  constructor(world: World, options: LiveOptions) {
    const { record, capture, version, lenses } = options;
    const recorder = record?.() ?? null;
    this.#recorder = recorder;
    try {
      const { kernel, stepDowns, privileges, sources } = world.platform.open({ ...capture, lenses });
      const opened = lenses.flatMap((lens) => {
        const source = sources.get(lens.id);
        return source === undefined ? [] : [{ lens, source }];
      });
      this.#sources = opened.map(({ source }) => source);
      const { clock } = world;
      const startNs = clock.monotonicNs();
      const recorderOf = ({ recording }: LensParts) =>
        (recording && recorder?.recorderOf(recording.form.number)) ?? null;
      const intakes = opened.map(({ lens, source }) => ({
        lens: lens.id,
        intake: lens.intake(source, {
          recorder: recorderOf(lens),
          clock,
          startNs,
        }),
      }));
      this.#loop = new Loop(world, options, startNs, intakes);
      this.info = {
        version,
        backend: this.#sources.flatMap(({ backend }) => backend ?? []).join(", "),
        kernel,
        stepDowns: [...this.#sources.flatMap((source) => source.stepDowns), ...stepDowns],
        facts: new Map(opened.map(({ lens, source }) => [lens.id, source.facts])),
        privileges,
      };
      const { facts: _, ...info } = this.info;
      const heads = opened.flatMap(({ lens, source }) => {
        if (lens.recording === undefined) return [];
        return [{ ...lens.recording.form, isCritical: false, facts: { ...lens.recorded(source) } }];
      });
      recorder?.begin({ ...info, startNs }, heads);
    } catch (error) {
      recorder?.close();
      throw error;
    }
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
    for (const source of this.#sources) source.close();
    this.#recorder?.close();
  }
}
