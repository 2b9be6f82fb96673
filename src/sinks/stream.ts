/** The stream: every refresh as lines, for as long as somebody reads them. */
import type { Sink } from "../core/sink.ts";
import { type ConnectionEvent, EventSource, type Selection } from "../lenses/flows/events.ts";
import { NONE_SKIPPED, type Skipped } from "../lenses/flows/losses.ts";
import { type Sum, Sums } from "../lenses/flows/sums.ts";
import type { Refresh } from "../lenses.ts";
import { Backlog } from "./backlog.ts";
import { atomicLines, eventPieces, isAtomic, type Lines, type Output, type StartInfo } from "./output.ts";
import type { TextWriter } from "./text-writer.ts";

export interface StreamOptions {
  readonly output: Output;
  readonly selection: Selection;
  /** False when nobody certainly reads any more. */
  readonly hasReader: () => boolean;
}

export class Stream implements Sink<Refresh> {
  readonly policy = "merge";
  readonly #writer: TextWriter;
  readonly #info: StartInfo;
  readonly #options: StreamOptions;
  readonly #events: EventSource;
  readonly #sums: Sums;
  readonly #backlog = new Backlog();
  #skipped: Skipped = NONE_SKIPPED;
  #latest: Refresh | null = null;
  #shown: Sum | undefined;
  /** Events that were given to the writer and are not written, and those of them that are under way. */
  #unwritten = 0;
  #underWay = 0;
  /** Whether the latest summary waits in the writer. */
  #summaryWaits = false;

  constructor(writer: TextWriter, info: StartInfo, options: StreamOptions) {
    this.#writer = writer;
    this.#info = info;
    this.#options = options;
    this.#events = new EventSource(options.selection);
    this.#sums = new Sums(options.selection.filter);
  }

  get hasEnded(): boolean {
    return this.#writer.hasEnded;
  }

  /** Writes the start by itself: its reader does not wait for the text of the existing connections. */
  start(refresh: Refresh): void {
    const { at, snapshot } = refresh;
    const { output } = this.#options;
    this.#latest = refresh;
    this.#shown = this.#sums.add(snapshot);
    this.#writer.write(output.start(this.#info, at));
    this.#give(this.#events.of(snapshot), refresh);
  }

  refresh(refresh: Refresh, isLast: boolean): void {
    this.#latest = refresh;
    this.#write(refresh, isLast);
    // Without a write there is no error from a write.
    if (!this.#options.hasReader()) this.#writer.readerLeft();
  }

  ready(): Promise<void> {
    return this.#writer.flushed();
  }

  /** The losses so far that the form has no field for, as a text for standard error; empty: none. */
  lossWarning(): string {
    if (this.#latest === null) return "";
    const { at, snapshot } = this.#latest;
    return this.#options.output.warning(snapshot.losses, this.#skipped, at);
  }

  /** Events that were given to the writer and are neither written nor given up. */
  get unwritten(): number {
    return this.#unwritten;
  }

  /**
   * Gives up the events that the reader has not taken; after the lines under way a last summary counts them. Returns how
   * many there are.
   */
  cutShort(): number {
    const given = this.#unwritten - this.#underWay;
    if (this.#latest === null || (given === 0 && !this.#summaryWaits)) return 0;
    this.#writer.drop();
    this.#unwritten = this.#underWay;
    this.#skipped = { ...this.#skipped, eventsSkipped: this.#skipped.eventsSkipped + given };
    const { at, snapshot } = this.#latest;
    this.#writer.write(this.#options.output.summary(snapshot, this.#skipped, at, this.#shown));
    return given;
  }

  /** Writes a refresh. While the reader is busy with the one before, the events wait. The last refresh is written. */
  #write(refresh: Refresh, isLast: boolean): void {
    const { at, snapshot } = refresh;
    const events = this.#events.of(snapshot);
    const shown = this.#sums.add(snapshot);
    this.#shown = shown;
    if (!this.#writer.isIdle && !isLast) {
      const { refreshesSkipped, eventsSkipped } = this.#skipped;
      this.#skipped = {
        refreshesSkipped: refreshesSkipped + 1,
        eventsSkipped:
          eventsSkipped + this.#backlog.add(events) + this.#backlog.add(this.#events.unlisted(snapshot)),
      };
      return;
    }
    const summary = this.#options.output.summary(snapshot, this.#skipped, at, shown);
    this.#summaryWaits = summary !== "";
    this.#give(this.#backlog.takeWith(events), refresh, summary);
  }

  #give(events: readonly ConnectionEvent[], refresh: Refresh, summary = ""): void {
    this.#unwritten += events.length + 2 * this.#sums.unlisted;
    this.#writer.writePieces(this.#pieces(events, refresh, summary));
  }

  *#pieces(events: readonly ConnectionEvent[], refresh: Refresh, summary: string): Generator<string> {
    const { at, snapshot } = refresh;
    const { output } = this.#options;
    let last: Lines = { text: "", count: 0 };
    for (const some of [events, this.#events.unlisted(snapshot)]) {
      for (const piece of eventPieces(output, some, at)) {
        for (const lines of atomicLines(piece)) {
          yield* this.#written(last);
          last = lines;
        }
      }
    }
    const isOne = isAtomic(last.text + summary);
    if (!isOne) yield* this.#written(last);
    if (refresh === this.#latest) this.#summaryWaits = false;
    yield* this.#written(isOne ? { ...last, text: last.text + summary } : { text: summary, count: 0 });
  }

  /** The writer asks for more when it has written this. */
  *#written({ text, count }: Lines): Generator<string> {
    this.#underWay = count;
    yield text;
    this.#underWay = 0;
    this.#unwritten -= count;
  }
}
