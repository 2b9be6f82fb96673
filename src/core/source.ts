/** What a lens has run in the kernel, said as data, and what it gets of that. */
import { constants } from "node:os";
import type { ProcWorld } from "../base/proc-world.ts";

const { EMFILE, ENFILE } = constants.errno;

/** The length of records: a number of bytes, or null where each begins with its own (bpf/record.h). */
export type RecordBytes = number | null;

/** What an optional program needs besides the function or tracepoint that it is for. */
export interface Condition {
  /** A function that the kernel must not have. */
  readonly without?: string;
  /** Parameters that its tracepoint has at least. */
  readonly parameters?: number;
  /** Of a program for cgroups: the others stay attached without it. */
  readonly mayFail?: boolean;
}

/** What a BPF object is loaded with. Names are those of the object: of its maps, programs and variables. */
export interface SourceSpec {
  /** Null: it has no ring buffer. */
  readonly ring: { readonly map: string; readonly recordBytes: RecordBytes } | null;
  /** Constants (`const volatile`) of 64 bits. */
  readonly constants: Readonly<Record<string, bigint>>;
  /** Entries of maps. */
  readonly sizes: Readonly<Record<string, number>>;
  /** By their programs, with the map that they walk. */
  readonly iterators: Readonly<
    Record<string, { readonly map: string | null; readonly recordBytes: RecordBytes }>
  >;
  /** Global variables that are read or written, with their size in bytes. */
  readonly variables: Readonly<Record<string, number>>;
  /** By optional programs, and programs for cgroups. */
  readonly conditions?: Readonly<Record<string, Condition>>;
}

/** A program that is not attached. */
export interface LeftOut {
  readonly program: string;
  /** Of a program for cgroups, without which none of them is attached; null: the kernel has nothing for it. */
  readonly reason: string | null;
}

/**
 * A BPF object, attached from its opening to close(). After close() every call but close() throws SourceError with code
 * CLOSED.
 */
export interface NativeSource {
  readonly leftOut: readonly LeftOut[];
  /** Writes whole records that wait in the ring buffer and returns their bytes. When `to` is full more may wait. */
  drain(to: Uint8Array): number;
  /** Writes whole records of an iterator; call until it returns 0, which ends the pass. */
  iterate(program: string, to: Uint8Array): number;
  /** All that an iterator writes in a pass of its own, which takes its time beside this thread. */
  walk(program: string): Promise<Uint8Array>;
  /** Whether the object has a global variable. */
  has(variable: string): boolean;
  /** A copy of a global variable. */
  read(variable: string): Uint8Array;
  /** Sets a global variable of 1, 4 or 8 bytes. */
  write(variable: string, value: bigint): void;
  /** How often the kernel has skipped a program that it would have run on top of itself. */
  skipped(program: string): number;
  /**
   * Tells the programs where NAT keeps the addresses of a connection. False while the kernel does not say; null where
   * the programs do not want to know.
   */
  tellConntrack(): boolean | null;
  close(): void;
}

/** Facts of the running kernel. */
export interface KernelFacts {
  readonly pageBytes: number;
  /** Length of a jiffy. */
  readonly tickNs: number;
  /** Whether it preempts its own tasks. */
  readonly isPreemptible: boolean;
}

/** Where sources come from. */
export interface SourceHost {
  readonly facts: KernelFacts;
  /** Loads and attaches an object by its name. Throws SourceError. */
  open(object: string, spec: SourceSpec): NativeSource;
  /** /proc, with what is hidden from this user but not from whom loads for it. */
  readonly proc: ProcWorld;
  /** Whether the kernel has this file in /sys. */
  hasInSys(path: string): boolean;
}

export type SourceErrorCode =
  | "NO_BPF"
  | "NO_BTF"
  | "NO_RING_BUFFER"
  | "NO_PERMISSION"
  | "UNSUPPORTED"
  | "BROKER_ENDED"
  | "CLOSED"
  | "FAILED";

/** What a source throws. */
export interface SourceError extends Error {
  readonly code: SourceErrorCode;
  readonly stage: string;
  readonly errno: number;
  /** The last lines of libbpf and the verifier. */
  readonly log: string;
}

export function isSourceError(error: unknown): error is SourceError {
  return error instanceof Error && "stage" in error && "errno" in error;
}

/** An object that was tried and could not be used, or a part of the chosen one that is missing. */
export interface StepDown {
  readonly backend: string;
  /** One line for the user. */
  readonly reason: string;
}

/** No object of several that do the same works on this kernel. */
export class NothingWorks extends Error {
  readonly stepDowns: readonly StepDown[];

  constructor(stepDowns: readonly StepDown[], cause: unknown) {
    super("no backend can be used on this kernel", { cause });
    this.stepDowns = stepDowns;
  }
}

/** Whether another object may work where one has failed so. */
function isOfOneObject({ code, errno }: SourceError): boolean {
  return code === "FAILED" && errno !== EMFILE && errno !== ENFILE;
}

/** Objects that do the same, tried one after the other. */
export class Attempts {
  readonly stepDowns: StepDown[] = [];
  #cause: unknown = null;
  readonly #open: (object: string) => NativeSource;

  /** `open` throws SourceError. */
  constructor(open: (object: string) => NativeSource) {
    this.#open = open;
  }

  /** Null where it does not work, which becomes a step-down. Throws what no other object would get around. */
  open(object: string): NativeSource | null {
    try {
      return this.#open(object);
    } catch (error) {
      if (!isSourceError(error) || !isOfOneObject(error)) throw error;
      this.stepDowns.push({ backend: object, reason: `${error.stage}: ${error.message}` });
      this.#cause = error;
      return null;
    }
  }

  fail(): never {
    throw new NothingWorks(this.stepDowns, this.#cause);
  }
}
