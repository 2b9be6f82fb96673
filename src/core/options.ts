/** How options of the command line are described and read. */
import { ExitCode, ExitError } from "../base/errors.ts";

/** Something that a shell can look up: ids or names of processes, files. */
export type Completion = "pid" | "process" | "file";

/** How a value is read; null: not accepted. */
export interface Value<T> {
  /** Completes `'x' is not ...` and `needs a value: ...`. */
  readonly accepted: string;
  /** The accepted words, where they are few. */
  readonly choices?: readonly string[];
  /** What a shell can look up for it. */
  readonly completes?: Completion;
  parse(text: string): T | null;
}

export function numberBetween(what: string, least: number, most: number, pattern: RegExp): Value<number> {
  return {
    accepted: `${what} from ${least} to ${most}`,
    parse(text) {
      const value = pattern.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? value : null;
    },
  };
}

export function wholeNumber(what: string, least: number, most: number): Value<number> {
  return numberBetween(what, least, most, /^(0|[1-9]\d*)$/);
}

export const SECONDS = numberBetween("a number of seconds", 0.1, 86_400, /^((0|[1-9]\d*)(\.\d+)?|\.\d+)$/);

export function oneOf<T extends string>(choices: readonly T[]): Value<T> {
  return {
    accepted: `one of ${choices.join(", ")}`,
    choices,
    parse: (text) => choices.find((choice) => choice === text) ?? null,
  };
}

export function usageError(message: string): ExitError {
  return new ExitError(ExitCode.usage, message);
}

/** Headings of the groups of options. */
export const OPTION_GROUPS = {
  output: "Output:",
  refresh: "Refresh:",
  filters: "Filters (a connection must match one of each kind given):",
  recordings: "Recordings:",
  other: "Other:",
} as const;

/** `own`: that of the lens, under its heading; `hidden`: only tests use them. */
export type OptionGroup = keyof typeof OPTION_GROUPS | "own" | "hidden";

export interface OptionSpec {
  readonly group: OptionGroup;
  /** Such as `-d, --delay <seconds>`. */
  readonly flags: string;
  readonly description: string;
  /** It says how to capture: a replay refuses it. */
  readonly isOfCapture?: boolean;
  /** The value where none is given, as in `--files [which]`. */
  readonly preset?: string;
}

/** Takes the options of one command line. What `set` gets was accepted. */
export interface OptionAdder {
  flag(spec: OptionSpec, set: () => void): void;
  value<T>(spec: OptionSpec, value: Value<T>, set: (value: T) => void): void;
  /** A list with commas, which may be given again. */
  list<T>(spec: OptionSpec, value: Value<T>, into: T[]): void;
}
