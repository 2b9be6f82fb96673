/** The state of one process in the model. */
import type { Process } from "./process.ts";
import { Flag, type ProcessRecord } from "./record.ts";

/** The bits of a status of wait(2). */
const SIGNAL_BITS = 0x7f;

type Image = Pick<Process, "executable" | "arguments" | "areArgumentsCut" | "directory">;

const NO_IMAGE: Image = { executable: null, arguments: null, areArgumentsCut: false, directory: null };

/** The kernel's `pts3` is `/dev/pts/3`. */
function ttyName(name: string): string | null {
  return name === "" ? null : name.replace(/^pts(?=\d)/, "pts/");
}

export class Entry {
  readonly key: number;
  readonly pid: number;
  readonly startNs: number;
  /** Who began it; null: unknown, or forgotten. */
  parent: Entry | null = null;
  /** Entries that have this one as their parent. */
  readonly children = new Set<Entry>();
  /** CLOCK_MONOTONIC, by the first record. */
  beganNs = 0;
  /** What its begin, its last exec and its end were told at; null: not yet. Later copies say nothing new. */
  bornNs: number | null = null;
  execNs: number | null = null;
  endedNs: number | null = null;
  /** Whether a record of itself has come, not only one that names it as a parent. */
  isMet = false;
  /** Whether a record told its status at the end. */
  hasStatus = false;
  /** CLOCK_MONOTONIC of the last record that met it alive. */
  seenNs = 0;
  cgroupPath: string | null = null;
  unit: string | null = null;
  cpuShare = 0;
  /** Processor time at the refresh before. */
  cpuBeforeNs: number | null = null;
  #last: ProcessRecord | null = null;
  #image: Image = NO_IMAGE;
  #cpuNs = 0;
  #memoryBytes = 0;
  #mostMemoryBytes = 0;
  #isOfTree = false;
  #shown: Process | null = null;

  constructor(key: number, pid: number, startNs: number) {
    this.key = key;
    this.pid = pid;
    this.startNs = startNs;
  }

  get name(): string {
    return this.#last?.process ?? "";
  }

  get cgroupId(): bigint {
    return this.#last?.cgroupId ?? 0n;
  }

  get cpuNs(): number {
    return this.#cpuNs;
  }

  get isAlive(): boolean {
    return this.isMet && this.endedNs === null;
  }

  /** The next snapshot shows it anew. */
  touch(): void {
    this.#shown = null;
  }

  /** Takes in all but what the kinds of records differ in. */
  meet(record: ProcessRecord): void {
    const isNewest = this.#last === null || record.timeNs >= this.#last.timeNs;
    if (this.#last === null) this.beganNs = record.timeNs - record.ageNs;
    this.isMet = true;
    if (isNewest) this.#last = record;
    this.seenNs = Math.max(this.seenNs, record.timeNs);
    this.#cpuNs = Math.max(this.#cpuNs, record.runtimeNs);
    this.#isOfTree ||= (record.flags & Flag.ofTree) !== 0;
    this.touch();
  }

  /** What a child runs until it runs a program of its own. */
  inherit(from: Entry): void {
    this.#image = from.#image;
  }

  run({ arguments: words, executable, directory, flags }: ProcessRecord): void {
    this.#image = {
      executable,
      arguments: words,
      areArgumentsCut: (flags & Flag.argumentsCut) !== 0,
      directory,
    };
  }

  /** Takes in what a walk read; a record without texts says nothing of them. */
  found({ memoryBytes, executable, directory }: ProcessRecord): void {
    this.#memoryBytes = memoryBytes;
    if (executable !== null) this.#image = { ...this.#image, executable };
    if (directory !== null) this.#image = { ...this.#image, directory };
  }

  /** Arguments that were read beside the kernel side, where it has told none. */
  readArguments(words: readonly string[], areArgumentsCut: boolean): void {
    if (this.execNs !== null || this.#image.arguments !== null) return;
    this.#image = { ...this.#image, arguments: words, areArgumentsCut };
    this.touch();
  }

  end({ timeNs, memoryBytes }: ProcessRecord): void {
    this.endedNs = timeNs;
    this.hasStatus = true;
    this.#memoryBytes = 0;
    this.#mostMemoryBytes = memoryBytes;
  }

  /** It is over, and nobody has seen its end. */
  vanish(nowNs: number): void {
    this.endedNs = nowNs;
    this.#memoryBytes = 0;
    this.touch();
  }

  /** `startNs`, `sinceNs`: when the capture began and when the refresh before was, CLOCK_MONOTONIC. */
  show(startNs: number, sinceNs: number): Process {
    const { beganNs } = this;
    const isNew = beganNs > sinceNs;
    if (this.#shown !== null && (this.#shown.phase.kind === "new") === (isNew && this.endedNs === null)) {
      return this.#shown;
    }
    const last = this.#last;
    if (last === null) throw new Error(`nothing is known of process ${this.pid}`);
    const { hasStatus, endedNs } = this;
    const signal = last.status & SIGNAL_BITS;
    const isCpuKnown = (last.flags & Flag.runtimeCut) === 0;
    // Written field by field: a literal with a spread and so many fields is a slow object in V8.
    this.#shown = {
      executable: this.#image.executable,
      arguments: this.#image.arguments,
      areArgumentsCut: this.#image.areArgumentsCut,
      directory: this.#image.directory,
      key: this.key,
      pid: this.pid,
      startNs: this.startNs,
      ppid: last.ppid,
      parentStartNs: last.parentStartNs,
      name: last.process,
      uid: last.uid,
      cgroupId: last.cgroupId,
      cgroup: this.cgroupPath,
      unit: this.unit,
      tty: ttyName(last.tty),
      phase: endedNs !== null ? { kind: "ended", endedNs } : { kind: isNew ? "new" : "live" },
      isExisting: beganNs < startNs,
      isOfTree: this.#isOfTree,
      beganNs,
      cpuNs: isCpuKnown ? this.#cpuNs : null,
      cpuShare: isCpuKnown ? this.cpuShare : null,
      memoryBytes: this.#memoryBytes,
      mostMemoryBytes: hasStatus ? this.#mostMemoryBytes : null,
      exitCode: hasStatus && signal === 0 ? (last.status >> 8) & 0xff : null,
      exitSignal: hasStatus && signal !== 0 ? signal : null,
      durationNs: endedNs === null ? null : endedNs - beganNs,
    };
    return this.#shown;
  }
}
