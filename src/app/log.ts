/** The log: every refresh as rows of a file, beside whatever else shows it. */
import { ExitCode, ExitError } from "../base/errors.ts";
import { Backlog } from "../output/backlog.ts";
import { csvOutput } from "../output/csv.ts";
import { EventSource, type Selection } from "../output/events.ts";
import type { LogFile } from "../output/log-file.ts";
import type { Face, Look } from "./loop.ts";
import type { World } from "./world.ts";

export interface LogOptions {
  readonly selection: Selection;
  /** A failure ends it, as it ends a stream; else it tries again at each refresh. */
  readonly endsOnFailure: boolean;
}

export class Log {
  readonly #file: LogFile;
  readonly #endsOnFailure: boolean;
  readonly #events: EventSource;
  readonly #output = csvOutput();
  /** What could not be written yet: the latest of each connection, so that its final totals come late, not never. */
  readonly #backlog = new Backlog();
  /** Rows that there were to write, and those in the file. */
  #rows = 0;
  #written = 0;
  /** Why the last attempt failed; null: it did not. */
  #failure: ExitError | null = null;
  #lastFailure: ExitError | null = null;
  #onEnd: () => void = () => {};

  /** `file` is open. */
  constructor(file: LogFile, { selection, endsOnFailure }: LogOptions) {
    this.#file = file;
    this.#endsOnFailure = endsOnFailure;
    this.#events = new EventSource(selection);
  }

  /** Whether nothing more is written. */
  get hasEnded(): boolean {
    return this.#endsOnFailure && this.#failure !== null;
  }

  /** Calls back once, when writing failed and is not tried again. */
  onEnd(listener: () => void): void {
    this.#onEnd = listener;
  }

  /** What the user should know while it runs; empty: all is well. */
  get warning(): string {
    const trouble = this.#trouble;
    if (trouble === null) return "";
    return `${this.#missing} not written: ${this.#failure === null ? "it works again" : trouble.message}`;
  }

  /** Why the program cannot end with 0: exit code 74, or 73 for a file that must not be written to. */
  get error(): ExitError | null {
    const trouble = this.#trouble;
    if (trouble === null || this.#endsOnFailure || this.#rowsMissing === 0) return trouble;
    const message = `${this.#missing} of the log not written: ${trouble.message}`;
    return new ExitError(ExitCode.ioError, message, { cause: trouble });
  }

  /** Writes what there is to tell of a refresh. */
  record({ at, snapshot }: Look): void {
    if (this.hasEnded) return;
    const events = this.#events.of(snapshot);
    this.#rows += events.length;
    const waiting = this.#backlog.takeWith(events);
    if (!this.#attempt(() => this.#file.append(this.#output.events(waiting, at)))) {
      this.#backlog.add(waiting);
      return;
    }
    this.#failure = null;
    this.#written += waiting.length;
  }

  /** From now on writes to what is at the file's path now. */
  reopen(): void {
    if (!this.hasEnded) this.#attempt(() => this.#file.reopen());
  }

  close(): void {
    this.#attempt(() => this.#file.close());
  }

  get #rowsMissing(): number {
    return this.#rows - this.#written;
  }

  /** The rows that are missing, in words. */
  get #missing(): string {
    return `${this.#rowsMissing} ${this.#rowsMissing === 1 ? "row" : "rows"}`;
  }

  /** Why it fails now, or why rows are missing. */
  get #trouble(): ExitError | null {
    return this.#failure ?? (this.#rowsMissing > 0 ? this.#lastFailure : null);
  }

  /** Whether it worked. */
  #attempt(call: () => void): boolean {
    try {
      call();
      return true;
    } catch (error) {
      if (!(error instanceof ExitError)) throw error;
      if (this.hasEnded) return false;
      this.#failure = this.#lastFailure = error;
      if (this.#endsOnFailure) this.#onEnd();
      return false;
    }
  }
}

/** Logs each refresh before it is shown; with a log that has ended it is the last one. */
export function logged(face: Face, log: Log | null): Face {
  if (log === null) return face;
  return {
    start(look) {
      log.record(look);
      face.start(look);
    },
    refresh(look, isLast) {
      log.record(look);
      face.refresh(look, isLast || log.hasEnded);
    },
    get hasEnded() {
      return face.hasEnded || log.hasEnded;
    },
    ready: () => face.ready(),
    pass: (look) => face.pass(look),
    rewind: () => face.rewind(),
    played: () => face.played(),
  };
}

/** A world where SIGHUP reopens the log; where the terminal has gone it is still a request to end. */
export function reopenedByHangup(world: World, log: Log): World {
  return {
    ...world,
    onStop: (call) =>
      world.onStop((signal) => {
        if (signal === "SIGHUP" && !world.hasLostTerminal()) log.reopen();
        else call(signal);
      }),
  };
}
