/** The program from its arguments to its exit code. */
import type { LoopOptions } from "../app/loop.ts";
import { run } from "../app/run.ts";
import { runScreen } from "../app/screen.ts";
import type { World } from "../app/world.ts";
import { ExitCode, type ExitCodeValue, ExitError } from "../base/errors.ts";
import { csvOutput } from "../output/csv.ts";
import { jsonOutput } from "../output/json.ts";
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
  readonly environment: { readonly NO_COLOR?: string | undefined; readonly TERM?: string | undefined };
  /** Takes the terminal over; null where there is none that a person sits at. */
  readonly openScreen: ((wantsColor: boolean) => Promise<Screen>) | null;
  /** Loads what captures here: only once the arguments are found to be right. */
  loadPlatform(): Promise<Platform>;
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

/** The screen for a person at a terminal, unless they ask for the stream; else the stream. */
async function capture(options: Options, host: Host): Promise<boolean> {
  const platform = await host.loadPlatform();
  platform.check();
  const world: World = { ...host, platform };
  const filter = compileFilter(options.filter);
  const { version, openScreen } = host;
  const style = options.raw ? "raw" : "human";
  if (openScreen !== null && !options.isStream) {
    const order = screenOrder(options);
    await runScreen(world, () => openScreen(wantsColor(options, host)), {
      ...loopOptions(options),
      ...{ version, accept: filter, order, style },
    });
    return true;
  }
  return run(world, {
    ...loopOptions(options),
    version,
    output: outputFor(options, host),
    selection: { filter, order: options.order },
  });
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
      : capture(request.options, host));
    return { exitCode: ExitCode.ok, isFlushed };
  } catch (error) {
    host.stderr.write(describe(error, args.includes("--debug")), () => {});
    return { exitCode: error instanceof ExitError ? error.exitCode : ExitCode.software, isFlushed: true };
  }
}
