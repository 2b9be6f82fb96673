/** The stream: every refresh as lines, for as long as somebody reads them. */
import type { ShownLens } from "../core/lens.ts";
import { NONE_SKIPPED, type Skipped } from "../core/losses.ts";
import type { Refresh } from "../core/refresh.ts";
import type { Sink } from "../core/sink.ts";
import type { EventSource, Table, TableEvent, TableOrder } from "../core/table.ts";
import { Backlog } from "./backlog.ts";
import {
  atomicLines,
  eventPieces,
  isAtomic,
  type LensSummary,
  type Lines,
  type Output,
  type StartInfo,
} from "./output.ts";
import type { TextWriter } from "./text-writer.ts";

/** The part of a lens that is streamed. */
export type StreamedLens = Pick<ShownLens, "id" | "tables" | "losses" | "summary">;

export interface StreamOptions {
  readonly output: Output;
  /** Those that are on. */
  readonly lenses: readonly StreamedLens[];
  readonly order: TableOrder;
  /** False when nobody certainly reads any more. */
  readonly hasReader: () => boolean;
}

/** A table, its events for this stream, and those that wait. */
interface Streamed {
  readonly table: Table;
  readonly source: EventSource;
  readonly backlog: Backlog;
}

/** Events of one table at one refresh. */
interface Listed {
  readonly streamed: Streamed;
  readonly events: readonly TableEvent[];
}

export class Stream implements Sink<Refresh> {
  readonly policy = "merge";
  readonly #writer: TextWriter;
  readonly #info: StartInfo;
  readonly #options: StreamOptions;
  readonly #tables: readonly Streamed[];
  readonly #summaries: readonly (readonly [
    lens: StreamedLens,
    summary: ReturnType<StreamedLens["summary"]>,
  ])[];
  #skipped: Skipped = NONE_SKIPPED;
  #latest: Refresh | null = null;
  /** Events that were given to the writer and are not written, and those of them that are under way. */
  #unwritten = 0;
  #underWay = 0;
  /** Whether the latest summary waits in the writer. */
  #summaryWaits = false;

  constructor(writer: TextWriter, info: StartInfo, options: StreamOptions) {
    this.#writer = writer;
    this.#info = info;
    this.#options = options;
    const { lenses, order } = options;
    this.#tables = lenses
      .flatMap(({ tables }) => tables)
      .map((table) => ({ table, source: table.source(order), backlog: new Backlog(table) }));
    this.#summaries = lenses.map((lens) => [lens, lens.summary()]);
  }

  get hasEnded(): boolean {
    return this.#writer.hasEnded;
  }

  /** Writes the start by itself: its reader does not wait for the text of what there is already. */
  start(refresh: Refresh): void {
    this.#latest = refresh;
    this.#sum(refresh);
    this.#writer.write(this.#options.output.start(this.#info, refresh.at));
    this.#give(this.#eventsOf(refresh), refresh);
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
    return this.#options.output.warning(this.#summaryOf(this.#latest), this.#skipped, this.#latest.at);
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
    this.#writer.write(this.#summaryText(this.#latest));
    return given;
  }

  #sum(refresh: Refresh): void {
    for (const [, summary] of this.#summaries) summary.add(refresh);
  }

  /** As of the last refresh that was summed up; losses are those of `refresh`. */
  #summaryOf(refresh: Refresh): LensSummary[] {
    return this.#summaries.map(([{ id, losses }, { shown, everything }]) => ({
      lens: id,
      intervalS: refresh.snapshots.get(id)?.intervalS ?? 0,
      losses: losses(refresh),
      shown,
      everything,
    }));
  }

  #summaryText(refresh: Refresh): string {
    return this.#options.output.summary(this.#summaryOf(refresh), this.#skipped, refresh.at);
  }

  #eventsOf(refresh: Refresh): Listed[] {
    return this.#tables.map((streamed) => ({ streamed, events: streamed.source.of(refresh) }));
  }

  /** Keeps events for later; returns how many found no room. */
  #keep(listed: readonly Listed[], refresh: Refresh): number {
    return listed.reduce(
      (skipped, { streamed: { backlog, source }, events }) =>
        skipped + backlog.add(events) + backlog.add(source.unlisted(refresh)),
      0,
    );
  }

  /** Writes a refresh. While the reader is busy with the one before, the events wait. The last refresh is written. */
  #write(refresh: Refresh, isLast: boolean): void {
    const listed = this.#eventsOf(refresh);
    this.#sum(refresh);
    if (!this.#writer.isIdle && !isLast) {
      const { refreshesSkipped, eventsSkipped } = this.#skipped;
      this.#skipped = {
        refreshesSkipped: refreshesSkipped + 1,
        eventsSkipped: eventsSkipped + this.#keep(listed, refresh),
      };
      return;
    }
    const summary = this.#summaryText(refresh);
    this.#summaryWaits = summary !== "";
    const all = listed.map(({ streamed, events }) => ({
      streamed,
      events: streamed.backlog.takeWith(events),
    }));
    this.#give(all, refresh, summary);
  }

  #give(listed: readonly Listed[], refresh: Refresh, summary = ""): void {
    for (const { events } of listed) this.#unwritten += events.length;
    for (const [, { unlistedEvents }] of this.#summaries) this.#unwritten += unlistedEvents;
    this.#writer.writePieces(this.#pieces(listed, refresh, summary));
  }

  /** The lines of all tables, each made when it is asked for. */
  *#linesOf(listed: readonly Listed[], refresh: Refresh): Generator<Lines> {
    const { output } = this.#options;
    for (const { streamed, events } of listed) {
      const { table, source } = streamed;
      for (const some of [events, source.unlisted(refresh)]) {
        const pieces = eventPieces(some, (piece) => output.events(table, piece, refresh.at));
        for (const piece of pieces) yield* atomicLines(piece);
      }
    }
  }

  *#pieces(listed: readonly Listed[], refresh: Refresh, summary: string): Generator<string> {
    let last: Lines = { text: "", count: 0 };
    for (const lines of this.#linesOf(listed, refresh)) {
      yield* this.#written(last);
      last = lines;
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
