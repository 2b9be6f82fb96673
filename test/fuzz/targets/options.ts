/** Any command line gives options within their limits, a text, or one harmless line and exit code 64. */
import assert from "node:assert/strict";
import { ExitError } from "../../../src/base/errors.ts";
import { type Host, runCli } from "../../../src/cli/cli.ts";
import { parseArguments } from "../../../src/cli/options.ts";
import type { FlowSettings } from "../../../src/lenses/flows/options.ts";
import { FakeStream } from "../../support/world.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";
import { assertHarmless, harmlessLines } from "../oracles/text.ts";

const FLAGS = [
  "--batch",
  "-b",
  "--format",
  "--delay",
  "-d",
  "--interval",
  "-n",
  "--iterations",
  "--pid",
  "-p",
  "--process",
  "-c",
  "--port",
  "--host",
  "-t",
  "-u",
  "-4",
  "-6",
  "--no-loopback",
  "-a",
  "--all",
  "-s",
  "--sort",
  "-r",
  "--udp-timeout",
  "--raw",
  "--color",
  "--no-color",
  "--backend",
  "--debug",
  "-V",
  "-h",
  "--help",
  "--",
  "--max-tcp-flows",
  "--max-udp-flows",
  "--ring-bytes",
  "-",
  "--delay=",
  "-d1",
  "-tu46",
];
const VALUES = [
  "0.1",
  "1",
  "86400",
  "86401",
  "1e3",
  "0x10",
  "-1",
  "NaN",
  "Infinity",
  "",
  " 1",
  "1,2,3",
  ",",
  "1,,2",
  "65535",
  "65536",
  "4194304",
  "json",
  "csv",
  "text",
  "auto",
  "fentry",
  "rate",
  "RATE-IN",
  "__proto__",
  "constructor",
  "10.0.0.0/8",
  "::1",
  "fe80::/10",
  "4096",
  "4097",
  "1073741824",
  "9007199254740993",
];

function argument(choices: Choices): string {
  const kind = choices.byte();
  if (kind < 0x70) return choices.pick(FLAGS);
  if (kind < 0xd0) return choices.pick(VALUES);
  if (kind < 0xe0) return `${choices.pick(FLAGS)}=${choices.pick(VALUES)}`;
  // Whoever starts a program cannot give it a NUL.
  return choices.text(32).replaceAll("\0", "");
}

function isWithin(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}

function checkOptions(args: readonly string[]): void {
  let request: ReturnType<typeof parseArguments>;
  try {
    request = parseArguments(args, "0.0.0");
  } catch (error) {
    assert.ok(error instanceof ExitError, String(error));
    assert.equal(error.exitCode, 64);
    return;
  }
  if (request.kind === "print") {
    harmlessLines(request.text);
    return;
  }
  const { options } = request;
  const flows = options.lenses.get("flows") as FlowSettings;
  const { filter } = flows;
  assert.ok(isWithin(options.delayS, 0.1, 86_400) && isWithin(flows.udpTimeoutS, 0.1, 86_400));
  assert.ok(options.iterations === null || isWithin(options.iterations, 1, 1e9));
  assert.ok(["text", "json", "csv"].includes(options.format));
  assert.ok(["auto", "fentry", "kprobe", "tracepoint"].includes(options.backend));
  assert.ok(filter.pids.every((pid) => Number.isInteger(pid) && isWithin(pid, 1, 4_194_304)));
  assert.ok(filter.ports.every((port) => Number.isInteger(port) && isWithin(port, 1, 65_535)));
  assert.ok(filter.processes.every((name) => typeof name === "string" && name !== ""));
  const ring = options.ringBytes ?? 4096;
  assert.ok(isWithin(ring, 4096, 1 << 30) && (ring & (ring - 1)) === 0);
  for (const size of [flows.maxTcpFlows, flows.maxUdpFlows]) {
    assert.ok(size === undefined || (Number.isInteger(size) && isWithin(size, 1, 1 << 24)));
  }
}

/** Nothing is opened here. */
function refuse(): never {
  throw new ExitError(69, "no files here");
}

const noFiles: Host["files"] = {
  open: refuse,
  facts: refuse,
  factsAt: refuse,
  linkFactsAt: refuse,
  linkTarget: refuse,
  openFolder: refuse,
  workingFolder: () => "/",
  read: refuse,
  write: refuse,
  truncate: refuse,
  rename: refuse,
  unlink: refuse,
  close: refuse,
  userId: null,
  invokerId: null,
};

/** As the program does it, up to where it would capture. */
async function checkProgram(args: readonly string[]): Promise<void> {
  const stdout = new FakeStream();
  const stderr = new FakeStream();
  const host: Host = {
    version: "0.0.0",
    environment: {},
    openScreen: null,
    clock: { monotonicNs: () => 0, wallMs: () => 0 },
    stdout,
    stderr,
    after: () => () => {},
    onStop: () => () => {},
    hasLostTerminal: () => false,
    files: noFiles,
    standardFiles: [],
    createRecording: refuse,
    openRecording: refuse,
    loadPlatform: () => Promise.reject(new ExitError(69, "no capture here")),
  };
  const { exitCode } = await runCli(args, host);
  assert.ok([0, 64, 69].includes(exitCode), `exit ${exitCode}: ${stderr.text}`);
  const lines = harmlessLines(stderr.text);
  if (exitCode === 0) assert.deepEqual(lines, []);
  else assert.match(lines[0] ?? "", /^error: ./);
  if (exitCode !== 0 && !args.includes("--debug")) assert.equal(lines.length, 1);
  harmlessLines(stdout.text).forEach(assertHarmless);
}

export const target: Target = {
  async run(input) {
    const choices = new Choices(input);
    const args: string[] = [];
    while (!choices.isOver && args.length < 12) args.push(argument(choices));
    checkOptions(args);
    await checkProgram(args);
  },
  maxBytes: 256,
};
