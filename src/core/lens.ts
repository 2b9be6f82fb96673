/** What the rooms behind the lenses know of a lens. */
import type { Clock, Moment } from "../base/clock.ts";
import type { Figures } from "./figures.ts";
import type { Loss, LossCounter } from "./losses.ts";
import type { OptionAdder } from "./options.ts";
import type { ProcessFacts, ProcessId } from "./process.ts";
import type { LensRecorder, LensRecording } from "./recording.ts";
import type { Refresh, Snapshot } from "./refresh.ts";
import type { SourceHost, StepDown } from "./source.ts";
import type { Table } from "./table.ts";
import type { View } from "./view.ts";

/**
 * The state of a lens. It is pure, without clock, timer and I/O, and a recording has all that reaches it: its operations
 * and its refreshes, in their order. A capture and a replay of its recording therefore show the same.
 */
export interface Model<Operation, Losses, S> {
  apply(operation: Operation): void;
  /** Everything that happened since the refresh before, and what there is now. `nowNs`: CLOCK_MONOTONIC. */
  refresh(nowNs: number, losses: Losses): S;
  /** Rows in memory. */
  readonly size: number;
  /** Whether so much has come and gone that a refresh should not wait. */
  readonly isCrowded: boolean;
}

/** The way from a capture to the model of one lens. */
export interface Intake {
  /** Reads what there is already, for `begin`. Once, right after the capture begins. */
  seed(): Promise<void>;
  /** Takes in what `seed` has read; before the first refresh. */
  begin(): void;
  /** Takes in the events that wait, between two refreshes. */
  drain(): void;
  /** Takes in all that a refresh shows: events and totals. Throws the error of a read ahead that failed. */
  collect(): void;
  /** Right after `collect`. */
  refresh(at: Moment): Snapshot;
  /** Begins to read what the next refreshes show and what takes time. */
  readAhead(): void;
  /** Whether a refresh should not wait: before a flood fills the memory. */
  readonly isCrowded: boolean;
  /** Turns a switch of the lens (`Switch`). */
  turn(id: string, isOn: boolean): void;
}

/** Something that a person can turn on and off while tcptop runs. */
export interface Switch {
  readonly id: string;
  /** On the keyboard. */
  readonly key: string;
  /** On the page of keys. */
  readonly meaning: string;
  readonly isOn: boolean;
}

/** Keys or marks, and what they mean. */
export type Described = readonly (readonly [what: string, meaning: string])[];

/** What the page of keys says of a lens. */
export interface LensHelp<Facts extends object = object> {
  /** What the filter of the screen is compared with, as words of a list. */
  readonly filterWords: string;
  readonly keys: Described;
  readonly marks: Described;
  /** Sentences; `facts`: of the capture. */
  remarks(facts: Facts | undefined): readonly string[];
}

/** What a stream says of a lens at the end of a refresh. */
export interface Summary {
  /** Takes in the next refresh; every one, in order. */
  add(refresh: Refresh): void;
  /** Events of the last refresh that are not among the listed ones (`EventSource.unlisted`). */
  readonly unlistedEvents: number;
  /** Members of a line of JSON: of what the filter lets through, and of everything. */
  readonly shown: object;
  readonly everything: object;
}

/** What every lens is opened with. */
export interface OpenOptions {
  /** A backend, or `auto`. */
  readonly backend: string;
  /** Undefined: as much as the lens takes by itself. Tests make it small. */
  readonly ringBytes: number | undefined;
}

/** What a lens captures with, from its opening to close(). */
export interface LensSource {
  /** Name of the hooks in use; null where there is no choice. */
  readonly backend: string | null;
  readonly stepDowns: readonly StepDown[];
  /** What the start of a stream, the page of keys and a recording say of it. */
  readonly facts: object;
  /** Detaches every program. Safe to call twice. */
  close(): void;
}

/** What an intake works with. */
export interface IntakeContext {
  /** Gets all that reaches the model; null: nothing is recorded. */
  readonly recorder: LensRecorder | null;
  readonly clock: Clock;
  /** When the capture began, CLOCK_MONOTONIC. */
  readonly startNs: number;
}

/** A lens that is on, with the options it was given, as far as a replay needs it. `Facts`: what it knows of a capture. */
export interface ShownLens<Facts extends object = object> {
  readonly id: string;
  readonly tables: readonly Table[];
  readonly views: readonly View[];
  readonly help: LensHelp<Facts>;
  readonly switches: readonly Switch[];
  /** The filter of the command line as options, sanitised; empty: everything. */
  readonly filterOptions: string;
  /** All its loss counters at a refresh, in the order of the outputs. */
  losses(refresh: Refresh): readonly Loss[];
  /** Members of the first line of JSON; `facts`: of the capture. */
  startMembers(facts: Facts | undefined): object;
  summary(): Summary;
  /** `words`: the filter of the screen. */
  figures(words: string): Figures;
  /** Absent: the lens is neither recorded nor replayed. */
  readonly recording?: LensRecording;
  /** What the lens knows of a process, also of one that has ended; null: nothing. */
  describe?(process: ProcessId, refresh: Refresh): ProcessFacts | null;
}

/** A lens that is on and captures. */
export interface LensParts<Source extends LensSource = LensSource, Facts extends object = object>
  extends ShownLens<Facts> {
  /** What the head of a recording says of it: what a replay makes the model with, and facts. */
  recorded(source: Source): object;
  /** Loads and attaches. Throws SourceError and NothingWorks. */
  open(host: SourceHost, options: OpenOptions): Source;
  intake(source: Source, context: IntakeContext): Intake;
}

/**
 * A lens, whether it is on or off. Only what the command line has to know: the rest is loaded where it is on.
 * `Settings`: what its options were set to.
 */
export interface Lens<Settings extends object = object> {
  readonly id: string;
  /** In the heads of records and in recordings. */
  readonly number: number;
  /** Ids of its tables, for `--log NAME=FILE`. */
  readonly tables: readonly string[];
  /** Names that `--sort` accepts. */
  readonly sortKeys: readonly string[];
  /** The key of a column by a name that the user gave, such as `rtt` for `rtt_us`; null: there is none. */
  sortKey(name: string): string | null;
  readonly lossCounters: readonly LossCounter[];
  /** Of its own group of options, with a colon; null: it has none. */
  readonly heading: string | null;
  /** Adds its options, and gives what they set: their defaults until the command line is read. */
  options(add: OptionAdder): Settings;
  isOn(settings: Settings): boolean;
  load(): Promise<{ parts(settings: Settings): LensParts }>;
  /** For a replay; absent: what captures is loaded too. */
  loadShown?(): Promise<{ parts(settings: Settings): ShownLens }>;
}
