/** A capture of flows: the programs at work, and /proc for the existing connections. */
import { endianness } from "node:os";
import { type ProcWorld, procWorld } from "../../base/proc-world.ts";
import { isSourceError, type NativeSource } from "../../core/source.ts";
import { decodeLosses, decodeOwners } from "./decode.ts";
import { RECORD } from "./layout.gen.ts";
import { type Losses, NO_LOSSES } from "./losses.ts";
import { missedDatagrams, OWNERS, type Programs, SWEEP_TCP, SWEEP_UDP } from "./programs.ts";
import type { Seed, SeedEntry } from "./record.ts";
import { readConnections, readSeed } from "./seed/seed.ts";
import type { FlowSource, TakeRecords } from "./source.ts";
import type { Translation } from "./translation.ts";

/** Records that cross from the addon in one call. */
const BATCH_RECORDS = 2048;

/** Least time between two walks of all processes' files for owners that no hook has met. */
const OWNER_WALK_INTERVAL_MS = 1000;

export class FlowCapture implements FlowSource {
  readonly #source: NativeSource;
  readonly #translation: Translation | null;
  readonly #batch = new Uint8Array(BATCH_RECORDS * RECORD.size);
  #seedLinesSkipped = 0;
  #walks = 0;
  #isWalking = false;
  #nextWalkMs = 0;
  #closed = false;
  #lastLosses: Losses = NO_LOSSES;
  readonly #proc: ProcWorld;
  readonly #nowMs: () => number;

  constructor(
    { source, translation }: Pick<Programs, "source" | "translation">,
    proc: ProcWorld = procWorld(),
    nowMs: () => number = () => performance.now(),
  ) {
    this.#source = source;
    this.#translation = translation;
    this.#proc = proc;
    this.#nowMs = nowMs;
  }

  async seed(): Promise<Seed> {
    const seed = await this.sockets();
    this.#seedLinesSkipped += seed.linesSkipped;
    return seed;
  }

  async sockets(): Promise<Seed> {
    const owners = decodeOwners(await this.#walk());
    return readSeed(this.#proc, owners);
  }

  connections(namespaces: ReadonlySet<number>): Promise<readonly SeedEntry[] | null> {
    return readConnections(this.#proc, namespaces);
  }

  drain(take: TakeRecords): void {
    let bytes: number;
    do {
      bytes = this.#source.drain(this.#batch);
      if (bytes > 0) take(this.#batch.subarray(0, bytes));
    } while (bytes + RECORD.size > this.#batch.length);
  }

  sweep(take: TakeRecords): void {
    this.#translation?.lookAgain();
    this.#source.write("unowned_flows", 0n);
    for (const program of [SWEEP_TCP, SWEEP_UDP]) {
      const read = () => this.#source.iterate(program, this.#batch);
      for (let bytes = read(); bytes > 0; bytes = read()) take(this.#batch.subarray(0, bytes));
    }
    this.#findOwners();
  }

  sweepAll(take: TakeRecords): void {
    this.#source.write("report_all", 1n);
    try {
      this.sweep(take);
    } finally {
      this.#source.write("report_all", 0n);
    }
  }

  losses(): Losses {
    if (!this.#closed) {
      const kernelLosses = decodeLosses(this.#source.read("losses"));
      this.#lastLosses = {
        ...kernelLosses,
        datagramsUntracked: kernelLosses.datagramsUntracked + missedDatagrams(this.#source),
        recordsInvalid: 0,
        seedLinesSkipped: this.#seedLinesSkipped,
      };
    }
    return this.#lastLosses;
  }

  close(): void {
    if (!this.#closed) this.#rememberLosses();
    this.#closed = true;
    this.#source.close();
  }

  /** The broker may have ended. */
  #rememberLosses(): void {
    try {
      this.losses();
    } catch (error) {
      if (!isSourceError(error)) throw error;
    }
  }

  /**
   * Without an accept hook a socket has no owner until its first call. For such sockets the kernel side walks the
   * files of all processes, and the next sweep delivers the owners it found. A walk that fails is tried again.
   */
  #findOwners(): void {
    if (this.#isWalking || this.#unowned() === 0 || this.#nowMs() < this.#nextWalkMs) return;
    this.#isWalking = true;
    const ended = () => {
      this.#isWalking = false;
      this.#nextWalkMs = this.#nowMs() + OWNER_WALK_INTERVAL_MS;
    };
    this.#walk().then(ended, ended);
  }

  /** Enters connections that are older than the capture, and names owners that are missing. */
  #walk(): Promise<Uint8Array> {
    this.#walks = (this.#walks + 1) >>> 0;
    this.#source.write("walks", BigInt(this.#walks));
    return this.#source.walk(OWNERS);
  }

  /** Flows without an owner in the last sweep that no walk has searched for yet. */
  #unowned(): number {
    const bytes = this.#source.read("unowned_flows");
    return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, endianness() === "LE"));
  }
}
