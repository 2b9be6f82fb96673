/** The command line: every flag, what it accepts, and the help; nothing is opened here. */
import { Command, CommanderError, Option } from "commander";
import type { ExitError } from "../base/errors.ts";
import type { Lens } from "../core/lens.ts";
import {
  type Completion,
  numberBetween,
  OPTION_GROUPS,
  type OptionAdder,
  type OptionSpec,
  oneOf,
  SECONDS,
  usageError,
  type Value,
  wholeNumber,
} from "../core/options.ts";
import type { TableOrder } from "../core/table.ts";
import { LENSES } from "../lenses.ts";
import { BACKENDS, type BackendChoice } from "../platform/platform.ts";
import { FORMATS, type Format } from "../sinks/output.ts";

export interface Options {
  /** The stream is asked for, also at a terminal. */
  readonly isStream: boolean;
  readonly format: Format;
  readonly delayS: number;
  /** null: until a request to end. */
  readonly iterations: number | null;
  readonly order: TableOrder;
  readonly raw: boolean;
  /** null: neither --color nor --no-color. */
  readonly color: boolean | null;
  readonly backend: BackendChoice;
  /** Paths by the ids of tables. */
  readonly logs: ReadonlyMap<string, string>;
  readonly ringBytes: number | undefined;
  /** File of a recording to make, null: none. */
  readonly record: string | null;
  /** Whether the files of --log and --record may be replaced. */
  readonly overwrite: boolean;
  /** Whom root becomes once it captures; null: who called sudo, else `nobody`. */
  readonly user: string | null;
  /** A recording to show in place of a capture. */
  readonly replay: ReplaySource | null;
  /** Factor of the speed of a replay. */
  readonly speed: number;
  /** What the options of each lens were set to, by its id. */
  readonly lenses: ReadonlyMap<string, object>;
}

/** A file (`-` is standard input), or the recording that comes with the program. */
export type ReplaySource = { readonly kind: "file"; readonly path: string } | { readonly kind: "demo" };

/** What the command line asks for: the program, or a text (help, version). */
export type Request =
  | { readonly kind: "run"; readonly options: Options }
  | { readonly kind: "print"; readonly text: string };

/** An option as the manual page and the completions describe it. */
export interface OptionFacts {
  /** Heading in the help. */
  readonly group: string;
  /** Such as `-d`; null: there is none. */
  readonly short: string | null;
  /** Such as `--delay`. */
  readonly long: string;
  /** Such as `seconds`, or `pid,...` for a list; null: it takes no value. */
  readonly placeholder: string | null;
  readonly description: string;
  /** Such as `one of text, json, csv`; null: it takes no value. */
  readonly accepted: string | null;
  /** The accepted words, where they are few; else empty. */
  readonly choices: readonly string[];
  /** What a shell can look up; null: nothing. */
  readonly completes: Completion | null;
}

const COUNT = wholeNumber("a whole number", 1, 1_000_000_000);

const BACKEND: Value<BackendChoice> = oneOf(["auto", ...BACKENDS]);

/** The key of a column, which one table or several have. */
function sortKeyOf(lenses: readonly Lens[]): Value<string> {
  const choices = [...new Set(lenses.flatMap(({ sortKeys }) => sortKeys))];
  return {
    accepted: `one of ${choices.join(", ")}`,
    choices,
    parse(text) {
      for (const lens of lenses) {
        const key = lens.sortKey(text);
        if (key !== null) return key;
      }
      return null;
    },
  };
}

/** `-` is standard input. */
const RECORDING: Value<string> = {
  accepted: "the name of a file",
  completes: "file",
  parse: (text) => (text === "" ? null : text),
};

const SPEED = numberBetween("a number", 0.1, 1000, /^((0|[1-9]\d*)(\.\d+)?|\.\d+)$/);

/** As useradd(8) accepts it. */
const USER: Value<string> = {
  accepted: "the name of a user",
  parse: (text) => (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/.test(text) ? text : null),
};

/** Not `-`, and not the next option where the path was forgotten. */
const FILE: Value<string> = {
  accepted: "the path of a file (./-x for one that begins with -)",
  completes: "file",
  parse: (text) => (text === "" || text.startsWith("-") ? null : text),
};

const LEAST_RING_BYTES = 4096;
const MOST_RING_BYTES = 1 << 30;

/** The kernel takes a power of two, of whole pages. */
const RING_BYTES: Value<number> = {
  accepted: `a power of two from ${LEAST_RING_BYTES} to ${MOST_RING_BYTES}`,
  parse(text) {
    const value = wholeNumber("", LEAST_RING_BYTES, MOST_RING_BYTES).parse(text);
    return value !== null && Number.isInteger(Math.log2(value)) ? value : null;
  },
};

type Draft = { -readonly [Key in keyof Options]: Options[Key] };

const DEFAULT_DELAY_S = 1;

const AFTER_HELP = `
Sizes are decimal: 1 kB is 1000 B. A line marked 'partial' belongs to a
connection older than tcptop and counts from when it was first seen; a line
that starts with # is a remark. --sort takes any name of the CSV header too.

Examples:
  sudo tcptop                             the screen; ? shows its keys
  sudo tcptop --batch                     what every connection does, as lines
  sudo tcptop -b -c nginx --port 80,443   those of nginx with these ports
  sudo tcptop -b -d 5 -s rate             every 5 seconds, the busiest first
  sudo tcptop -b --format json | jq .     for programs
  sudo tcptop -b --format csv -n 60 > minute.csv
  sudo tcptop -l tcptop.csv               the screen, and a log beside it
  sudo tcptop --record night.tcptop       what --replay night.tcptop shows again

Exit codes:
  0 done   64 wrong usage   69 this kernel or system cannot do it
  70 internal error   73 a file cannot be made, or is something else
  74 reading or writing failed   77 no permission
`;

/** A table, and where it is logged to. */
interface LogTarget {
  readonly table: string;
  readonly path: string;
}

/** `NAME=FILE` where NAME is a table; else a file of the first table. */
function logOf(lenses: readonly Lens[]): Value<LogTarget> {
  const tables = lenses.flatMap((lens) => lens.tables);
  return {
    ...FILE,
    parse(text) {
      const named = tables.find((table) => text.startsWith(`${table}=`));
      const path = FILE.parse(named === undefined ? text : text.slice(named.length + 1));
      const table = named ?? tables[0];
      return path === null || table === undefined ? null : { table, path };
    },
  };
}

/** `flag`: the long name of the option. */
type TakeValue = (flag: string, text: string) => void;

interface DescribedOption {
  /** Of its group; null: it is hidden. */
  readonly heading: string | null;
  readonly option: Option;
  readonly isOfCapture: boolean;
}

/** Reads one command line into a draft of the options; made anew for each. */
class Parser {
  readonly #command: Command;
  /** What the value of an option accepts, by its flags. */
  readonly #values = new Map<string, Value<unknown>>();
  /** Long names of the options given, and of those that say how to capture. */
  readonly #given = new Set<string>();
  readonly #ofCapture: string[] = [];
  readonly #lenses = new Map<string, object>();
  readonly #logs = new Map<string, string>();
  readonly #draft: Draft = {
    isStream: false,
    format: "text",
    delayS: DEFAULT_DELAY_S,
    iterations: null,
    order: { key: null, reverse: false },
    raw: false,
    color: null,
    backend: "auto",
    logs: this.#logs,
    ringBytes: undefined,
    record: null,
    overwrite: false,
    user: null,
    replay: null,
    speed: 1,
    lenses: this.#lenses,
  };
  /** The options in the order of the help: by groups, in each the program's own before those of the lenses. */
  readonly #options: DescribedOption[] = [];
  #printed = "";

  constructor(version: string, lenses: readonly Lens[]) {
    this.#command = new Command("tcptop")
      .description("top for network connections: who owns them, where they go, how much they move.")
      .usage("[options]")
      .argument("[surplus...]")
      .configureHelp({ visibleArguments: () => [] })
      .configureOutput({
        getOutHelpWidth: () => 80,
        writeOut: (text) => {
          this.#printed += text;
        },
        writeErr: () => {},
      })
      .exitOverride()
      .showSuggestionAfterError(false)
      .addHelpText("after", AFTER_HELP);
    this.#describeOutput(lenses);
    this.#describeRefresh();
    this.#describeRecordings();
    this.#describeOthers();
    for (const lens of lenses) this.#lenses.set(lens.id, lens.options(this.#adderOf(lens.heading)));
    const { output, refresh, filters, recordings, other } = OPTION_GROUPS;
    const own = lenses.flatMap(({ heading }) => heading ?? []);
    for (const heading of [output, refresh, filters, ...own, recordings, other]) {
      this.#command.optionsGroup(heading);
      this.#addGroup(heading);
    }
    this.#command
      .version(`tcptop ${version}`, "-V, --version", "show the version")
      .helpOption("-h, --help", "show this help");
    this.#addGroup(null);
  }

  /** Throws ExitError 64 with one line that names the flag, the value and what is accepted. */
  parse(args: readonly string[]): Request {
    try {
      this.#command.parse(args, { from: "user" });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode === 0) return { kind: "print", text: this.#printed };
      throw this.#translate(error);
    }
    const [surplus] = this.#command.args;
    if (surplus !== undefined) {
      throw usageError(`unexpected argument '${surplus}'; tcptop takes options only, see tcptop --help`);
    }
    this.#checkReplay();
    return { kind: "run", options: this.#draft };
  }

  /** Every option that the help shows, in its order. */
  describe(): OptionFacts[] {
    return this.#command
      .createHelp()
      .visibleOptions(this.#command)
      .map((option) => {
        const value = this.#values.get(option.flags);
        return {
          group: option.helpGroupHeading ?? "",
          short: option.short ?? null,
          long: option.long ?? option.flags,
          placeholder: option.flags.match(/[<[](.+)[>\]]/)?.[1] ?? null,
          description: option.description,
          accepted: value?.accepted ?? null,
          choices: value?.choices ?? [],
          completes: value?.completes ?? null,
        };
      });
  }

  /** Refuses options that contradict --replay and --demo. */
  #checkReplay(): void {
    const replay = ["--replay", "--demo"].filter((flag) => this.#given.has(flag));
    const [flag] = replay;
    if (flag === undefined) {
      if (this.#given.has("--speed")) throw usageError("--speed is for --replay and --demo");
      return;
    }
    if (replay.length > 1) throw usageError("--replay and --demo: give one of them");
    const surplus = this.#ofCapture.find((name) => this.#given.has(name));
    if (surplus === undefined) return;
    const isPace = surplus === "--delay" || surplus === "--interval";
    const reason = isPace ? "its refreshes are those of the recording; use --speed" : "nothing is captured";
    throw usageError(`${surplus} cannot go with ${flag}: ${reason}`);
  }

  #translate({ code, message }: CommanderError): ExitError {
    if (code === "commander.optionMissingArgument") {
      const option = this.#command.options.find(({ flags }) => message.includes(`'${flags}'`));
      if (option)
        return usageError(`${option.long} needs a value: ${this.#values.get(option.flags)?.accepted}`);
    }
    return usageError(`${message.replace(/^error: /, "")}; see tcptop --help`);
  }

  /** Every option under a heading; null: the hidden ones. */
  #addGroup(heading: string | null): void {
    for (const { option, isOfCapture } of this.#options.filter((one) => one.heading === heading)) {
      this.#command.addOption(option.hideHelp(heading === null));
      if (isOfCapture) this.#ofCapture.push(option.long ?? option.flags);
    }
  }

  #describeOutput(lenses: readonly Lens[]): void {
    const draft = this.#draft;
    const { flag, value } = this.#adderOf(null);
    const spec = (flags: string, description: string): OptionSpec => ({
      group: "output",
      flags,
      description,
    });
    flag(spec("-b, --batch", "a line for each update, as if not at a terminal"), () => {
      draft.isStream = true;
    });
    value(
      spec("--format <form>", "text, json (an object a line) or csv (default text)"),
      oneOf(FORMATS),
      (format) => {
        draft.format = format;
        draft.isStream = true;
      },
    );
    value(
      { ...spec("-l, --log <file>", "also log every refresh to FILE, as CSV"), isOfCapture: true },
      logOf(lenses),
      ({ table, path }) => this.#logs.set(table, path),
    );
    flag(spec("--overwrite", "replace the file of --log or --record"), () => {
      draft.overwrite = true;
    });
    flag(spec("--raw", "exact numbers in place of human-readable ones"), () => {
      draft.raw = true;
    });
    flag(spec("--color", "colour even if the output is not a terminal"), () => {
      draft.color = true;
    });
    flag(spec("--no-color", "no colour; so does NO_COLOR in the environment"), () => {
      draft.color = false;
    });
    value(
      spec("-s, --sort <column>", "order: rate, bytes, rtt, pid, process, remote, ..."),
      sortKeyOf(lenses),
      (key) => {
        draft.order = { ...draft.order, key };
      },
    );
    flag(spec("-r, --reverse", "reverse the order"), () => {
      draft.order = { ...draft.order, reverse: true };
    });
  }

  #describeRefresh(): void {
    const draft = this.#draft;
    const { value } = this.#adderOf(null);
    const spec = (flags: string, description: string): OptionSpec => ({
      group: "refresh",
      flags,
      description,
    });
    const setDelay = (delayS: number) => {
      draft.delayS = delayS;
    };
    const ofDelay = (flags: string, description: string) => ({
      ...spec(flags, description),
      isOfCapture: true,
    });
    value(
      ofDelay("-d, --delay <seconds>", `time between refreshes (default ${DEFAULT_DELAY_S})`),
      SECONDS,
      setDelay,
    );
    value(ofDelay("--interval <seconds>", "the same as --delay"), SECONDS, setDelay);
    value(spec("-n, --iterations <count>", "stop after this many refreshes"), COUNT, (iterations) => {
      draft.iterations = iterations;
    });
  }

  #describeRecordings(): void {
    const draft = this.#draft;
    const { flag, value } = this.#adderOf(null);
    const spec = (flags: string, description: string): OptionSpec => ({
      group: "recordings",
      flags,
      description,
    });
    value(
      { ...spec("--record <file>", "save what is captured, to be shown again"), isOfCapture: true },
      FILE,
      (path) => {
        draft.record = path;
      },
    );
    value(
      spec("--replay <file>", "show a recording, without privileges; - reads a pipe"),
      RECORDING,
      (path) => {
        draft.replay = { kind: "file", path };
      },
    );
    flag(spec("--demo", "show the recording that comes with tcptop"), () => {
      draft.replay = { kind: "demo" };
    });
    value(spec("--speed <factor>", "how much faster to replay, 0.1 to 1000 (default 1)"), SPEED, (speed) => {
      draft.speed = speed;
    });
  }

  #describeOthers(): void {
    const draft = this.#draft;
    const { flag, value } = this.#adderOf(null);
    value(
      {
        group: "other",
        flags: "--backend <name>",
        description: `${["auto", ...BACKENDS].join(", ")} (default auto)`,
        isOfCapture: true,
      },
      BACKEND,
      (backend) => {
        draft.backend = backend;
      },
    );
    value(
      {
        group: "other",
        flags: "--user <name>",
        description: "whom root becomes (default who called sudo, or nobody)",
        isOfCapture: true,
      },
      USER,
      (user) => {
        draft.user = user;
      },
    );
    flag({ group: "other", flags: "--debug", description: "show where an error comes from" }, () => {});
    value(
      { group: "hidden", flags: "--ring-bytes <bytes>", description: "", isOfCapture: true },
      RING_BYTES,
      (bytes) => {
        draft.ringBytes = bytes;
      },
    );
  }

  /** `own`: heading of the lens's own group. */
  #adderOf(own: string | null): OptionAdder {
    const add = ({ flags, description, group, isOfCapture = false, preset }: OptionSpec, set: TakeValue) => {
      const heading = group === "hidden" ? null : group === "own" ? own : OPTION_GROUPS[group];
      const option = new Option(flags, description);
      if (preset !== undefined) option.preset(preset);
      option.argParser((text) => {
        const flag = option.long ?? flags;
        this.#given.add(flag);
        set(flag, text);
      });
      this.#options.push({ heading, option, isOfCapture });
    };
    const addValue = (spec: OptionSpec, value: Value<unknown>, set: TakeValue) => {
      this.#values.set(spec.flags, value);
      add(spec, set);
    };
    return {
      flag: (spec, set) => add(spec, set),
      value: (spec, value, set) => addValue(spec, value, (flag, text) => set(read(flag, value, text))),
      list: (spec, value, into) =>
        addValue(spec, value, (flag, text) => {
          into.push(...text.split(",").map((item) => read(flag, value, item)));
        }),
    };
  }
}

function read<T>(flag: string, { accepted, parse }: Value<T>, text: string): T {
  const value = parse(text);
  if (value === null) throw usageError(`${flag}: '${text}' is not ${accepted}`);
  return value;
}

/** Reads the arguments after the program's name. Throws ExitError 64 for what is not accepted. */
export function parseArguments(
  args: readonly string[],
  version: string,
  lenses: readonly Lens[] = LENSES,
): Request {
  return new Parser(version, lenses).parse(args);
}

/** The options for generators of documentation; those that only tests use are left out. */
export function describeOptions(): OptionFacts[] {
  return new Parser("", LENSES).describe();
}
