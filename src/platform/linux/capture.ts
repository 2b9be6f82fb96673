/** A capture on Linux: a session of the addon, and /proc for the existing connections. */
import { release } from "node:os";
import { type ProcWorld, procWorld } from "../../base/proc-world.ts";
import type { TableSizes } from "../../lenses/flows/bounds.ts";
import { decodeLosses, decodeOwners } from "../../lenses/flows/decode.ts";
import { RECORD } from "../../lenses/flows/layout.gen.ts";
import type { Losses } from "../../lenses/flows/losses.ts";
import type { Seed, SeedEntry } from "../../lenses/flows/record.ts";
import { readConnections, readSeed } from "../../lenses/flows/seed/seed.ts";
import type { TakeRecords } from "../../lenses/flows/source.ts";
import type { Capture, StepDown } from "../platform.ts";
import type { Session } from "./native.ts";

/** Records that cross from the addon in one call. */
const BATCH_RECORDS = 2048;

/** Least time between two walks of all processes' files for owners that no hook has met. */
const OWNER_WALK_INTERVAL_MS = 1000;

/** What is known once the session is open. */
export interface CaptureFacts {
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
}

export class LinuxCapture implements Capture {
  readonly backend: string;
  readonly kernel = release();
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
  readonly #session: Session;
  readonly #batch = new Uint8Array(BATCH_RECORDS * RECORD.size);
  #seedLinesSkipped = 0;
  #isWalking = false;
  #nextWalkMs = 0;
  #closed = false;
  #lastLosses: Losses | null = null;
  readonly #proc: ProcWorld;
  readonly #nowMs: () => number;

  constructor(
    session: Session,
    { stepDowns, tableSizes }: CaptureFacts,
    proc: ProcWorld = procWorld(),
    nowMs: () => number = () => performance.now(),
  ) {
    this.#session = session;
    this.#proc = proc;
    this.#nowMs = nowMs;
    this.backend = session.backend;
    this.stepDowns = stepDowns;
    this.tableSizes = tableSizes;
  }

  async seed(): Promise<Seed> {
    const seed = await this.sockets();
    this.#seedLinesSkipped += seed.linesSkipped;
    return seed;
  }

  async sockets(): Promise<Seed> {
    const owners = decodeOwners(await this.#session.owners());
    return readSeed(this.#proc, owners);
  }

  connections(namespaces: ReadonlySet<number>): Promise<readonly SeedEntry[] | null> {
    return readConnections(this.#proc, namespaces);
  }

  drain(take: TakeRecords): void {
    let bytes: number;
    do {
      bytes = this.#session.drain(this.#batch);
      if (bytes > 0) take(this.#batch.subarray(0, bytes));
    } while (bytes + RECORD.size > this.#batch.length);
  }

  sweep(take: TakeRecords): void {
    this.#sweep(() => this.#session.sweep(this.#batch), take);
  }

  sweepAll(take: TakeRecords): void {
    this.#sweep(() => this.#session.sweepAll(this.#batch), take);
  }

  #sweep(fill: () => number, take: TakeRecords): void {
    for (let bytes = fill(); bytes > 0; bytes = fill()) take(this.#batch.subarray(0, bytes));
    this.#findOwners();
  }

  losses(): Losses {
    if (!this.#closed || this.#lastLosses === null) {
      this.#lastLosses = {
        ...decodeLosses(this.#session.losses()),
        recordsInvalid: 0,
        seedLinesSkipped: this.#seedLinesSkipped,
      };
    }
    return this.#lastLosses;
  }

  close(): void {
    if (!this.#closed) this.losses();
    this.#closed = true;
    this.#session.close();
  }

  /**
   * Without an accept hook a socket has no owner until its first call. For such sockets the kernel side walks the
   * files of all processes, and the next sweep delivers the owners it found. A walk that fails is tried again.
   */
  #findOwners(): void {
    if (this.#isWalking || this.#session.unowned() === 0 || this.#nowMs() < this.#nextWalkMs) return;
    this.#isWalking = true;
    const ended = () => {
      this.#isWalking = false;
      this.#nextWalkMs = this.#nowMs() + OWNER_WALK_INTERVAL_MS;
    };
    this.#session.owners().then(ended, ended);
  }
}
