/** The native addon's whole surface, and the only place that loads it. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { ExitCode, ExitError } from "../../base/errors.ts";
import type { Conntrack, KernelFacts, NativeSource, SourceHost, SourceSpec } from "../../core/source.ts";

export interface NativeAddon {
  /** Loads and attaches a BPF object. Throws SourceError; TypeError and RangeError for what cannot be asked. */
  readonly Source: new (
    spec: SourceSpec & { readonly object: string },
  ) => NativeSource;
  facts(): KernelFacts;
  conntrack(): Conntrack | null;
  /** Frees what loading needs and nothing else. */
  endLoading(): void;
  /** The structs of bpf/record.h by BTF: lines of `struct size`, `struct field offset size kind`, `struct tag=value`. */
  wireLayout(): string;
  /**
   * Gives up what an open capture does not need, in every thread and for good; `opensFiles` keeps the right
   * to open anyone's files. Throws SourceError.
   */
  confine(opensFiles: boolean): void;
  /** Whether the other end of the pipe or socket `fd` is open; true for a file. */
  hasReader(fd: number): boolean;
  /** Takes a write lock of the open file without waiting; false when another writer has it. */
  lockFile(fd: number): boolean;
}

/** Where the addon may be: built in a checkout, else inside the package. */
const CANDIDATES = [
  "build/cmake/Release/tcptop.node",
  `prebuilds/${process.platform}-${process.arch}/tcptop.node`,
];

const ROOT = new URL("../../../", import.meta.url);

/** Throws ExitError 69 when there is no addon for this machine or it cannot be loaded. */
export function loadNative(): NativeAddon {
  const path = CANDIDATES.map((candidate) => fileURLToPath(new URL(candidate, ROOT))).find(existsSync);
  if (path === undefined) {
    throw new ExitError(
      ExitCode.unavailable,
      `no native addon for ${process.platform}-${process.arch}; in a checkout build it with \`npm run build\``,
    );
  }
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ExitError(ExitCode.unavailable, `the native addon cannot be loaded: ${reason}`, {
      cause: error,
    });
  }
}

/** What loads and attaches by means of the addon. */
export function nativeHost(native: NativeAddon): SourceHost {
  return {
    facts: native.facts(),
    open: (object, spec) => new native.Source({ ...spec, object }),
    conntrack: () => native.conntrack(),
    hasInSys: (path) => existsSync(`/sys/${path}`),
  };
}
