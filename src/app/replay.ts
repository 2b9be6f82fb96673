/** The feed of a recording: its refreshes at their own pace, faster or slower, from any position. */
import { ExitCode, ExitError, NewerError } from "../base/errors.ts";
import { Slices } from "../base/slices.ts";
import type { ShownLens } from "../core/lens.ts";
import type { LensPlayer } from "../core/recording.ts";
import type { Refresh } from "../core/refresh.ts";
import { LENSES } from "../lenses.ts";
import type { RecordedOperation } from "../recording/operations.ts";
import type { RecordingFrame, RecordingReader, RecordingSpan } from "../recording/reader.ts";
import type { FanOut } from "../sinks/fan-out.ts";
import type { StartInfo } from "../sinks/output.ts";
import type { PlayStatus } from "../view/play.ts";
import type { Feed, Player } from "./feed.ts";
import type { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface ReplayOptions {
  /** Name of the recording on the screen. */
  readonly name: string;
  /** Factor of the speed; 1 is the pace of the recording. */
  readonly speed: number;
  /** null: to the end of the recording. */
  readonly iterations: number | null;
  /** Those that are on. */
  readonly lenses: readonly ShownLens[];
  /** Whether the replay waits for a request to end at the end of the recording. */
  readonly staysAtEnd: boolean;
}

/** The speeds of `changeSpeed`. */
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000] as const;

/** The most rows. More would take some 2 GB; no capture with usual tables has as many. */
const MOST_ROWS = 2 << 20;

const NS_PER_MS = 1e6;

/** Refreshes come some time after the moment they are due: a seek of 10 s is to 10 refreshes of a second. */
const LATENESS_NS = 50e6;

/** A long seek shows how far it is this often. */
const PROGRESS_NS = 250e6;

/** A timer takes no more than 2^31 - 1; after an early end the loop reads the clock and waits on. */
const MOST_SLEEP_MS = 3_600_000;

export class Replay implements Feed, Player {
  readonly info: StartInfo;
  readonly startNs: number;
  readonly player = this;
  readonly isRecorded = false;
  readonly #world: World;
  readonly #options: ReplayOptions;
  readonly #reader: RecordingReader;
  readonly #slices: Slices;
  /** Of the lenses that are on, by their numbers. */
  #players: ReadonlyMap<number, LensPlayer>;
  /** Switches of lenses that were turned, as they are: a replay from the start has them too. */
  readonly #turned = new Map<string, Map<string, boolean>>();
  /** What the recording has and this tcptop does not know, in words. */
  readonly #leftOut = new Set<string>();
  #speed: number;
  #isPaused = false;
  /** Whether the position is the end of the recording. */
  #isAtEnd = false;
  /** Target of the seek under way, CLOCK_MONOTONIC of the recording; null: none. */
  #targetNs: number | null = null;
  /** Time of the last refresh shown; null before the first. */
  #positionNs: number | null = null;
  /** Two equal moments: one by the machine's clock, one of the recording. The replay goes on from there. */
  #anchor = { worldNs: 0, recordingNs: 0 };
  /** The next refresh, if it is read already. */
  #next: RecordingFrame | null = null;
  #span: RecordingSpan | null = null;
  #failure: ExitError | null = null;
  /** Whether pace or position were changed since the last turn of the loop. */
  #isChanged = false;
  #wake: () => void = () => {};

  constructor(world: World, options: ReplayOptions, reader: RecordingReader) {
    this.#world = world;
    this.#options = options;
    this.#reader = reader;
    this.#slices = new Slices(world.clock);
    this.#speed = options.speed;
    this.#players = this.#newPlayers();
    for (const { id, number } of reader.lenses)
      if (!LENSES.some((lens) => lens.number === number) && !this.#players.has(number)) this.#leftOut.add(id);
    const { version, backend, kernel, stepDowns, startNs, privileges = null } = reader.info;
    const facts = new Map(this.#played().map(([id, player]) => [id, player.facts]));
    this.info = { version, backend, kernel, stepDowns, facts, privileges };
    this.startNs = startNs;
  }

  get notice(): string {
    if (this.#failure !== null) return this.#failure.message;
    const isCut = this.#isAtEnd && this.#reader.isUnfinished;
    return [
      ...(isCut ? ["the recorder was stopped while it wrote: an unfinished refresh is left out"] : []),
      ...(this.#leftOut.size === 0 ? [] : [this.#leftOutWords()]),
    ].join("; ");
  }

  get failure(): ExitError | null {
    return this.#failure;
  }

  get status(): PlayStatus {
    const firstNs = this.#span?.firstNs ?? this.#positionNs ?? 0;
    const mode =
      this.#targetNs !== null ? "seeking" : this.#isAtEnd ? "end" : this.#isPaused ? "paused" : "playing";
    return {
      name: this.#options.name,
      positionNs: Math.max(0, (this.#positionNs ?? firstNs) - firstNs),
      lengthNs: this.#span === null ? null : this.#span.lastNs - this.#span.firstNs,
      speed: this.#speed,
      mode,
    };
  }

  togglePause(): void {
    const playheadNs = this.#playheadNs();
    this.#isPaused = !this.#isPaused;
    this.#goOnFrom(playheadNs);
  }

  seek(byNs: number): void {
    const from = this.#targetNs ?? this.#positionNs;
    if (from === null || !this.#reader.isSeekable) return;
    const firstNs = this.#span?.firstNs ?? 0;
    this.#targetNs = Math.max(firstNs, Math.min(from + byNs, this.#span?.lastNs ?? Number.POSITIVE_INFINITY));
    this.#change();
  }

  changeSpeed(by: 1 | -1): void {
    const speed = this.#speed;
    const playheadNs = this.#playheadNs();
    const next = by === 1 ? SPEEDS.find((s) => s > speed) : SPEEDS.findLast((s) => s < speed);
    this.#speed = next ?? speed;
    this.#goOnFrom(playheadNs);
  }

  /** The pace is that of the recording. */
  setDelay(): void {}

  turn(lens: string, id: string, isOn: boolean): void {
    const switches = this.#turned.get(lens) ?? new Map<string, boolean>();
    this.#turned.set(lens, switches.set(id, isOn));
    for (const [played, player] of this.#played()) if (played === lens) player.turn(id, isOn);
  }

  async follow(stop: Stop, sinks: FanOut<Refresh>): Promise<void> {
    if (this.#options.staysAtEnd) this.#measure(sinks);
    let shown = 0;
    while (stop.requests === 0 && !sinks.hasEnded) {
      this.#isChanged = false;
      if (this.#targetNs !== null) {
        await this.#seekTo(stop, sinks, this.#targetNs);
      } else if (this.#isAtEnd && (this.#positionNs === null || !this.#options.staysAtEnd)) {
        if (this.#positionNs === null) this.#failure ??= this.#emptiness();
        return;
      } else if (this.#isPaused || this.#isAtEnd) {
        await this.#sleep(stop, null);
      } else {
        const isShown = await this.#play(stop, sinks);
        if (isShown && this.#options.iterations !== null && shown++ === this.#options.iterations) return;
      }
    }
  }

  close(): void {
    this.#reader.close();
  }

  /** Waits until the next refresh is due, or for a key. Returns whether the refresh was shown. */
  async #play(stop: Stop, sinks: FanOut<Refresh>): Promise<boolean> {
    const frame = await this.#peek(stop);
    if (frame === null) {
      sinks.played();
      return false;
    }
    const isFirst = this.#positionNs === null;
    const dueNs = isFirst ? 0 : this.#dueNs(frame.nowNs) - this.#world.clock.monotonicNs();
    if (dueNs > 0) {
      await this.#sleep(stop, dueNs);
      return false;
    }
    await stop.orNext(sinks.ready());
    if (stop.requests > 0 || this.#isChanged) return false;
    const refresh = this.#take(frame);
    if (refresh === null) {
      sinks.played();
      return false;
    }
    if (isFirst) {
      this.#goOnFrom(frame.nowNs);
      sinks.start(refresh);
    } else sinks.refresh(refresh, false);
    if (this.#slices.areDue()) await this.#slices.next();
    return true;
  }

  /** Reads up to a moment. A moment before the position is reached from the start. */
  async #seekTo(stop: Stop, sinks: FanOut<Refresh>, targetNs: number): Promise<void> {
    sinks.played();
    if (this.#positionNs === null || targetNs < this.#positionNs) this.#rewind(sinks);
    let toldNs = this.#world.clock.monotonicNs();
    while (this.#targetNs === targetNs && stop.requests === 0) {
      const frame = await this.#peek(stop);
      const isThere = frame === null || (this.#positionNs !== null && frame.nowNs > targetNs + LATENESS_NS);
      if (isThere) break;
      const refresh = this.#take(frame);
      if (refresh !== null) sinks.pass(refresh);
      if (!this.#slices.areDue()) continue;
      await this.#slices.next();
      if (this.#world.clock.monotonicNs() - toldNs < PROGRESS_NS) continue;
      sinks.played();
      toldNs = this.#world.clock.monotonicNs();
    }
    if (this.#targetNs !== targetNs) return;
    this.#targetNs = null;
    this.#goOnFrom(this.#positionNs ?? 0);
    sinks.played();
  }

  #rewind(sinks: FanOut<Refresh>): void {
    this.#reader.rewind();
    this.#players = this.#newPlayers();
    this.#positionNs = null;
    this.#next = null;
    this.#isAtEnd = false;
    sinks.rewind();
  }

  /** Throws ExitError 64 for lenses that it must know, and for what a lens refuses. */
  #newPlayers(): ReadonlyMap<number, LensPlayer> {
    const { criticalLenses, lenses: recorded } = this.#reader;
    return this.#reader.inHead(() => {
      const players = new Map<number, LensPlayer>();
      for (const { id, recording } of this.#options.lenses) {
        if (recording === undefined) continue;
        const { number } = recording.form;
        const player = recording.player(recorded.find((lens) => lens.number === number) ?? null);
        for (const [name, isOn] of this.#turned.get(id) ?? []) player.turn(name, isOn);
        players.set(number, player);
      }
      const missing = criticalLenses.find(({ number }) => !players.has(number));
      if (missing !== undefined) throw new NewerError(`which cannot be played without ${missing.id}`);
      return players;
    });
  }

  /** The players, with the ids of their lenses, in the order of the lenses. */
  #played(): (readonly [id: string, player: LensPlayer])[] {
    return this.#options.lenses.flatMap(({ id, recording }) => {
      const player = recording && this.#players.get(recording.form.number);
      return player === undefined ? [] : [[id, player] as const];
    });
  }

  #leftOutWords(): string {
    const what = [...this.#leftOut].join(", ");
    return `the recording has what this tcptop does not know, and leaves out: ${what}`;
  }

  /** The next refresh, null at the end. Takes in the parts before it. */
  async #peek(stop: Stop): Promise<RecordingFrame | null> {
    try {
      while (this.#next === null && stop.requests === 0) {
        const frame = await stop.orNext(this.#reader.next());
        if (frame === null) break;
        if (frame.isRefresh) this.#next = frame;
        else this.#apply(frame);
        if (this.#slices.areDue()) await this.#slices.next();
      }
    } catch (error) {
      this.#endWith(error);
    }
    this.#isAtEnd = this.#next === null;
    return this.#next;
  }

  /** Takes a refresh in. null for a damaged one, which ends the replay. */
  #take(frame: RecordingFrame): Refresh | null {
    this.#next = null;
    try {
      const refresh = this.#apply(frame);
      this.#positionNs = frame.nowNs;
      return refresh;
    } catch (error) {
      this.#endWith(error);
      return null;
    }
  }

  #emptiness(): ExitError {
    const message = `${this.#reader.name} ends before its first refresh`;
    return new ExitError(ExitCode.ioError, message);
  }

  /** Ends the replay; the refreshes before stay. */
  #endWith(error: unknown): void {
    if (!(error instanceof ExitError)) throw error;
    this.#failure = error;
    this.#isAtEnd = true;
  }

  #apply(frame: RecordingFrame): Refresh | null {
    frame.read((operation) => this.#applyOne(operation));
    if (!frame.isRefresh) return null;
    const at = { nowNs: frame.nowNs, wallMs: frame.wallMs };
    const snapshots = this.#played().map(([id, player]) => [id, player.refresh(at)] as const);
    return { at, snapshots: new Map(snapshots) };
  }

  #applyOne({ lens, number, isCritical, bytes }: RecordedOperation): void {
    const player = this.#players.get(lens);
    if (player === undefined) return;
    if (!player.apply(number, bytes)) {
      const id = this.#reader.lenses.find((recorded) => recorded.number === lens)?.id;
      if (isCritical) throw new NewerError(`operation ${number} of ${id} cannot be left out`);
      this.#leftOut.add(`operation ${number} of ${id}`);
    }
    let rows = 0;
    for (const { size } of this.#players.values()) rows += size;
    if (rows > MOST_ROWS) {
      const message = `the recording has more than ${MOST_ROWS} connections at once, too many to replay`;
      throw new ExitError(ExitCode.ioError, message);
    }
  }

  /** Measures the length of the recording while it is played. */
  #measure(sinks: FanOut<Refresh>): void {
    this.#reader.span(this.#world.clock).then(
      (span) => {
        this.#span = span;
        sinks.played();
      },
      // Closed meanwhile.
      () => {},
    );
  }

  /** When a moment of the recording is due, by the machine's clock. */
  #dueNs(recordingNs: number): number {
    return this.#anchor.worldNs + (recordingNs - this.#anchor.recordingNs) / this.#speed;
  }

  /** The present moment of the recording: after the refresh that is shown, before the next one. */
  #playheadNs(): number {
    const { worldNs, recordingNs } = this.#anchor;
    if (this.#isPaused || this.#isAtEnd) return recordingNs;
    const playedNs = (this.#world.clock.monotonicNs() - worldNs) * this.#speed;
    return Math.min(recordingNs + playedNs, this.#next?.nowNs ?? recordingNs);
  }

  /** Makes a moment of the recording the present one. Ends a wait. */
  #goOnFrom(recordingNs: number): void {
    this.#anchor = { worldNs: this.#world.clock.monotonicNs(), recordingNs };
    this.#change();
  }

  #change(): void {
    this.#isChanged = true;
    this.#wake();
  }

  /** Waits `ns` (null: no limit); a request to end or a change of pace or position ends the wait. */
  async #sleep(stop: Stop, ns: number | null): Promise<void> {
    if (this.#isChanged) return;
    let cancel = () => {};
    const over = new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (ns !== null) {
        cancel = this.#world.after(Math.min(Math.ceil(ns / NS_PER_MS), MOST_SLEEP_MS), resolve);
      }
    });
    await stop.orNext(over);
    cancel();
    this.#wake = () => {};
  }
}
