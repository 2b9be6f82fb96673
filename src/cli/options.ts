/** The command line: every flag, what it accepts, and the help; nothing is opened here. */
import { Command, CommanderError, Option } from "commander";
import { type AddressRange, parseAddressRange } from "../base/address.ts";
import { ExitCode, ExitError } from "../base/errors.ts";
import type { Column } from "../core/column.ts";
import type { SortOrder } from "../core/sort.ts";
import { COLUMN_KEYS, findColumn } from "../lenses/flows/columns.ts";
import type { Connection } from "../lenses/flows/connection.ts";
import type { Filter } from "../lenses/flows/filter.ts";
import { BACKENDS, type BackendChoice } from "../platform/platform.ts";
import { FORMATS, type Format } from "../sinks/output.ts";

export interface Options {
  /** The stream is asked for, also at a terminal. */
  readonly isStream: boolean;
  readonly format: Format;
  readonly delayS: number;
  /** null: until a request to end. */
  readonly iterations: number | null;
  readonly filter: Filter;
  readonly all: boolean;
  readonly order: SortOrder<Connection>;
  readonly udpTimeoutS: number;
  readonly raw: boolean;
  /** null: neither --color nor --no-color. */
  readonly color: boolean | null;
  readonly backend: BackendChoice;
  /** null: no log. */
  readonly log: string | null;
  readonly maxTcpFlows: number | undefined;
  readonly maxUdpFlows: number | undefined;
  readonly ringBytes: number | undefined;
  /** File of a recording to make, null: none. */
  readonly record: string | null;
  /** Whether the files of --log and --record may be replaced. */
  readonly overwrite: boolean;
  /** A recording to show in place of a capture. */
  readonly replay: ReplaySource | null;
  /** Factor of the speed of a replay. */
  readonly speed: number;
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
}

/** Description of an option that only tests use. */
const HIDDEN = "";

/** How a value is read; null: not accepted. */
interface Value<T> {
  /** Completes `'x' is not ...` and `needs a value: ...`. */
  readonly accepted: string;
  /** The accepted words, where they are few. */
  readonly choices?: readonly string[];
  parse(text: string): T | null;
}

function numberBetween(what: string, least: number, most: number, pattern: RegExp): Value<number> {
  return {
    accepted: `${what} from ${least} to ${most}`,
    parse(text) {
      const value = pattern.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? value : null;
    },
  };
}

function wholeNumber(what: string, least: number, most: number): Value<number> {
  return numberBetween(what, least, most, /^(0|[1-9]\d*)$/);
}

const SECONDS = numberBetween("a number of seconds", 0.1, 86_400, /^((0|[1-9]\d*)(\.\d+)?|\.\d+)$/);
const COUNT = wholeNumber("a whole number", 1, 1_000_000_000);

function oneOf<T extends string>(choices: readonly T[]): Value<T> {
  return {
    accepted: `one of ${choices.join(", ")}`,
    choices,
    parse: (text) => choices.find((choice) => choice === text) ?? null,
  };
}

const BACKEND: Value<BackendChoice> = oneOf(["auto", ...BACKENDS]);

const SORT_COLUMN: Value<Column<Connection>> = {
  accepted: `one of ${COLUMN_KEYS.join(", ")}`,
  choices: COLUMN_KEYS,
  parse: (text) => findColumn(text) ?? null,
};

/** `-` is standard input. */
const RECORDING: Value<string> = {
  accepted: "the name of a file",
  parse: (text) => (text === "" ? null : text),
};

const SPEED = numberBetween("a number", 0.1, 1000, /^((0|[1-9]\d*)(\.\d+)?|\.\d+)$/);

/** Options of a capture, which a replay refuses. */
const CAPTURE_ONLY = [
  "--delay",
  "--interval",
  "--udp-timeout",
  "--backend",
  "--record",
  "--log",
  "--max-tcp-flows",
  "--max-udp-flows",
  "--ring-bytes",
] as const;

const HOST: Value<AddressRange> = {
  accepted: "an IP address or ADDRESS/PREFIX",
  parse: parseAddressRange,
};

const PROCESS: Value<string> = {
  accepted: "a process name or a part of one",
  parse: (text) => (text === "" ? null : text),
};

/** Not `-`, and not the next option where the path was forgotten. */
const FILE: Value<string> = {
  accepted: "the path of a file (./-x for one that begins with -)",
  parse: (text) => (text === "" || text.startsWith("-") ? null : text),
};

/** The kernel gives out no larger process id (PID_MAX_LIMIT, include/linux/threads.h). */
const PID = wholeNumber("a process id", 1, 4_194_304);
const PORT = wholeNumber("a port number", 1, 65_535);

const FLOWS = wholeNumber("a whole number", 1, 1 << 24);
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

function usageError(message: string): ExitError {
  return new ExitError(ExitCode.usage, message);
}

type Draft = { -readonly [Key in keyof Options]: Options[Key] };
type FilterDraft = {
  -readonly [Key in keyof Filter]: Filter[Key] extends readonly (infer T)[] ? T[] : Filter[Key];
};

const DEFAULT_DELAY_S = 1;
const DEFAULT_UDP_TIMEOUT_S = 5;

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

/** Reads one command line into a draft of the options; made anew for each. */
class Parser {
  readonly #command: Command;
  /** What the value of an option accepts, by its flags. */
  readonly #values = new Map<string, Value<unknown>>();
  /** Long names of the options given. */
  readonly #given = new Set<string>();
  readonly #filter: FilterDraft = {
    pids: [],
    processes: [],
    ports: [],
    hosts: [],
    protocols: [],
    families: [],
    noLoopback: false,
  };
  readonly #draft: Draft = {
    isStream: false,
    format: "text",
    delayS: DEFAULT_DELAY_S,
    iterations: null,
    filter: this.#filter,
    all: false,
    order: { column: null, reverse: false },
    udpTimeoutS: DEFAULT_UDP_TIMEOUT_S,
    raw: false,
    color: null,
    backend: "auto",
    log: null,
    maxTcpFlows: undefined,
    maxUdpFlows: undefined,
    ringBytes: undefined,
    record: null,
    overwrite: false,
    replay: null,
    speed: 1,
  };
  #printed = "";

  constructor(version: string) {
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
    this.#addOutput();
    this.#addRefresh();
    this.#addFilters();
    this.#addRecording();
    this.#command.optionsGroup("Other:");
    this.#value(
      "--backend <name>",
      `${["auto", ...BACKENDS].join(", ")} (default auto)`,
      BACKEND,
      (backend) => {
        this.#draft.backend = backend;
      },
    );
    this.#flag("--debug", "show where an error comes from", () => {});
    this.#command
      .version(`tcptop ${version}`, "-V, --version", "show the version")
      .helpOption("-h, --help", "show this help");
    this.#addTestKnobs();
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
          placeholder: option.flags.match(/<(.+)>/)?.[1] ?? null,
          description: option.description,
          accepted: value?.accepted ?? null,
          choices: value?.choices ?? [],
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
    const surplus = CAPTURE_ONLY.find((name) => this.#given.has(name));
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

  #addOutput(): void {
    const draft = this.#draft;
    this.#command.optionsGroup("Output:");
    this.#flag("-b, --batch", "a line for each update, as if not at a terminal", () => {
      draft.isStream = true;
    });
    this.#value(
      "--format <form>",
      "text, json (an object a line) or csv (default text)",
      oneOf(FORMATS),
      (format) => {
        draft.format = format;
        draft.isStream = true;
      },
    );
    this.#value("-l, --log <file>", "also log every refresh to FILE, as CSV", FILE, (log) => {
      draft.log = log;
    });
    this.#flag("--overwrite", "replace the file of --log or --record", () => {
      draft.overwrite = true;
    });
    this.#flag("--raw", "exact numbers in place of human-readable ones", () => {
      draft.raw = true;
    });
    this.#flag("--color", "colour even if the output is not a terminal", () => {
      draft.color = true;
    });
    this.#flag("--no-color", "no colour; so does NO_COLOR in the environment", () => {
      draft.color = false;
    });
    this.#value(
      "-s, --sort <column>",
      "order: rate, bytes, rtt, pid, process, remote, ...",
      SORT_COLUMN,
      (column) => {
        draft.order = { ...draft.order, column };
      },
    );
    this.#flag("-r, --reverse", "reverse the order", () => {
      draft.order = { ...draft.order, reverse: true };
    });
  }

  #addRefresh(): void {
    const draft = this.#draft;
    const setDelay = (delayS: number) => {
      draft.delayS = delayS;
    };
    this.#command.optionsGroup("Refresh:");
    this.#value(
      "-d, --delay <seconds>",
      `time between refreshes (default ${DEFAULT_DELAY_S})`,
      SECONDS,
      setDelay,
    );
    this.#value("--interval <seconds>", "the same as --delay", SECONDS, setDelay);
    this.#value("-n, --iterations <count>", "stop after this many refreshes", COUNT, (iterations) => {
      draft.iterations = iterations;
    });
    this.#value(
      "--udp-timeout <seconds>",
      `idle time that ends a UDP flow (default ${DEFAULT_UDP_TIMEOUT_S})`,
      SECONDS,
      (udpTimeoutS) => {
        draft.udpTimeoutS = udpTimeoutS;
      },
    );
  }

  #addFilters(): void {
    const filter = this.#filter;
    this.#command.optionsGroup("Filters (a connection must match one of each kind given):");
    this.#list("-p, --pid <pid,...>", "owned by this process", PID, filter.pids);
    this.#value(
      "-c, --process <name>",
      "name of the owner, or a part of it, in any case",
      PROCESS,
      (name) => {
        filter.processes.push(name);
      },
    );
    this.#list("--port <port,...>", "local or remote port", PORT, filter.ports);
    this.#list("--host <address,...>", "local or remote address, or ADDRESS/PREFIX", HOST, filter.hosts);
    this.#flag("-t, --tcp", "TCP connections", () => filter.protocols.push("tcp"));
    this.#flag("-u, --udp", "UDP flows", () => filter.protocols.push("udp"));
    this.#flag("-4, --ipv4", "IPv4", () => filter.families.push(4));
    this.#flag("-6, --ipv6", "IPv6", () => filter.families.push(6));
    this.#flag("--no-loopback", "hide flows between two loopback addresses", () => {
      filter.noLoopback = true;
    });
    this.#flag("-a, --all", "also listening and TIME_WAIT sockets", () => {
      this.#draft.all = true;
    });
  }

  #addRecording(): void {
    const draft = this.#draft;
    this.#command.optionsGroup("Recordings:");
    this.#value("--record <file>", "save what is captured, to be shown again", FILE, (path) => {
      draft.record = path;
    });
    this.#value(
      "--replay <file>",
      "show a recording, without privileges; - reads a pipe",
      RECORDING,
      (path) => {
        draft.replay = { kind: "file", path };
      },
    );
    this.#flag("--demo", "show the recording that comes with tcptop", () => {
      draft.replay = { kind: "demo" };
    });
    this.#value("--speed <factor>", "how much faster to replay, 0.1 to 1000 (default 1)", SPEED, (speed) => {
      draft.speed = speed;
    });
  }

  #addTestKnobs(): void {
    const draft = this.#draft;
    this.#value("--max-tcp-flows <count>", HIDDEN, FLOWS, (count) => {
      draft.maxTcpFlows = count;
    });
    this.#value("--max-udp-flows <count>", HIDDEN, FLOWS, (count) => {
      draft.maxUdpFlows = count;
    });
    this.#value("--ring-bytes <bytes>", HIDDEN, RING_BYTES, (bytes) => {
      draft.ringBytes = bytes;
    });
  }

  #flag(flags: string, description: string, set: () => void): void {
    const option = new Option(flags, description);
    this.#command.addOption(
      option.argParser(() => {
        this.#given.add(option.long ?? flags);
        set();
      }),
    );
  }

  #value<T>(flags: string, description: string, value: Value<T>, set: (value: T) => void): void {
    this.#text(flags, description, value, (flag, text) => set(read(flag, value, text)));
  }

  /** An option whose value is a list with commas. */
  #list<T>(flags: string, description: string, value: Value<T>, into: T[]): void {
    this.#text(flags, description, value, (flag, text) => {
      into.push(...text.split(",").map((item) => read(flag, value, item)));
    });
  }

  #text(
    flags: string,
    description: string,
    value: Value<unknown>,
    set: (flag: string, text: string) => void,
  ): void {
    const option = new Option(flags, description).hideHelp(description === HIDDEN);
    this.#values.set(flags, value);
    this.#command.addOption(
      option.argParser((text) => {
        this.#given.add(option.long ?? flags);
        set(option.long ?? flags, text);
      }),
    );
  }
}

function read<T>(flag: string, { accepted, parse }: Value<T>, text: string): T {
  const value = parse(text);
  if (value === null) throw usageError(`${flag}: '${text}' is not ${accepted}`);
  return value;
}

/** Reads the arguments after the program's name. Throws ExitError 64 for what is not accepted. */
export function parseArguments(args: readonly string[], version: string): Request {
  return new Parser(version).parse(args);
}

/** The options for generators of documentation; those that only tests use are left out. */
export function describeOptions(): OptionFacts[] {
  return new Parser("").describe();
}
