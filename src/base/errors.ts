/** Errors that end the program with one line on stderr and an exit code of sysexits.h. */

import { constants } from "node:os";

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

/** What only a newer tcptop understands, in words: `field x has another form`. */
export class NewerError extends Error {}

const TOO_MANY_FILES = "too many open files; raise the limit (ulimit -n)";

/** By Node's name, by the number that the addon has from the system, or in what the dynamic linker says. */
function isOutOfFiles(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { EMFILE, ENFILE } = constants.errno;
  const code: unknown = Reflect.get(error, "code");
  const number: unknown = Reflect.get(error, "errno");
  if (code === "ERR_DLOPEN_FAILED") return error.message.endsWith(": Too many open files");
  return code === "EMFILE" || code === "ENFILE" || number === EMFILE || number === ENFILE;
}

const BROKER_ENDED = "the process with tcptop's privileges, tcptop-broker, has ended";

/** What to tell of an error: its own line, or that there are too few file descriptors for the program. */
export function tellable(error: unknown): unknown {
  if (error instanceof Error && Reflect.get(error, "code") === "BROKER_ENDED")
    return new ExitError(ExitCode.unavailable, BROKER_ENDED, { cause: error });
  if (error instanceof ExitError ? error.exitCode !== ExitCode.unavailable : !isOutOfFiles(error))
    return error;
  const cause = error instanceof ExitError ? error.cause : error;
  return isOutOfFiles(cause) ? new ExitError(ExitCode.unavailable, TOO_MANY_FILES, { cause }) : error;
}

/** The message of an error without the name of the call: Node has `ENOSPC: no space left on device, write`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error ? error.message.replace(/, \w+( '.*')?$/s, "") : error.message;
}
