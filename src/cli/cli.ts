/** The program from its arguments to its exit code. */
import { Log, reopenedByHangup } from "../app/log.ts";
import type { LoopOptions } from "../app/loop.ts";
import { run } from "../app/run.ts";
import { runScreen } from "../app/screen.ts";
import type { World } from "../app/world.ts";
import { ExitCode, type ExitCodeValue, ExitError } from "../base/errors.ts";
import { CSV_HEADER, csvOutput } from "../output/csv.ts";
import type { Selection } from "../output/events.ts";
import { jsonOutput } from "../output/json.ts";
import { type Files, LogFile } from "../output/log-file.ts";
import type { Output } from "../output/output.ts";
import { Sink } from "../output/sink.ts";
import { textOutput } from "../output/text.ts";
import type { Platform } from "../platform/platform.ts";
import type { Screen } from "../tui/terminal.ts";
import { compileFilter } from "../view/filter.ts";
import { sanitise } from "../view/sanitise.ts";
import { BUSIEST, type Order } from "../view/screen/state.ts";
import { type Options, parseArguments } from "./options.ts";

/** The machine, before it is known whether it will be asked to capture. */
export interface Host extends Omit<World, "platform"> {
  readonly version: string;
  /** Without locks, which the platform has. */
  readonly files: Omit<Files, "lock">;
  readonly environment: { readonly NO_COLOR?: string | undefined; readonly TERM?: string | undefined };
  /** Takes the terminal over; null where there is none that a person sits at. */
  readonly openScreen: ((wantsColor: boolean) => Promise<Screen>) | null;
  /** Loads what captures here: only once the arguments are found to be right. */
  loadPlatform(): Promise<Platform>;
}

/** How showing ended: what failed beside it, and whether all text was written. */
interface Ending {
  readonly failure: ExitError | null;
  readonly isFlushed: boolean;
}

export interface Outcome {
  readonly exitCode: ExitCodeValue;
  /** Whether all text was written; if not, its reader does not read, and nobody should wait for it. */
  readonly isFlushed: boolean;
}

const NS_PER_S = 1e9;

/** Colour goes to a terminal that can show it or where it is asked for, never against NO_COLOR. */
function wantsColor({ color }: Options, { environment, stdout }: Host): boolean {
  if (environment.NO_COLOR) return false;
  return color ?? (stdout.isTerminal && environment.TERM !== "dumb");
}

function outputFor(options: Options, host: Host): Output {
  switch (options.format) {
    case "json":
      return jsonOutput();
    case "csv":
      return csvOutput();
    case "text":
      return textOutput({ style: options.raw ? "raw" : "human", color: wantsColor(options, host) });
  }
}

function loopOptions(options: Options): LoopOptions {
  return {
    capture: {
      backend: options.backend,
      udpIdleNs: options.udpTimeoutS * NS_PER_S,
      maxTcpFlows: options.maxTcpFlows,
      maxUdpFlows: options.maxUdpFlows,
      ringBytes: options.ringBytes,
      opensFilesLater: options.log !== null,
    },
    delayNs: options.delayS * NS_PER_S,
    iterations: options.iterations,
    all: options.all,
  };
}

/** The order of the screen, null where the command line leaves it open. */
function screenOrder({ order: { column, reverse } }: Options): Order | null {
  return column === null ? (reverse ? { ...BUSIEST, reverse } : null) : { key: column.key, reverse };
}

/** The log's file, open before anything is captured. */
function openLogFile(
  path: string,
  { overwrite }: Options,
  { host, platform }: { readonly host: Host; readonly platform: Platform },
  remarks: string[],
): LogFile {
  const files: Files = { ...host.files, lock: (fd) => platform.lockFile(fd) };
  const file = new LogFile(files, path, CSV_HEADER, (remark) => remarks.push(remark));
  file.open(overwrite);
  return file;
}

function wantsScreen({ isStream }: Options, { openScreen }: Host): boolean {
  return openScreen !== null && !isStream;
}

/** The screen for a person at a terminal, unless they ask for the stream; else the stream. */
async function show(options: Options, host: Host, world: World, selection: Selection, log: Log | null) {
  const { version, openScreen } = host;
  if (openScreen !== null && wantsScreen(options, host)) {
    const style = options.raw ? "raw" : "human";
    const order = screenOrder(options);
    await runScreen(world, () => openScreen(wantsColor(options, host)), {
      ...loopOptions(options),
      ...{ version, accept: selection.filter, order, style, log },
    });
    return true;
  }
  const output = outputFor(options, host);
  return run(world, { ...loopOptions(options), version, output, selection, log });
}

/** Shows what there is, and logs it beside. */
async function capture(options: Options, host: Host): Promise<Ending> {
  const platform = await host.loadPlatform();
  platform.check();
  const world: World = { ...host, platform };
  const selection: Selection = { filter: compileFilter(options.filter), order: options.order };
  if (options.log === null) {
    return { isFlushed: await show(options, host, world, selection, null), failure: null };
  }
  const remarks: string[] = [];
  const tellRemarks = () => {
    for (const remark of remarks.splice(0)) host.stderr.write(`warning: ${sanitise(remark)}\n`, () => {});
  };
  const file = openLogFile(options.log, options, { host, platform }, remarks);
  const log = new Log(file, { selection, endsOnFailure: !wantsScreen(options, host) });
  tellRemarks();
  let isFlushed: boolean;
  try {
    isFlushed = await show(options, host, reopenedByHangup(world, log), selection, log);
  } finally {
    log.close();
    // Not before, as there may have been a screen.
    tellRemarks();
  }
  return { isFlushed, failure: log.error };
}

async function print(text: string, host: Host): Promise<Ending> {
  const sink = new Sink(host.stdout, "standard output");
  sink.write(text);
  await sink.flushed();
  return { failure: sink.error, isFlushed: true };
}

/** The one line of an error; with `--debug` also where it comes from. */
function describe(error: unknown, debug: boolean): string {
  const isKnown = error instanceof ExitError;
  const message = sanitise(error instanceof Error ? error.message : String(error));
  const line = isKnown ? message : `internal error: ${message}${debug ? "" : " (--debug shows where)"}`;
  return [`error: ${line}`, ...(debug ? stackOf(error) : []), ""].join("\n");
}

function stackOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const lines = (error.stack ?? "").split("\n").map(sanitise);
  return error.cause === undefined ? lines : [...lines, "caused by:", ...stackOf(error.cause)];
}

/** Runs tcptop with the arguments that follow its name; all failures end up as a line and an exit code. */
export async function runCli(args: readonly string[], host: Host): Promise<Outcome> {
  const tell = (error: unknown) => host.stderr.write(describe(error, args.includes("--debug")), () => {});
  try {
    const request = parseArguments(args, host.version);
    const { failure, isFlushed } = await (request.kind === "print"
      ? print(request.text, host)
      : capture(request.options, host));
    if (failure !== null) tell(failure);
    return { exitCode: failure?.exitCode ?? ExitCode.ok, isFlushed };
  } catch (error) {
    tell(error);
    return { exitCode: error instanceof ExitError ? error.exitCode : ExitCode.software, isFlushed: true };
  }
}
