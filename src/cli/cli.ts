/** The program from its arguments to its exit code. */
import type { LiveOptions } from "../app/live.ts";
import { Replay } from "../app/replay.ts";
import { run, type StreamOptions, streamFeed } from "../app/run.ts";
import { type FaceOptions, runScreen, showFeed } from "../app/screen.ts";
import type { World } from "../app/world.ts";
import { ExitCode, type ExitCodeValue, ExitError } from "../base/errors.ts";
import { csvOutput } from "../output/csv.ts";
import { jsonOutput } from "../output/json.ts";
import type { Output } from "../output/output.ts";
import { Sink } from "../output/sink.ts";
import { textOutput } from "../output/text.ts";
import type { Platform } from "../platform/platform.ts";
import { replayPlatform } from "../platform/replay/replay.ts";
import { RecordingReader, type RecordingSource } from "../recording/reader.ts";
import { type RecordingFile, RecordingWriter } from "../recording/writer.ts";
import type { Screen } from "../tui/terminal.ts";
import { compileFilter } from "../view/filter.ts";
import { sanitise } from "../view/sanitise.ts";
import { BUSIEST, type Order } from "../view/screen/state.ts";
import { type Options, parseArguments, type ReplaySource } from "./options.ts";

/** The machine, before it is known whether it will be asked to capture. */
export interface Host extends Omit<World, "platform"> {
  readonly version: string;
  readonly environment: { readonly NO_COLOR?: string | undefined; readonly TERM?: string | undefined };
  /** Takes the terminal over; null where there is none that a person sits at. */
  readonly openScreen: ((wantsColor: boolean) => Promise<Screen>) | null;
  /** Loads what captures here: only once the arguments are found to be right. */
  loadPlatform(): Promise<Platform>;
  /** Throws ExitError 73 where the file cannot be made. */
  createRecording(path: string, overwrite: boolean): RecordingFile;
  /** Throws ExitError 64 where there is nothing to read. */
  openRecording(from: ReplaySource): RecordingSource;
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

function liveOptions(options: Options, { version, createRecording }: Host): LiveOptions {
  const { record, overwrite } = options;
  return {
    version,
    record:
      record === null ? undefined : () => new RecordingWriter(createRecording(record, overwrite), record),
    capture: {
      backend: options.backend,
      udpIdleNs: options.udpTimeoutS * NS_PER_S,
      maxTcpFlows: options.maxTcpFlows,
      maxUdpFlows: options.maxUdpFlows,
      ringBytes: options.ringBytes,
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

function faceOptions(options: Options): FaceOptions {
  return {
    delayNs: options.delayS * NS_PER_S,
    all: options.all,
    accept: compileFilter(options.filter),
    order: screenOrder(options),
    style: options.raw ? "raw" : "human",
  };
}

function streamOptions(options: Options, host: Host): StreamOptions {
  return {
    output: outputFor(options, host),
    selection: { filter: compileFilter(options.filter), order: options.order },
  };
}

/** Opens the screen for a person at a terminal, unless they ask for the stream (null). */
function screenOpener(options: Options, host: Host): (() => Promise<Screen>) | null {
  const { openScreen } = host;
  if (openScreen === null || options.isStream) return null;
  return () => openScreen(wantsColor(options, host));
}

async function capture(options: Options, host: Host): Promise<boolean> {
  const platform = await host.loadPlatform();
  platform.check();
  const world: World = { ...host, platform };
  const open = screenOpener(options, host);
  const live = liveOptions(options, host);
  if (open === null) return run(world, { ...live, ...streamOptions(options, host) });
  await runScreen(world, open, { ...live, ...faceOptions(options) });
  return true;
}

/** The last part of a path. */
function baseName(path: string): string {
  return /[^/\\]*$/.exec(path)?.[0] ?? path;
}

/** What messages and the screen call a recording. */
function replayNames(from: ReplaySource): { readonly long: string; readonly short: string } {
  if (from.kind === "demo") return { long: "the demo", short: "demo" };
  if (from.path === "-") return { long: "standard input", short: "standard input" };
  return { long: from.path, short: baseName(from.path) };
}

async function replay(from: ReplaySource, options: Options, host: Host): Promise<boolean> {
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
  if (open === null) return streamFeed(world, streamOptions(options, host), openFeed);
  await showFeed(world, open, faceOptions(options), openFeed);
  return true;
}

async function print(text: string, host: Host): Promise<boolean> {
  const sink = new Sink(host.stdout, "standard output");
  sink.write(text);
  await sink.flushed();
  if (sink.error) throw sink.error;
  return true;
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
  try {
    const request = parseArguments(args, host.version);
    const isFlushed = await (request.kind === "print"
      ? print(request.text, host)
      : request.options.replay === null
        ? capture(request.options, host)
        : replay(request.options.replay, request.options, host));
    return { exitCode: ExitCode.ok, isFlushed };
  } catch (error) {
    host.stderr.write(describe(error, args.includes("--debug")), () => {});
    return { exitCode: error instanceof ExitError ? error.exitCode : ExitCode.software, isFlushed: true };
  }
}
