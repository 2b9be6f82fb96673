/** A machine for tests: its time stands still until it is moved, its kernel says what the test says. */
import type { Ending } from "../../src/app/run.ts";
import type { Cancel, StopSignal, World } from "../../src/app/world.ts";
import type { LensSource } from "../../src/core/lens.ts";
import type { ProcessFacts } from "../../src/core/process.ts";
import { type Losses, NO_LOSSES } from "../../src/lenses/flows/losses.ts";
import type { OpenFlows } from "../../src/lenses/flows/open.ts";
import type { FlowRecord, Seed, SeedEntry } from "../../src/lenses/flows/record.ts";
import type { TakeRecords } from "../../src/lenses/flows/source.ts";
import type { CaptureOptions, Platform } from "../../src/platform/platform.ts";
import type { OutputStream } from "../../src/sinks/text-writer.ts";
import { copyRecord, encodeRecords } from "./records.ts";

const NS_PER_MS = 1e6;

/** 12:04:26 of 21 November 2026, UTC, at zero of the monotonic clock. */
const ZERO_MS = Date.UTC(2026, 10, 21, 12, 4, 26);

export function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** The failure or failures that a stream ended with, else whether all was written. */
export function outcomeOf({ failures, isFlushed }: Ending): unknown {
  if (failures.length > 1) return failures;
  return failures[0] ?? isFlushed;
}

/** Keeps what is written; by default all of it arrives at once. */
export class FakeStream implements OutputStream {
  isTerminal = false;
  readonly writes: string[] = [];
  /** How often a write was tried, the failed ones included. */
  attempts = 0;
  /** Whether the reader reads. While it does not, writes wait. */
  #reads = true;
  #failure: Error | null = null;
  #waiting: ((error: Error | null) => void)[] = [];

  write(text: string, done: (error: Error | null) => void): void {
    this.attempts++;
    if (this.#failure === null) this.writes.push(text);
    this.#waiting.push(done);
    if (this.#reads) this.resume();
  }

  /** The reader stops reading. */
  stall(): void {
    this.#reads = false;
  }

  /** The reader reads on, up to the last byte. */
  resume(): void {
    this.#reads = true;
    for (const done of this.#waiting.splice(0)) done(this.#failure);
  }

  /** Every write from now on fails, the waiting ones at once. */
  fail(error: Error): void {
    this.#failure = error;
    for (const done of this.#waiting.splice(0)) done(error);
  }

  get text(): string {
    return this.writes.join("");
  }

  /** The lines as JSON objects. */
  get objects(): Record<string, unknown>[] {
    return this.text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

/** A capture that delivers what the test puts in, and notes how it is used. */
export class FakeCapture implements OpenFlows {
  readonly backend = "fentry";
  readonly stepDowns = [];
  readonly facts = { maxTcpFlows: 65_536, maxUdpFlows: 32_768 };
  /** Calls in their order, `drain` and `sweep` with the time in milliseconds. */
  readonly calls: string[] = [];
  /** Records for the next drain, and for the next sweep. */
  readonly ring: FlowRecord[] = [];
  readonly moved: FlowRecord[] = [];
  lossCounts: Losses = NO_LOSSES;
  seeding: Promise<Seed> = Promise.resolve({ entries: [], linesSkipped: 0 });
  /** What calls of sockets() do, one each; after the last they find nothing. */
  readonly socketReads: (() => Promise<Seed>)[] = [];
  /** What /proc tells of TCP connections. */
  listed: readonly SeedEntry[] | null = [];
  drainFailure: Error | null = null;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  seed(): Promise<Seed> {
    this.calls.push("seed");
    return this.seeding;
  }

  sockets(): Promise<Seed> {
    this.calls.push(`sockets ${this.#nowMs()}`);
    const read = this.socketReads.shift() ?? (() => Promise.resolve({ entries: [], linesSkipped: 0 }));
    return read();
  }

  drain(take: TakeRecords): void {
    if (this.drainFailure) throw this.drainFailure;
    this.calls.push(`drain ${this.#nowMs()}`);
    this.#deliver(this.ring.splice(0), take);
  }

  sweep(take: TakeRecords): void {
    this.calls.push(`sweep ${this.#nowMs()}`);
    this.#deliver(this.moved.splice(0), take);
  }

  sweepAll(take: TakeRecords): void {
    this.calls.push(`sweepAll ${this.#nowMs()}`);
    this.#deliver(this.moved.splice(0), take);
  }

  async connections(namespaces: ReadonlySet<number>): Promise<readonly SeedEntry[] | null> {
    this.calls.push(`connections ${this.#nowMs()} ${[...namespaces].join(" ")}`);
    return this.listed;
  }

  #deliver(records: readonly FlowRecord[], take: TakeRecords): void {
    if (records.length > 0) take(encodeRecords(...records.map(copyRecord)));
  }

  losses(): Losses {
    return this.lossCounts;
  }

  close(): void {
    this.calls.push("close");
  }
}

interface Timer {
  readonly dueNs: number;
  readonly call: () => void;
}

/** Lets everything that waits for a promise run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class FakeWorld implements World {
  readonly stdout = new FakeStream();
  readonly stderr = new FakeStream();
  readonly capture = new FakeCapture(() => this.#nowNs / NS_PER_MS);
  /** Of other lenses than flows, by their ids. */
  readonly sources = new Map<string, LensSource>();
  readonly opened: CaptureOptions[] = [];
  checkFailure: Error | null = null;
  openFailure: Error | null = null;
  hasReader = true;
  /** Whether another process has the lock of every file. */
  isLocked = false;
  terminalIsLost = false;
  /** What is known of processes, by their ids. */
  readonly processes = new Map<number, ProcessFacts>();
  readonly clock = {
    monotonicNs: () => this.#nowNs,
    wallMs: () => ZERO_MS + this.wallShiftMs + this.#nowNs / NS_PER_MS,
  };
  /** By how much the wall clock has been set forth (or back, below zero). */
  wallShiftMs = 0;
  readonly platform: Platform = {
    check: () => {
      if (this.checkFailure) throw this.checkFailure;
    },
    open: (options) => {
      this.opened.push(options);
      if (this.openFailure) throw this.openFailure;
      return {
        kernel: "6.12.0",
        stepDowns: [],
        privileges: null,
        sources: new Map([["flows", this.capture], ...this.sources]),
      };
    },
    hasReader: (fd) => fd !== 1 || this.hasReader,
    lockFile: () => !this.isLocked,
    outputs: null,
    close() {},
    describeProcess: ({ pid }) => this.processes.get(pid) ?? null,
  };
  #nowNs = 0;
  readonly #timers = new Set<Timer>();
  readonly #stopListeners = new Set<(signal: StopSignal) => void>();

  after = (ms: number, call: () => void): Cancel => {
    const timer = { dueNs: this.#nowNs + ms * NS_PER_MS, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  onStop = (call: (signal: StopSignal) => void): Cancel => {
    this.#stopListeners.add(call);
    return () => this.#stopListeners.delete(call);
  };

  hasLostTerminal = (): boolean => this.terminalIsLost;

  /** As Ctrl-C does. */
  requestStop(signal: StopSignal = "SIGINT"): void {
    for (const call of this.#stopListeners) call(signal);
  }

  get timers(): number {
    return this.#timers.size;
  }

  get stopListeners(): number {
    return this.#stopListeners.size;
  }

  /** Moves time on; every timer that comes due runs, each at its time. */
  async advance(ms: number): Promise<void> {
    const endNs = this.#nowNs + ms * NS_PER_MS;
    await settle();
    for (let next = this.#nextTimer(endNs); next; next = this.#nextTimer(endNs)) {
      this.#timers.delete(next);
      this.#nowNs = Math.max(this.#nowNs, next.dueNs);
      next.call();
      await settle();
    }
    this.#nowNs = endNs;
    await settle();
  }

  /** Time passes and no timer runs, as on a machine that is too busy; the next advance runs them late. */
  stallFor(ms: number): void {
    this.#nowNs += ms * NS_PER_MS;
  }

  #nextTimer(endNs: number): Timer | undefined {
    return [...this.#timers].filter(({ dueNs }) => dueNs <= endNs).sort((a, b) => a.dueNs - b.dueNs)[0];
  }
}
