/** A capture of processes: the programs at work, and /proc for the arguments of existing processes. */
import { type ProcWorld, procWorld, readHead } from "../../base/proc-world.ts";
import { beganAt } from "../../base/process-start.ts";
import type { ProcessId } from "../../core/process.ts";
import type { NativeSource, SourceHost, SourceSpec } from "../../core/source.ts";
import { decodeLosses } from "./decode.ts";
import { LOSSES } from "./layout.gen.ts";
import type { KernelLosses } from "./losses.ts";
import type { Files, Tree } from "./options.ts";
import type { ProcessSource, ReadArguments, TakeRecords } from "./source.ts";

/** The programs of processes alone, and those with the files that they open. */
const OBJECTS = { withoutFiles: "processes", withFiles: "files" } as const;
const WALK = "walk_tasks";

/** Bytes that cross from the addon in one call: more than the longest record. */
const BATCH_BYTES = 256 << 10;

/** The longest record. */
const RECORD_MOST_BYTES = 8 << 10;

/** Some 20,000 processes that begin, run a program and end between two drains. */
const DEFAULT_RING_BYTES = 4 << 20;

/** As long as the kernel side reads them (PROCESSES_ARGUMENTS_MOST). */
const ARGUMENTS_MOST_BYTES = 1024;

/** The two programs of each event; an event that both were skipped at is lost. */
const TWINS = {
  forksLost: ["on_fork", "on_fork_again"],
  execsLost: ["on_exec", "on_exec_again"],
  exitsLost: ["on_exit", "on_exit_again"],
} as const;

export interface CaptureOptions {
  /** null: no tree is watched. */
  readonly tree: Tree | null;
  /** null: no files. */
  readonly files: Files | null;
  /** undefined: as much as usual. */
  readonly ringBytes: number | undefined;
}

/** A process name as the kernel has it, as two numbers of 64 bits. */
function nameWords(name: string): readonly [low: bigint, high: bigint] {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(name));
  const words = new BigUint64Array(bytes.buffer);
  return [words[0] ?? 0n, words[1] ?? 0n];
}

function treeConstants(tree: Tree | null): Record<string, bigint> {
  if (tree === null) return {};
  if ("pid" in tree) return { tree_pid: BigInt(tree.pid) };
  const [low, high] = nameWords(tree.name);
  return { tree_name_low: low, tree_name_high: high };
}

/**
 * The arguments in /proc/PID/cmdline. A title that a program has written over them has bytes of 0 behind it, as many as
 * there is room for, so that empty arguments at the end are left out.
 */
export function argumentsIn(bytes: Buffer): Pick<ReadArguments, "words" | "isCut"> {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const text = bytes.toString("utf8", 0, Math.min(end, ARGUMENTS_MOST_BYTES));
  return { words: text === "" ? [] : text.split("\0"), isCut: end > ARGUMENTS_MOST_BYTES };
}

function specOf(
  { ringBytes = DEFAULT_RING_BYTES, tree, files }: CaptureOptions,
  pageBytes: number,
): SourceSpec {
  const ring = Math.max(pageBytes, 2 ** Math.ceil(Math.log2(ringBytes)));
  return {
    ring: { map: "events", recordBytes: null },
    constants: {
      ring_event_limit: BigInt((ring / 4) * 3),
      page_bytes: BigInt(pageBytes),
      ...treeConstants(tree),
      ...(files === "all" ? { all_files: 1n } : {}),
    },
    sizes: { events: ring },
    iterators: { [WALK]: { map: null, recordBytes: null } },
    variables: { losses: LOSSES.size, report_all: 8 },
  };
}

export class ProcessCapture implements ProcessSource {
  readonly backend = null;
  readonly stepDowns = [];
  readonly facts = {};
  readonly #source: NativeSource;
  readonly #proc: ProcWorld;
  readonly #batch = new Uint8Array(BATCH_BYTES);
  #lastLosses: KernelLosses | null = null;
  #closed = false;

  constructor(source: NativeSource, proc: ProcWorld = procWorld()) {
    this.#source = source;
    this.#proc = proc;
  }

  async seed(): Promise<Uint8Array> {
    this.#source.write("report_all", 1n);
    try {
      return await this.#source.walk(WALK);
    } finally {
      if (!this.#closed) this.#source.write("report_all", 0n);
    }
  }

  readArguments({ pid, startNs }: ProcessId): ReadArguments | null {
    if (startNs === null) return null;
    const bytes = readHead(this.#proc, `${pid}/cmdline`);
    // Checked last: from its start on, the number was this process's.
    if (bytes === null || !beganAt(this.#proc, pid, startNs)) return null;
    return { pid, startNs, ...argumentsIn(bytes) };
  }

  drain(take: TakeRecords): void {
    let bytes: number;
    do {
      bytes = this.#source.drain(this.#batch);
      if (bytes > 0) take(this.#batch.subarray(0, bytes));
    } while (bytes + RECORD_MOST_BYTES > this.#batch.length);
  }

  walk(take: TakeRecords, all: boolean): void {
    if (all) this.#source.write("report_all", 1n);
    try {
      const read = () => this.#source.iterate(WALK, this.#batch);
      for (let bytes = read(); bytes > 0; bytes = read()) take(this.#batch.subarray(0, bytes));
    } finally {
      if (all) this.#source.write("report_all", 0n);
    }
  }

  losses(): KernelLosses {
    if (!this.#closed || this.#lastLosses === null) {
      const losses = decodeLosses(this.#source.read("losses"));
      this.#lastLosses = {
        ...losses,
        forksLost: losses.forksLost + this.#skipped(TWINS.forksLost),
        execsLost: losses.execsLost + this.#skipped(TWINS.execsLost),
        exitsLost: losses.exitsLost + this.#skipped(TWINS.exitsLost),
      };
    }
    return this.#lastLosses;
  }

  close(): void {
    if (!this.#closed) this.losses();
    this.#closed = true;
    this.#source.close();
  }

  /** The most events that both programs can have been skipped at. */
  #skipped([first, twin]: readonly [string, string]): number {
    return Math.min(this.#source.skipped(first), this.#source.skipped(twin));
  }
}

/** Throws SourceError. */
export function openCapture(host: SourceHost, options: CaptureOptions): ProcessCapture {
  const object = options.files === null ? OBJECTS.withoutFiles : OBJECTS.withFiles;
  return new ProcessCapture(host.open(object, specOf(options, host.facts.pageBytes)));
}
