/** The log of a table: every refresh as rows of a file, beside the screen or the stream. */
import type { Moment } from "../base/clock.ts";
import { ExitCode, ExitError } from "../base/errors.ts";
import type { Refresh } from "../core/refresh.ts";
import type { Sink } from "../core/sink.ts";
import type { EventSource, Table, TableEvent, TableOrder } from "../core/table.ts";
import { Backlog } from "./backlog.ts";
import { csvLines } from "./csv.ts";
import type { LogFile } from "./log-file.ts";
import { eventPieces } from "./output.ts";

export interface LogOptions {
  readonly table: Table;
  readonly order: TableOrder;
  /** Whether a failure ends the log, as it ends a stream. If not, each refresh tries again. */
  readonly endsOnFailure: boolean;
}

function countOf(items: Iterable<unknown>): number {
  let count = 0;
  for (const _ of items) count++;
  return count;
}

export class Log implements Sink<Refresh> {
  readonly policy = "must write";
  readonly #file: LogFile;
  readonly #endsOnFailure: boolean;
  readonly #events: EventSource;
  readonly #table: Table;
  /** Rows that could not be written yet. Of each row of the table the latest event waits, so that no final totals are lost. */
  readonly #backlog: Backlog;
  /** Rows of all refreshes so far, and the rows in the file. */
  #rows = 0;
  #written = 0;
  /** Why the last attempt failed; null: it succeeded. */
  #failure: ExitError | null = null;
  #lastFailure: ExitError | null = null;
  #onEnd: () => void = () => {};

  /** `file` is open. */
  constructor(file: LogFile, { table, order, endsOnFailure }: LogOptions) {
    this.#file = file;
    this.#endsOnFailure = endsOnFailure;
    this.#table = table;
    this.#events = table.source(order);
    this.#backlog = new Backlog(table);
  }

  /** Whether nothing more is written. */
  get hasEnded(): boolean {
    return this.#endsOnFailure && this.#failure !== null;
  }

  /** Calls back once, when a failure ends the log. */
  onEnd(listener: () => void): void {
    this.#onEnd = listener;
  }

  /** A fault of the log while it runs, in words; empty: none. */
  get warning(): string {
    const trouble = this.#trouble;
    if (trouble === null) return "";
    return `${this.#missing} not written: ${this.#failure === null ? "it works again" : trouble.message}`;
  }

  /** The error that the program ends with: exit code 74, or 73 for a file that must not be written to. */
  get error(): ExitError | null {
    const trouble = this.#trouble;
    if (trouble === null || this.#endsOnFailure || this.#rowsMissing === 0) return trouble;
    const message = `${this.#missing} of the log not written: ${trouble.message}`;
    return new ExitError(ExitCode.ioError, message, { cause: trouble });
  }

  start(refresh: Refresh): void {
    this.refresh(refresh);
  }

  /** Writes the rows of a refresh. */
  refresh(refresh: Refresh): void {
    if (this.hasEnded) return;
    const events = this.#events.of(refresh);
    const brief = this.#events.unlisted(refresh);
    const briefRows = countOf(brief);
    this.#rows += events.length + briefRows;
    const waiting = this.#backlog.takeWith(events);
    if (!this.#attempt(() => this.#file.append(this.#pieces(waiting, brief, refresh.at)))) {
      this.#backlog.add(waiting);
      this.#backlog.add(brief);
      return;
    }
    this.#failure = null;
    this.#written += waiting.length + briefRows;
  }

  *#pieces(waiting: Iterable<TableEvent>, brief: Iterable<TableEvent>, at: Moment): Generator<string> {
    const textOf = (events: readonly TableEvent[]) => csvLines(this.#table, events, at);
    yield* eventPieces(waiting, textOf);
    yield* eventPieces(brief, textOf);
  }

  /** Opens the path anew and writes to the file found there from now on. */
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

  /** Why the log fails now, or why rows are missing. */
  get #trouble(): ExitError | null {
    return this.#failure ?? (this.#rowsMissing > 0 ? this.#lastFailure : null);
  }

  /** Whether the call succeeded. */
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
