/** The program from its arguments to its exit code. */
import { reopenedByHangup } from "../app/hangup.ts";
import type { LiveOptions } from "../app/live.ts";
import { Replay } from "../app/replay.ts";
import { type Ending, run, type StreamFeedOptions, streamFeed } from "../app/run.ts";
import type { ShowOptions } from "../app/screen.ts";
import type { World } from "../app/world.ts";
import { ExitCode, type ExitCodeValue, ExitError, tellable } from "../base/errors.ts";
import type { FileInUse, Files } from "../base/output-file.ts";
import { sanitise } from "../base/sanitise.ts";
import type { Lens, LensParts, ShownLens } from "../core/lens.ts";
import { usageError } from "../core/options.ts";
import type { Refresh } from "../core/refresh.ts";
import type { Sink } from "../core/sink.ts";
import type { Table } from "../core/table.ts";
import { LENSES } from "../lenses.ts";
import type { Platform } from "../platform/platform.ts";
import { replayPlatform } from "../platform/replay/replay.ts";
import type { RecordingFileOptions } from "../recording/files.ts";
import { RecordingReader, type RecordingSource } from "../recording/reader.ts";
import { type RecordingFile, RecordingWriter } from "../recording/writer.ts";
import { csvHeaders, csvOutput } from "../sinks/csv.ts";
import { jsonOutput } from "../sinks/json.ts";
import { Log } from "../sinks/log.ts";
import { LogFile } from "../sinks/log-file.ts";
import { textOutput } from "../sinks/text.ts";
import { TextWriter } from "../sinks/text-writer.ts";
import type { Screen } from "../tui/terminal.ts";
import { type Options, parseArguments, type ReplaySource } from "./options.ts";

/** All that the command line needs of the machine. The platform is loaded only for a capture. */
export interface Host extends Omit<World, "platform"> {
  readonly version: string;
  /** Without what the platform has. */
  readonly files: Omit<Files, "lock" | "keeper">;
  readonly environment: { readonly NO_COLOR?: string | undefined; readonly TERM?: string | undefined };
  /** Takes the terminal over; null without a terminal that a person sits at. */
  readonly openScreen: ((wantsColor: boolean) => Promise<Screen>) | null;
  /** Loads what `openScreen` needs of the program's files. Absent: nothing. */
  readonly loadScreen?: () => Promise<unknown>;
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

/** The lenses that the options ask for, and what their options were set to. */
function lensesOn(options: Options, lenses: readonly Lens[]) {
  return lenses.flatMap((lens) => {
    const settings = options.lenses.get(lens.id);
    return settings !== undefined && lens.isOn(settings) ? [{ lens, settings }] : [];
  });
}

/** What is streamed, and in which form. */
function streamOf(options: Options, host: Host, lenses: readonly ShownLens[]): StreamFeedOptions["stream"] {
  const { format, order, raw } = options;
  switch (format) {
    case "json":
      return { output: jsonOutput(lenses), lenses, order };
    case "csv": {
      const [lens] = lenses;
      const [table] = lens?.tables ?? [];
      if (lens === undefined || table === undefined) throw new Error("no lens has a table");
      return { output: csvOutput(table), lenses: [{ ...lens, tables: [table] }], order };
    }
    case "text": {
      const output = textOutput({ style: raw ? "raw" : "human", color: wantsColor(options, host) });
      return { output, lenses, order };
    }
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

function liveOptions(options: Options, host: Host, disk: Disk, lenses: readonly LensParts[]): LiveOptions {
  return {
    version: host.version,
    record: recorder(options, host, disk),
    capture: {
      backend: options.backend,
      ringBytes: options.ringBytes,
      user: options.user,
    },
    lenses,
    delayNs: options.delayS * NS_PER_S,
    iterations: options.iterations,
  };
}

/** A log's file, open before anything is captured. */
function openLogFile(
  path: string,
  table: Table,
  { overwrite }: Options,
  { files, inUse }: Disk,
  { clock }: Host,
  tell: (remark: string) => void,
): LogFile {
  const file = new LogFile(files, path, {
    headers: csvHeaders(table),
    wallMs: () => clock.wallMs(),
    inUse,
    tell,
  });
  file.open(overwrite);
  return file;
}

function showOptions(
  options: Options,
  lenses: readonly ShownLens[],
  sinks: readonly Sink<Refresh>[],
): ShowOptions {
  return {
    delayNs: options.delayS * NS_PER_S,
    lenses,
    order: options.order,
    style: options.raw ? "raw" : "human",
    sinks,
  };
}

/** A stream does without: it takes as long to load as all else of a stream. */
function loadScreenFeed() {
  return import("../app/screen.ts");
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

async function replay(
  from: ReplaySource,
  options: Options,
  host: Host,
  lenses: readonly ShownLens[],
): Promise<Ending> {
  const world: World = { ...host, platform: replayPlatform() };
  const open = screenOpener(options, host);
  const names = replayNames(from);
  const openFeed = async () => {
    const source = host.openRecording(from);
    const { speed, iterations } = options;
    const how = { name: names.short, speed, iterations, lenses, staysAtEnd: open !== null };
    try {
      return new Replay(world, how, await RecordingReader.open(source, names.long));
    } catch (error) {
      source.close();
      throw error;
    }
  };
  if (open === null) {
    return streamFeed(world, { stream: streamOf(options, host, lenses) }, openFeed);
  }
  const { showFeed } = await loadScreenFeed();
  await showFeed(world, open, showOptions(options, lenses, []), openFeed);
  return SHOWN;
}

/** What a capture is shown with: the machine, its files and the sinks besides the screen or the stream. */
interface Show {
  readonly world: World;
  readonly disk: Disk;
  readonly lenses: readonly LensParts[];
  readonly sinks: readonly Sink<Refresh>[];
}

/** Captures for the screen of a person at a terminal, or for the stream. */
async function show(options: Options, host: Host, { world, disk, lenses, sinks }: Show): Promise<Ending> {
  const live = liveOptions(options, host, disk, lenses);
  const open = screenOpener(options, host);
  if (open === null) return run(world, { ...live, stream: streamOf(options, host, lenses), sinks });
  const { runScreen } = await loadScreenFeed();
  await runScreen(world, open, { ...showOptions(options, lenses, sinks), ...live });
  return SHOWN;
}

/** The tables that are logged. Throws ExitError 64 for one that no lens has which is on. */
function logTargets({ logs }: Options, lenses: readonly ShownLens[]) {
  const tables = lenses.flatMap((lens) => lens.tables);
  return [...logs].map(([id, path]) => {
    const table = tables.find((one) => one.id === id);
    if (table === undefined) throw usageError(`--log ${id}=${path}: ${id} are not captured`);
    return { table, path };
  });
}

/** Captures, shows and logs. */
async function capture(options: Options, host: Host, lenses: readonly LensParts[]): Promise<Ending> {
  const platform = await host.loadPlatform();
  try {
    platform.check();
    // Whoever tcptop becomes may not be able to read its files.
    if (screenOpener(options, host) !== null) await Promise.all([loadScreenFeed(), host.loadScreen?.()]);
    return await captureOn({ platform, lenses }, options, host);
  } finally {
    platform.close();
  }
}

/** Captures, shows and logs. */
async function captureOn(
  { platform, lenses }: { readonly platform: Platform; readonly lenses: readonly LensParts[] },
  options: Options,
  host: Host,
): Promise<Ending> {
  const world: World = { ...host, platform };
  const files: Files = { ...host.files, lock: (fd) => platform.lockFile(fd), keeper: platform.outputs };
  const disk: Disk = { files, inUse: host.standardFiles };
  const targets = logTargets(options, lenses);
  if (targets.length === 0) return show(options, host, { world, disk, lenses, sinks: [] });
  const hasScreen = screenOpener(options, host) !== null;
  const warn = (remark: string) => host.stderr.write(`warning: ${sanitise(remark)}\n`, () => {});
  // Remarks that wait until the screen is closed.
  const remarks: string[] = [];
  const tell = hasScreen ? (remark: string) => void remarks.push(remark) : warn;
  const opened: LogFile[] = [];
  const inUse = () => [...disk.inUse, ...opened.flatMap((file) => file.inUse)];
  const logs: Log[] = [];
  let ending: Ending;
  try {
    for (const { table, path } of targets) {
      const file = openLogFile(path, table, options, { files, inUse: inUse() }, host, tell);
      opened.push(file);
      logs.push(new Log(file, { table, order: options.order, endsOnFailure: !hasScreen }));
    }
    for (const remark of remarks.splice(0)) warn(remark);
    ending = await show(options, host, {
      world: reopenedByHangup(world, logs),
      disk: { files, inUse: inUse() },
      lenses,
      sinks: logs,
    });
  } finally {
    for (const log of logs) log.close();
    for (const remark of remarks) warn(remark);
  }
  const failures = logs.flatMap(({ error }) => (error === null ? [] : [error]));
  return { ...ending, failures: [...failures, ...ending.failures] };
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

/** Loads the lenses that are asked for, then captures or replays. */
async function start(options: Options, host: Host, all: readonly Lens[]): Promise<Ending> {
  const on = lensesOn(options, all);
  const { replay: from } = options;
  if (from === null) {
    const loaded = on.map(async ({ lens, settings }) => (await lens.load()).parts(settings));
    return capture(options, host, await Promise.all(loaded));
  }
  const loaded = on.map(async ({ lens, settings }) =>
    (await (lens.loadShown?.() ?? lens.load())).parts(settings),
  );
  const shown = await Promise.all(loaded);
  const played = shown.filter(({ recording }) => recording !== undefined);
  return replay(from, options, host, played);
}

/** Runs tcptop with the arguments that follow its name. Every failure becomes one line; the first has the exit code. */
export async function runCli(
  args: readonly string[],
  host: Host,
  lenses: readonly Lens[] = LENSES,
): Promise<Outcome> {
  const tell = (error: unknown) => host.stderr.write(describe(error, args.includes("--debug")), () => {});
  try {
    const request = parseArguments(args, host.version, lenses);
    const { failures, isFlushed } = await (request.kind === "print"
      ? print(request.text, host)
      : start(request.options, host, lenses));
    for (const failure of failures) tell(failure);
    return { exitCode: failures[0]?.exitCode ?? ExitCode.ok, isFlushed };
  } catch (thrown) {
    const error = tellable(thrown);
    tell(error);
    return { exitCode: error instanceof ExitError ? error.exitCode : ExitCode.software, isFlushed: true };
  }
}
