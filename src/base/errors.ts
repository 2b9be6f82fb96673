/** Errors that end the program with one line on stderr and an exit code of sysexits.h. */

/** Exit codes, a contract with scripts (sysexits.h). */
export const ExitCode = {
  ok: 0,
  /** Wrong flag or value. */
  usage: 64,
  /** This kernel or operating system cannot do it. */
  unavailable: 69,
  /** A bug in tcptop. */
  software: 70,
  /** A file could not be created. */
  cannotCreate: 73,
  /** Writing failed, for example on a full disk. */
  ioError: 74,
  /** The privilege is missing. */
  noPermission: 77,
} as const;

export type ExitCodeValue = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * A failure for the user. `message` is one line, printed after `error: `: what failed, why, and one thing to do.
 */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly exitCode: ExitCodeValue;

  constructor(exitCode: ExitCodeValue, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Bytes that no writer writes. The message names the field and the rule, and follows `NAME: byte N: `. */
export class DamageError extends Error {}

/** The message of an error without the name of the call: Node has `ENOSPC: no space left on device, write`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error ? error.message.replace(/, \w+( '.*')?$/s, "") : error.message;
}
