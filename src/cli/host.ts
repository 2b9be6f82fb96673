/** The real machine. */
import { closeSync, constants as flags, fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { systemClock } from "../base/clock.ts";
import { ExitCode, ExitError } from "../base/errors.ts";
import { createRecordingFile, openRecordingSource } from "../recording/files.ts";
import type { OutputStream } from "../sinks/text-writer.ts";
import type { Host } from "./cli.ts";
import { standardFiles, systemFiles } from "./files.ts";

/** Requests to end. */
const ASKING: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/**
 * Signals that end a program in other ways. The program ends as at a request, and then by the signal itself. Node
 * ignores SIGPIPE and SIGXFSZ; faults (SIGSEGV and its like) leave nothing to go on with.
 */
const ENDING: readonly NodeJS.Signals[] = [
  "SIGABRT",
  "SIGALRM",
  "SIGIO",
  "SIGPROF",
  "SIGPWR",
  "SIGSTKFLT",
  "SIGUSR2",
  "SIGVTALRM",
  "SIGXCPU",
];

const STOP_SIGNALS = [...ASKING, ...ENDING].filter((signal) => signal in constants.signals);

/**
 * A file or device, written in full before `done` is called. Node's own stream for these gives up
 * silently after a short write, which is what a disk that fills up answers first.
 */
export function fileStream(fd: number): OutputStream {
  return {
    isTerminal: false,
    write(text, done) {
      const bytes = Buffer.from(text);
      try {
        for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      done();
    },
  };
}

/** Pipes, sockets and terminals: Node's streams, which do not block on a slow reader of a pipe. */
function nodeStream(stream: NodeJS.WriteStream): OutputStream {
  // The callback of each write gets the error.
  stream.on("error", () => {});
  return { isTerminal: stream.isTTY === true, write: (text, done) => stream.write(text, done) };
}

function standardStream(stream: NodeJS.WriteStream & { readonly fd: number }): OutputStream {
  const stat = fstatSync(stream.fd);
  return stream.isTTY || stat.isFIFO() || stat.isSocket() ? nodeStream(stream) : fileStream(stream.fd);
}

function loadScreen() {
  return import("../tui/terminal.ts");
}

/** The terminal that a person sits at, if it can do more than print lines. */
function screenOpener({ stdin, stdout, env }: NodeJS.Process): Host["openScreen"] {
  if (!stdin.isTTY || !stdout.isTTY || env["TERM"] === "dumb") return null;
  return async (wantsColor) => {
    const { openScreen } = await loadScreen();
    return openScreen({ input: stdin, output: stdout }, env, wantsColor);
  };
}

/** Whether the program belongs to a terminal, wherever its input and output go. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", flags.O_RDONLY | flags.O_NOCTTY | flags.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}

/** The version in package.json, two folders up in the sources as in the built program. */
function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  return version;
}

/** The recording that comes with the program. */
const DEMO = fileURLToPath(new URL("../../demo/demo.tcptop", import.meta.url));

const openRecording: Host["openRecording"] = (from) => {
  const path = from.kind === "demo" ? DEMO : from.path;
  if (path === "-" && process.stdin.isTTY) {
    throw new ExitError(ExitCode.usage, "--replay: standard input is a terminal; pipe a recording into it");
  }
  return openRecordingSource(path, process.stdin);
};

/** The signal that the program has ended at and still has to end by; null: none. */
let endedBy: NodeJS.Signals | null = null;

/** Ends by the signal that the program has ended at, if that was no mere request. */
export function endBySignal(): void {
  if (endedBy !== null) process.kill(process.pid, endedBy);
}

export function systemHost(): Host {
  const hadTerminal = hasTerminal();
  return {
    clock: systemClock,
    version: packageVersion(),
    environment: process.env,
    stdout: standardStream(process.stdout),
    stderr: standardStream(process.stderr),
    files: systemFiles,
    standardFiles: standardFiles(),
    after(ms, call) {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    },
    onStop(call) {
      const listener = (signal: NodeJS.Signals) => {
        if (ENDING.includes(signal)) endedBy ??= signal;
        call(signal);
      };
      for (const signal of STOP_SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of STOP_SIGNALS) process.off(signal, listener);
      };
    },
    hasLostTerminal: () => hadTerminal && !hasTerminal(),
    openScreen: screenOpener(process),
    loadScreen,
    async loadPlatform() {
      const { choosePlatform } = await import("../platform/choose.ts");
      return choosePlatform();
    },
    createRecording: createRecordingFile,
    openRecording,
  };
}
