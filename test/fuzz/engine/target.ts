/** What a fuzz target is: a function of bytes that throws when something is wrong. */

export interface Target {
  /** Runs one input. Throws, or rejects, if the code under test or a check of its result fails. */
  readonly run: (bytes: Uint8Array) => void | Promise<void>;
  /** Pieces of text that mean something to the code under test. */
  readonly dictionary?: readonly string[];
  /** Longest input, 4096 bytes if not said. */
  readonly maxBytes?: number;
}

export const DEFAULT_MAX_BYTES = 4096;
