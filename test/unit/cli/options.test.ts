import { describe, expect, test } from "vitest";
import { ExitError } from "../../../src/base/errors.ts";
import { type Options, parseArguments } from "../../../src/cli/options.ts";
import { COLUMN_KEYS } from "../../../src/lenses/flows/columns.ts";
import type { FlowSettings } from "../../../src/lenses/flows/options.ts";
import { SETTINGS } from "../../support/lenses.ts";

const SECONDS = "a number of seconds from 0.1 to 86400";
const PID = "a process id from 1 to 4194304";
const PORT = "a port number from 1 to 65535";
const COUNT = "a whole number from 1 to 1000000000";
const FILE = "the path of a file (./-x for one that begins with -)";
const HOST = "an IP address or ADDRESS/PREFIX";

function parse(...args: string[]): Options {
  const request = parseArguments(args, "0.1.0");
  if (request.kind !== "run") throw new Error(request.text);
  return request.options;
}

function settings(options: Options): FlowSettings {
  return options.lenses.get("flows") as FlowSettings;
}

function failure(args: readonly string[]): unknown {
  try {
    return parseArguments(args, "0.1.0");
  } catch (error) {
    return error instanceof ExitError ? [error.exitCode, error.message] : error;
  }
}

describe("what is not accepted is refused with flag, value and what would be", () => {
  test.each<[string[], string]>([
    ...[
      "0",
      "0.09",
      "86400.1",
      "1e3",
      " 5",
      "5 ",
      "0x5",
      "5abc",
      "-1",
      "+1",
      "",
      ".",
      "1.",
      "01",
      "NaN",
      "Infinity",
      "١",
    ].map((value): [string[], string] => [["-d", value], `--delay: '${value}' is not ${SECONDS}`]),
    [["--interval", "0"], `--interval: '0' is not ${SECONDS}`],
    [["--udp-timeout", "x"], `--udp-timeout: 'x' is not ${SECONDS}`],
    [["-d"], `--delay needs a value: ${SECONDS}`],
    [["-d", "--batch"], `--delay: '--batch' is not ${SECONDS}`],
    ...["0", "1.5", "1000000001", "99999999999999999999999", "0x10"].map((value): [string[], string] => [
      ["-n", value],
      `--iterations: '${value}' is not ${COUNT}`,
    ]),
    [["--port", "70000"], `--port: '70000' is not ${PORT}`],
    [["--port", "0"], `--port: '0' is not ${PORT}`],
    [["--port=80,,443"], `--port: '' is not ${PORT}`],
    [["--port", "80,x"], `--port: 'x' is not ${PORT}`],
    [["--port"], `--port needs a value: ${PORT}`],
    [["--pid", "x"], `--pid: 'x' is not ${PID}`],
    [["-p", "0"], `--pid: '0' is not ${PID}`],
    [["-p", "4194305"], `--pid: '4194305' is not ${PID}`],
    [["--host", "1.2.3"], `--host: '1.2.3' is not ${HOST}`],
    [["--host", "10.0.0.0/33"], `--host: '10.0.0.0/33' is not ${HOST}`],
    [["--host", "example.org"], `--host: 'example.org' is not ${HOST}`],
    [["-c", ""], "--process: '' is not a process name or a part of one"],
    [["--process"], "--process needs a value: a process name or a part of one"],
    [["--backend", "nonsense"], "--backend: 'nonsense' is not one of auto, fentry, kprobe, tracepoint"],
    [["--format", "JSON"], "--format: 'JSON' is not one of text, json, csv"],
    [["-s", "speed"], `--sort: 'speed' is not one of ${COLUMN_KEYS.join(", ")}`],
    [["--max-tcp-flows", "0"], "--max-tcp-flows: '0' is not a whole number from 1 to 16777216"],
    [["--max-udp-flows", "x"], "--max-udp-flows: 'x' is not a whole number from 1 to 16777216"],
    [["--ring-bytes", "5000"], "--ring-bytes: '5000' is not a power of two from 4096 to 1073741824"],
    [["--ring-bytes", "2048"], "--ring-bytes: '2048' is not a power of two from 4096 to 1073741824"],
    [["--nonsense"], "unknown option '--nonsense'; see tcptop --help"],
    [["-x"], "unknown option '-x'; see tcptop --help"],
    [["-bz"], "unknown option '-z'; see tcptop --help"],
    [["--bat"], "unknown option '--bat'; see tcptop --help"],
    [["--batch=1"], "unknown option '--batch=1'; see tcptop --help"],
    ...["", "-", "--batch", "-b"].map((value): [string[], string] => [
      ["-l", value],
      `--log: '${value}' is not ${FILE}`,
    ]),
    [["--log"], `--log needs a value: ${FILE}`],
    [["--record", ""], `--record: '' is not ${FILE}`],
    [["--replay"], "--replay needs a value: the name of a file"],
    [["--demo", "--speed", "0.05"], "--speed: '0.05' is not a number from 0.1 to 1000"],
    [["--demo", "--speed", "1e2"], "--speed: '1e2' is not a number from 0.1 to 1000"],
    [["--speed", "2"], "--speed is for --replay and --demo"],
    [["--replay", "x", "--demo"], "--replay and --demo: give one of them"],
    [
      ["--replay", "x", "-d", "1"],
      "--delay cannot go with --replay: its refreshes are those of the recording; use --speed",
    ],
    [
      ["--interval", "1", "--demo"],
      "--interval cannot go with --demo: its refreshes are those of the recording; use --speed",
    ],
    [["--replay", "x", "--log", "y"], "--log cannot go with --replay: nothing is captured"],
    [["--replay", "x", "--record", "y"], "--record cannot go with --replay: nothing is captured"],
    [["--demo", "--backend", "auto"], "--backend cannot go with --demo: nothing is captured"],
    [["--demo", "--udp-timeout", "5"], "--udp-timeout cannot go with --demo: nothing is captured"],
    [["--demo", "--ring-bytes", "4096"], "--ring-bytes cannot go with --demo: nothing is captured"],
    [["eth0"], "unexpected argument 'eth0'; tcptop takes options only, see tcptop --help"],
    [["-b", "--", "-d"], "unexpected argument '-d'; tcptop takes options only, see tcptop --help"],
  ])("%j", (args, message) => {
    expect(failure(args)).toEqual([64, message]);
  });
});

describe("options", () => {
  test("have defaults", () => {
    expect(parse()).toEqual({
      isStream: false,
      format: "text",
      delayS: 1,
      iterations: null,
      order: { key: null, reverse: false },
      raw: false,
      color: null,
      backend: "auto",
      logs: new Map(),
      ringBytes: undefined,
      record: null,
      overwrite: false,
      user: null,
      replay: null,
      speed: 1,
      lenses: new Map<string, object>([
        ["flows", SETTINGS],
        ["processes", { processes: false, forks: false, tree: null, files: null, ringBytes: undefined }],
      ]),
    });
  });

  test("turn processes on by what they ask for", () => {
    const of = (...args: string[]) => parse(...args).lenses.get("processes");
    expect(of("--processes", "--forks")).toMatchObject({ processes: true, forks: true, files: null });
    expect(of("--tree", "1234")).toMatchObject({ processes: true, tree: { pid: 1234 } });
    expect(of("--tree", "make")).toMatchObject({ processes: true, tree: { name: "make" } });
    expect(of("--files", "--raw")).toMatchObject({ processes: true, files: "changed" });
    expect(of("--files=all")).toMatchObject({ processes: true, files: "all" });
    const tree = "a process id, or a process name of at most 15 bytes";
    expect(failure(["--tree", "4194305"])).toEqual([64, `--tree: '4194305' is not ${tree}`]);
    expect(failure(["--tree", "a-name-of-16-byte"])).toEqual([
      64,
      `--tree: 'a-name-of-16-byte' is not ${tree}`,
    ]);
    expect(failure(["--files=some"])).toEqual([64, "--files: 'some' is not one of changed, all"]);
  });

  test("say what is recorded, and what is replayed", () => {
    const { record, overwrite } = parse("--record", "a b", "--overwrite");
    expect([record, overwrite]).toEqual(["a b", true]);
    const { replay, speed } = parse(
      "--replay",
      "-",
      "--speed",
      "1000",
      "-n",
      "3",
      "-a",
      "--raw",
      "-s",
      "pid",
    );
    expect([replay, speed]).toEqual([{ kind: "file", path: "-" }, 1000]);
    expect([parse("--demo", "--speed", "0.1").replay, parse("--demo", "--speed", ".5").speed]).toEqual([
      { kind: "demo" },
      0.5,
    ]);
  });

  test("are read in their short form, joined too", () => {
    const options = parse(...["-batu4r", "-d.5", "-n3", "-srate-in", "-lx.csv"]);
    const { logs, delayS, iterations, order } = options;
    const { all, filter } = settings(options);
    expect([logs.get("flows"), delayS, iterations, all, order.key, order.reverse]).toEqual([
      "x.csv",
      0.5,
      3,
      true,
      "rate_in",
      true,
    ]);
    expect([filter.protocols, filter.families]).toEqual([["tcp", "udp"], [4]]);
  });

  test("are read in their long form", () => {
    const read = parse(
      ...["--batch", "--format", "csv", "--raw", "--color", "--delay=86400", "--udp-timeout", "0.1", "--all"],
      ...[
        "--backend",
        "kprobe",
        "--sort=RTT",
        "--iterations",
        "1000000000",
        "--ipv4",
        "--ipv6",
        "--no-loopback",
      ],
      ...["--log", "./-a b.csv", "--overwrite"],
      ...["--max-tcp-flows", "8", "--max-udp-flows", "9", "--ring-bytes", "4096", "--debug"],
    );
    const flows = settings(read);
    expect([read.format, read.raw, read.color, read.delayS, flows.udpTimeoutS, flows.all]).toEqual([
      ...["csv", true, true, 86_400, 0.1, true],
    ]);
    expect([read.backend, read.order.key, read.iterations]).toEqual(["kprobe", "rtt_us", 1_000_000_000]);
    expect([read.logs.get("flows"), read.overwrite, read.isStream]).toEqual(["./-a b.csv", true, true]);
    expect([flows.filter.families, flows.filter.noLoopback]).toEqual([[4, 6], true]);
    expect([flows.maxTcpFlows, flows.maxUdpFlows, read.ringBytes]).toEqual([8, 9, 4096]);
  });

  test("filters take several values, repeated or in a list; a process name may hold a comma", () => {
    const { filter } = settings(
      parse(
        ...["-p", "1,4194304", "-p", "7", "--port", "65535", "--port", "1,2"],
        ...["-c", "a,b", "--process", "Web Content", "--host", "::ffff:1.2.3.4,2001:DB8::/32"],
      ),
    );
    expect(filter.pids).toEqual([1, 4_194_304, 7]);
    expect(filter.ports).toEqual([65_535, 1, 2]);
    expect(filter.processes).toEqual(["a,b", "Web Content"]);
    expect(filter.hosts.map(({ text }) => text)).toEqual(["1.2.3.4", "2001:db8::/32"]);
  });

  test("of a log may name its table; any other name is part of the path", () => {
    expect([...parse("-l", "flows=a.csv").logs]).toEqual([["flows", "a.csv"]]);
    expect([...parse("-l", "other=a.csv").logs]).toEqual([["flows", "other=a.csv"]]);
    expect([...parse("-l", "a.csv", "--log=flows=./b=c").logs]).toEqual([["flows", "./b=c"]]);
    expect(failure(["-l", "flows="])).toEqual([64, `--log: 'flows=' is not ${FILE}`]);
    expect(failure(["-l", "flows=-x"])).toEqual([64, `--log: 'flows=-x' is not ${FILE}`]);
  });

  test("given twice, the last one counts", () => {
    expect(parse("-d", "2", "--interval", "3").delayS).toBe(3);
    expect(parse("--interval", "3", "-d", "2").delayS).toBe(2);
    expect(parse("--color", "--no-color").color).toBe(false);
    expect(parse("--no-color", "--color").color).toBe(true);
  });

  test("of one command line do not leak into the next", () => {
    parse("-p", "1", "-t", "-d", "9");
    const { filter } = settings(parse());
    expect([filter.pids, filter.protocols, parse().delayS]).toEqual([[], [], 1]);
  });
});

test.each([["-V"], ["--version"]])("%s prints the version", (flag) => {
  expect(parseArguments([flag], "1.2.3")).toEqual({ kind: "print", text: "tcptop 1.2.3\n" });
});

test("help comes with -h and --help, fits 80 columns, and keeps quiet about what only tests use", () => {
  const short = parseArguments(["-h"], "1.2.3");
  expect(parseArguments(["--help"], "1.2.3")).toEqual(short);
  const text = short.kind === "print" ? short.text : "";
  expect(Math.max(...text.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
  expect(text).not.toMatch(/ring-bytes|max-tcp|surplus/);
});
