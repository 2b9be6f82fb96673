/** The program from its arguments to its exit code. */
import { reopenedByHangup } from "../app/hangup.ts";
import type { LiveOptions } from "../app/live.ts";
import { Replay } from "../app/replay.ts";
import { type Ending, run, type StreamFeedOptions, streamFeed } from "../app/run.ts";
import { runScreen, type ShowOptions, showFeed } from "../app/screen.ts";
import type { World } from "../app/world.ts";
import { ExitCode, type ExitCodeValue, ExitError, tellable } from "../base/errors.ts";
import type { FileInUse, Files } from "../base/output-file.ts";
import { sanitise } from "../base/sanitise.ts";
import type { Sink } from "../core/sink.ts";
import type { Order } from "../core/view.ts";
import type { Selection } from "../lenses/flows/events.ts";
import { compileFilter, describeFilter } from "../lenses/flows/filter.ts";
import type { Refresh } from "../lenses.ts";
import type { Platform } from "../platform/platform.ts";
import { replayPlatform } from "../platform/replay/replay.ts";
import type { RecordingFileOptions } from "../recording/files.ts";
import { RecordingReader, type RecordingSource } from "../recording/reader.ts";
import { type RecordingFile, RecordingWriter } from "../recording/writer.ts";
import { CSV_HEADERS, csvOutput } from "../sinks/csv.ts";
import { jsonOutput } from "../sinks/json.ts";
import { Log } from "../sinks/log.ts";
import { LogFile } from "../sinks/log-file.ts";
import type { Output } from "../sinks/output.ts";
import { textOutput } from "../sinks/text.ts";
import { TextWriter } from "../sinks/text-writer.ts";
import type { Screen } from "../tui/terminal.ts";
import { BUSIEST } from "../view/state.ts";
import { type Options, parseArguments, type ReplaySource } from "./options.ts";

/** All that the command line needs of the machine. The platform is loaded only for a capture. */
export interface Host extends Omit<World, "platform"> {
  readonly version: string;
  /** Without `lock`, which the platform has. */
  readonly files: Omit<Files, "lock">;
  readonly environment: { readonly NO_COLOR?: string | undefined; readonly TERM?: string | undefined };
  /** Takes the terminal over; null without a terminal that a person sits at. */
  readonly openScreen: ((wantsColor: boolean) => Promise<Screen>) | null;
  /** Loads the platform of this system. Called once the arguments are checked. */
  loadPlatform(): Promise<Platform>;
  /** The files that standard output and standard error go to. */
  readonly standardFiles: readonly FileInUse[];
  /** Throws ExitError 73 where the file cannot be made. */
  createRecording(files: Files, path: string, options: RecordingFileOptions): RecordingFile;
  /** Throws ExitError 64 where there is nothing to read. */
  openRecording(from: ReplaySource): RecordingSource;
}

export interface Outcome {
  readonly exitCode: ExitCodeValue;
  /** Whether all text was written. If not, the reader is idle and the program must not wait for it. */
  readonly isFlushed: boolean;
}

const NS_PER_S = 1e9;

/** The end of the screen. */
const SHOWN: Ending = { failures: [], isFlushed: true };

/** Colour is used on request and on terminals that have it, never against NO_COLOR. */
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

/** System calls on files, and the files that are in use already. */
interface Disk {
  readonly files: Files;
  readonly inUse: readonly FileInUse[];
}

function recorder(options: Options, host: Host, { files, inUse }: Disk): LiveOptions["record"] {
  const { record, overwrite } = options;
  if (record === null) return undefined;
  return () => new RecordingWriter(host.createRecording(files, record, { overwrite, inUse }), record);
}

function liveOptions(options: Options, host: Host, disk: Disk): LiveOptions {
  return {
    version: host.version,
    record: recorder(options, host, disk),
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
  { files, inUse }: Disk,
  { clock }: Host,
  tell: (remark: string) => void,
): LogFile {
  const file = new LogFile(files, path, { headers: CSV_HEADERS, wallMs: () => clock.wallMs(), inUse, tell });
  file.open(overwrite);
  return file;
}

function selectionOf(options: Options): Selection {
  return { filter: compileFilter(options.filter), order: options.order };
}

function showOptions(options: Options, sinks: readonly Sink<Refresh>[]): ShowOptions {
  return {
    delayNs: options.delayS * NS_PER_S,
    all: options.all,
    accept: compileFilter(options.filter),
    filterOptions: describeFilter(options.filter),
    order: screenOrder(options),
    style: options.raw ? "raw" : "human",
    sinks,
  };
}

function streamOptions(options: Options, host: Host, sinks: readonly Sink<Refresh>[]): StreamFeedOptions {
  return { output: outputFor(options, host), selection: selectionOf(options), sinks };
}

/** Opens the screen for a person at a terminal, unless they ask for the stream (null). */
function screenOpener(options: Options, host: Host): (() => Promise<Screen>) | null {
  const { openScreen } = host;
  if (openScreen === null || options.isStream) return null;
  return () => openScreen(wantsColor(options, host));
}

/** The last part of a path. */
function baseName(path: string): string {
  return /[^/\\]*$/.exec(path)?.[0] ?? path;
}

/** Names of a recording: in messages and on the screen. */
function replayNames(from: ReplaySource): { readonly long: string; readonly short: string } {
  if (from.kind === "demo") return { long: "the demo", short: "demo" };
  if (from.path === "-") return { long: "standard input", short: "standard input" };
  return { long: from.path, short: baseName(from.path) };
}

async function replay(from: ReplaySource, options: Options, host: Host): Promise<Ending> {
  const world: World = { ...host, platform: replayPlatform() };
  const open = screenOpener(options, host);
  const names = replayNames(from);
  const openFeed = async () => {
    const source = host.openRecording(from);
    const { speed, iterations, all } = options;
    const how = { name: names.short, speed, iterations, all, staysAtEnd: open !== null };
    try {
      return new Replay(world, how, await RecordingReader.open(source, names.long));
    } catch (error) {
      source.close();
      throw error;
    }
  };
  if (open === null) {
    return streamFeed(world, streamOptions(options, host, []), openFeed);
  }
  await showFeed(world, open, showOptions(options, []), openFeed);
  return SHOWN;
}

/** What a capture is shown with: the machine, its files and the sinks besides the screen or the stream. */
interface Show {
  readonly world: World;
  readonly disk: Disk;
  readonly sinks: readonly Sink<Refresh>[];
}

/** Captures for the screen of a person at a terminal, or for the stream. */
async function show(options: Options, host: Host, { world, disk, sinks }: Show): Promise<Ending> {
  const live = liveOptions(options, host, disk);
  const open = screenOpener(options, host);
  if (open === null) return run(world, { ...live, ...streamOptions(options, host, sinks) });
  await runScreen(world, open, { ...live, ...showOptions(options, sinks) });
  return SHOWN;
}

/** Captures, shows and logs. */
async function capture(options: Options, host: Host): Promise<Ending> {
  const platform = await host.loadPlatform();
  platform.check();
  const world: World = { ...host, platform };
  const files: Files = { ...host.files, lock: (fd) => platform.lockFile(fd) };
  const disk: Disk = { files, inUse: host.standardFiles };
  if (options.log === null) {
    return show(options, host, { world, disk, sinks: [] });
  }
  const hasScreen = screenOpener(options, host) !== null;
  const warn = (remark: string) => host.stderr.write(`warning: ${sanitise(remark)}\n`, () => {});
  // Remarks that wait until the screen is closed.
  const remarks: string[] = [];
  const tell = hasScreen ? (remark: string) => void remarks.push(remark) : warn;
  const file = openLogFile(options.log, options, disk, host, tell);
  const log = new Log(file, { selection: selectionOf(options), endsOnFailure: !hasScreen });
  for (const remark of remarks.splice(0)) warn(remark);
  let ending: Ending;
  try {
    const inUse = [...disk.inUse, ...file.inUse];
    ending = await show(options, host, {
      world: reopenedByHangup(world, log),
      disk: { files, inUse },
      sinks: [log],
    });
  } finally {
    log.close();
    for (const remark of remarks) warn(remark);
  }
  return log.error === null ? ending : { ...ending, failures: [log.error, ...ending.failures] };
}

async function print(text: string, host: Host): Promise<Ending> {
  const writer = new TextWriter(host.stdout, "standard output");
  writer.write(text);
  await writer.flushed();
  return { failures: writer.error === null ? [] : [writer.error], isFlushed: true };
}

/** The one line of an error; with `--debug` also its stack. */
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

/** Runs tcptop with the arguments that follow its name. Every failure becomes one line; the first has the exit code. */
export async function runCli(args: readonly string[], host: Host): Promise<Outcome> {
  const tell = (error: unknown) => host.stderr.write(describe(error, args.includes("--debug")), () => {});
  try {
    const request = parseArguments(args, host.version);
    const { failures, isFlushed } = await (request.kind === "print"
      ? print(request.text, host)
      : request.options.replay === null
        ? capture(request.options, host)
        : replay(request.options.replay, request.options, host));
    for (const failure of failures) tell(failure);
    return { exitCode: failures[0]?.exitCode ?? ExitCode.ok, isFlushed };
  } catch (thrown) {
    const error = tellable(thrown);
    tell(error);
    return { exitCode: error instanceof ExitError ? error.exitCode : ExitCode.software, isFlushed: true };
  }
}
