/** Runs tcptop and the traffic program against each other and compares what the two say. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { StringDecoder } from "node:string_decoder";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import { type LossKey, type Skipped, STREAM_COUNTERS } from "../../src/core/losses.ts";
import { FLOW_COUNTERS, type Losses } from "../../src/lenses/flows/losses.ts";
import { BACKENDS, type Backend } from "../../src/platform/platform.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const TCPTOP = `${ROOT}bin/tcptop.js`;

const { TCPTOP_TEST_SCALE = "1", TCPTOP_TEST_BACKEND } = process.env;

/** Below 1 on a slow machine (an emulated one): less traffic, longer intervals. */
const SCALE = Number(TCPTOP_TEST_SCALE);
const SLOW = SCALE < 1;
const DEADLINE_MS = 60_000;
export const REFRESH_S = SLOW ? "0.3" : "0.2";
/** A flow must not fall idle in the middle of a scenario. */
export const UDP_TIMEOUT_S = SLOW ? "2" : "1";
/** The same for thousands of sockets: seconds may pass between one's question and its answer. */
export const UDP_CROWD_TIMEOUT_S = SLOW ? "20" : "6";

/** A count of bytes or rounds, fit for this machine. */
export function scaled(amount: number): number {
  return Math.max(1, Math.round(amount * SCALE));
}

/** Why nothing here can run, or null. */
export const cannotRun =
  process.platform !== "linux" ? "needs Linux" : process.getuid?.() !== 0 ? "needs root" : null;

/** Why nothing here can run that needs a command, or null. */
export function cannotRunWithout(command: string): string | null {
  return cannotRun ?? (spawnSync(command, ["--version"]).status === 0 ? null : `needs ${command}`);
}

/** The backends to test, and whether each has to work here (else it is skipped where it cannot load). */
export const backends = chosenBackends();

function chosenBackends(): [backend: Backend, required: boolean][] {
  const chosen = TCPTOP_TEST_BACKEND?.split(",");
  const unknown = chosen?.find((name) => !BACKENDS.some((backend) => backend === name));
  if (unknown !== undefined) throw new Error(`TCPTOP_TEST_BACKEND: there is no backend ${unknown}`);
  return BACKENDS.filter((backend) => chosen?.includes(backend) ?? true).map((backend) => [
    backend,
    chosen !== undefined,
  ]);
}

/** Path of a program of test/traffic or bench/native. */
export function built(file: string): string {
  const found = ["build/cmake/traffic", "build/traffic/traffic", "build/cmake/bench"]
    .map((folder) => `${ROOT}${folder}/${file}`)
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${file} is not built: npm run build`);
  return found;
}

/** What the two ends of a flow agree on, in the words of tcptop's JSON. */
export interface FlowFacts {
  readonly proto: "tcp" | "udp";
  readonly local_address: string;
  readonly local_port: number;
  readonly remote_address: string;
  readonly remote_port: number;
  readonly netns: number;
  readonly pid: number;
  readonly process: string;
  readonly bytes_in: number;
  readonly bytes_out: number;
  /** UDP only: a program cannot count TCP's segments. */
  readonly packets_in?: number;
  readonly packets_out?: number;
}

/** One end of a flow as the traffic program counted it. */
export interface FlowEnd extends FlowFacts {
  readonly end: "client" | "server";
  /** What was counted before the program said that it is ready; only for existing-* scenarios. */
  readonly before?: object;
  readonly note?: string;
}

/** A record `open`, `update` or `close` of tcptop's JSON stream. */
export interface Row extends FlowFacts {
  readonly event: "open" | "update" | "close";
  readonly state: string | null;
  readonly rtt_us: number | null;
  readonly rtt_min_us: number | null;
  readonly rtt_var_us: number | null;
  readonly retransmits: number | null;
  readonly bytes_retrans: number | null;
  readonly cwnd: number | null;
  readonly partial: boolean;
  /** Several processes use the socket; its owner is its listener or who bound it. */
  readonly shared?: boolean;
  readonly assumed?: boolean;
  /** Unique for one run. */
  readonly flow?: number;
  readonly packets_in: number;
  readonly packets_out: number;
  readonly rate_in: number;
  readonly rate_out: number;
  readonly age_ms: number;
}

/** A record `summary`; its counters of what was lost are named in COUNTERS. */
export type Summary = Readonly<Record<string, unknown>>;

type LossName = LossKey<keyof Losses | keyof Skipped>;

/** Without refreshes_skipped: a refresh merged into the next because this process reads slowly loses nothing. */
const COUNTERS = [...FLOW_COUNTERS, ...STREAM_COUNTERS]
  .map(({ key }) => key)
  .filter((key) => key !== "refreshes_skipped");

export const NO_LOSSES = Object.fromEntries(COUNTERS.map((key) => [key, 0]));

/** The losses, with what only came late left out: others' traffic fills the ring buffer too. */
export function trueLosses(losses: Readonly<Record<string, number>>): Record<string, number> {
  return { ...losses, records_deferred: 0 };
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<Exit> {
  const child = spawn(command, args, { cwd: ROOT, ...options, env: { ...process.env, ...options.env } });
  child.stdin.end();
  return ended(child);
}

async function ended(child: ChildProcess): Promise<Exit> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

/** Lets callers wait until something that arrives piece by piece has come. */
class Arrivals {
  #waiting: (() => void)[] = [];

  arrived(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Whether `condition` came true before the deadline. */
  async until(condition: () => boolean): Promise<boolean> {
    const deadline = Date.now() + DEADLINE_MS;
    while (!condition()) {
      const left = deadline - Date.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return true;
  }
}

/**
 * A file that another process writes, read line by line as it grows. Unlike a pipe it takes everything at
 * once: on a busy machine tcptop would leave out refreshes for a reader that is slow.
 */
class GrowingFile {
  readonly fd: number;
  readonly #path = join(mkdtempSync(join(tmpdir(), "tcptop-")), "output");
  readonly #take: (line: string) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #buffer = Buffer.alloc(1 << 20);
  readonly #decoder = new StringDecoder("utf8");
  #position = 0;
  #rest = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
    this.fd = openSync(this.#path, "w+");
    this.#timer = setInterval(() => this.#read(), 50);
  }

  #read(): void {
    let bytes: number;
    do {
      bytes = readSync(this.fd, this.#buffer, 0, this.#buffer.length, this.#position);
      this.#position += bytes;
      const lines = (this.#rest + this.#decoder.write(this.#buffer.subarray(0, bytes))).split("\n");
      this.#rest = lines.pop() ?? "";
      lines.forEach(this.#take);
    } while (bytes > 0);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#read();
    closeSync(this.fd);
    rmSync(dirname(this.#path), { recursive: true });
  }
}

/** Opens and closes connections with 100 bytes each way, so many a second; resolves to how many it were. */
export async function churn(perSecond: number, seconds: number): Promise<number> {
  const child = spawn(built("bench_tool"), ["churn", String(perSecond), String(seconds)]);
  const { stdout } = await ended(child);
  const { connections } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { connections: number };
  return connections;
}

export class UnavailableError extends Error {}

/** In what surroundings a tcptop runs. */
export interface Surroundings {
  /** A command that runs the rest of its arguments in its own place (exec), so that the PID stays. */
  readonly wrapper?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Node reports its memory when asked; see memory(). */
  readonly reportsMemory?: boolean;
}

/** A wrapper that runs shell commands in a private mount namespace first. */
export function afterMounting(...commands: string[]): readonly string[] {
  return ["unshare", "--mount", "sh", "-ec", `${commands.join("; ")}; exec "$@"`, "sh"];
}

export function isKernelBefore(major: number, minor: number): boolean {
  const [first = 0, second = 0] = release().split(".").map(Number);
  return first < major || (first === major && second < minor);
}

/** A wrapper for an ordinary user with these capabilities only. */
export function asUserWith(...capabilities: string[]): readonly string[] {
  const kept = capabilities.map((name) => `+${name}`).join(",");
  // Before 5.11 maps count as locked memory, of which a user has little.
  const limit = isKernelBefore(5, 11) ? ["prlimit", "--memlock=unlimited"] : [];
  return [
    ...limit,
    ...["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
    ...["--inh-caps", `-all,${kept}`, "--ambient-caps", `-all,${kept}`],
  ];
}

const MEMORY_REPORT = ["--expose-gc", "--import", `${ROOT}test/support/memory-report.mjs`];

/** Kinds of BPF objects with an id of their own, and how fdinfo calls that. */
const BPF_KINDS = { programs: "prog_id", links: "link_id", maps: "map_id" } as const;
export type BpfIds = Readonly<Record<keyof typeof BPF_KINDS, readonly number[]>>;

/** A running `tcptop --batch --format json`. */
export class Tcptop {
  readonly rows: Row[] = [];
  readonly summaries: Summary[] = [];
  start: Readonly<Record<string, unknown>> = {};
  readonly #child: ChildProcess;
  readonly #exit: Promise<Exit>;
  readonly #arrivals = new Arrivals();
  #running = true;
  #unparsed: string[] = [];

  private constructor(surroundings: Surroundings, backend: string, args: readonly string[]) {
    const { wrapper = [], env, reportsMemory = false } = surroundings;
    const output = new GrowingFile((line) => this.#take(line));
    const fixed = ["--backend", backend, "--batch", "--format", "json"];
    const usual = ["-d", REFRESH_S, "--udp-timeout", UDP_TIMEOUT_S];
    const node = [process.execPath, ...(reportsMemory ? MEMORY_REPORT : [])];
    const [command = "", ...rest] = [...wrapper, ...node, TCPTOP, ...fixed, ...usual, ...args];
    this.#child = spawn(command, rest, {
      cwd: ROOT,
      stdio: ["ignore", output.fd, "pipe", ...(reportsMemory ? (["ipc"] as const) : [])],
      env: { ...process.env, ...env },
    });
    this.#exit = ended(this.#child).then((exit) => {
      output.close();
      this.#running = false;
      this.#arrivals.arrived();
      return exit;
    });
  }

  /** Resolves once the `start` record is there; throws UnavailableError on exit 69. */
  static start(backend: string, ...args: string[]): Promise<Tcptop> {
    return Tcptop.startIn({}, backend, ...args);
  }

  /** As start(), in other surroundings. */
  static async startIn(surroundings: Surroundings, backend: string, ...args: string[]): Promise<Tcptop> {
    const tcptop = new Tcptop(surroundings, backend, args);
    await tcptop.#arrivals.until(() => "event" in tcptop.start || !tcptop.#running);
    if ("event" in tcptop.start) return tcptop;
    tcptop.#child.kill("SIGKILL");
    const { code, stderr } = await tcptop.#exit;
    if (code === 69) throw new UnavailableError(stderr.trim());
    throw new Error(`tcptop did not start; exit ${code}: ${stderr}`);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error("tcptop has no PID");
    return this.#child.pid;
  }

  /** The process that has its privileges. */
  get brokerPid(): number {
    const found = readdirSync("/proc").find((pid) => {
      const stat = /^\d+$/.test(pid) ? readOpenFile(`/proc/${pid}/stat`) : "";
      return stat.startsWith(`${pid} (tcptop-broker) `) && Number(stat.split(" ")[3]) === this.pid;
    });
    if (found === undefined) throw new Error("tcptop has no broker");
    return Number(found);
  }

  #take(line: string): void {
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      this.#unparsed.push(line);
      return;
    }
    const event = (record as { event?: unknown }).event;
    if (event === "start") this.start = record as Record<string, unknown>;
    else if (event === "summary") this.summaries.push(record as Summary);
    else this.rows.push(record as Row);
    if (event === "start" || event === "summary") this.#arrivals.arrived();
  }

  /** Waits for the condition; false when the deadline passed or tcptop ended first. */
  async until(condition: () => boolean): Promise<boolean> {
    await this.#arrivals.until(() => condition() || !this.#running);
    return condition();
  }

  /** Waits until everything that happened so far has been printed. */
  async refreshed(): Promise<void> {
    const seen = this.summaries.length;
    if (!(await this.until(() => this.summaries.length >= seen + 2)))
      throw new Error("tcptop stopped refreshing");
  }

  /** Rows of these ends, and whatever else touches the ports they listened on, from number `since` on. */
  rowsOf(ends: readonly FlowEnd[], since: number): Row[] {
    const pairs = new Set(ends.map((end) => portsKey(end, end.local_port, end.remote_port)));
    const listening = new Set(
      ends.filter((end) => end.end === "server").map((end) => portsKey(end, end.local_port)),
    );
    return this.rows
      .slice(since)
      .filter(
        (row) =>
          pairs.has(portsKey(row, row.local_port, row.remote_port)) ||
          listening.has(portsKey(row, row.local_port)) ||
          listening.has(portsKey(row, row.remote_port)),
      );
  }

  /** Waits until each end has its `close`, and one refresh longer for what should not come. */
  async closesOf(ends: readonly FlowEnd[], since: number): Promise<Row[]> {
    const closes = () => this.rowsOf(ends, since).filter((row) => row.event === "close");
    await this.until(() => closes().length >= ends.length);
    await this.refreshed();
    return closes();
  }

  /** Every loss counter, as of the last refresh. */
  losses(): Record<LossName, number> {
    const last = this.summaries.at(-1);
    return Object.fromEntries(COUNTERS.map((name) => [name, last?.[name]])) as Record<LossName, number>;
  }

  /** What its broker holds of BPF, from its open files. */
  bpfIds(): BpfIds {
    const folder = `/proc/${this.brokerPid}/fdinfo`;
    const infos = readdirSync(folder).map((fd) => readOpenFile(`${folder}/${fd}`));
    const idsOf = (kind: keyof typeof BPF_KINDS) => {
      const line = new RegExp(`^${BPF_KINDS[kind]}:\\s*(\\d+)$`, "m");
      return [...new Set(infos.flatMap((info) => Number(line.exec(info)?.[1]) || []))];
    };
    return { programs: idsOf("programs"), links: idsOf("links"), maps: idsOf("maps") };
  }

  /** Entries of its hash tables, by the first part of their names. */
  async tableEntries(): Promise<Readonly<Record<string, number>>> {
    const { stdout } = await run(built("traffic"), ["bpf-map-entries", ...this.bpfIds().maps.map(String)]);
    return Object.fromEntries(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" "))
        .map(([name = "", count]) => [name, Number(count)]),
    );
  }

  /** Bytes that Node holds once garbage is collected; started with reportsMemory. */
  async memory(): Promise<NodeJS.MemoryUsage> {
    this.#child.send("memory");
    const [usage] = (await once(this.#child, "message")) as [NodeJS.MemoryUsage];
    return usage;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Stops it like Ctrl-Z; resolves once all its threads stand still. */
  async freeze(): Promise<void> {
    this.signal("SIGSTOP");
    const threads = `/proc/${this.pid}/task`;
    const isFrozen = () =>
      readdirSync(threads).every((id) =>
        /^State:\s*T/m.test(readFileSync(`${threads}/${id}/status`, "utf8")),
      );
    if (!(await eventually(async () => isFrozen()))) throw new Error("tcptop does not stop");
  }

  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<Exit> {
    this.#child.kill(signal);
    return this.ended();
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<Exit> {
    const exit = await this.#exit;
    if (this.#unparsed.length > 0) throw new Error(`not JSON: ${this.#unparsed[0]}`);
    return exit;
  }
}

/** The facts of a file that may be closed meanwhile. */
function readOpenFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function portsKey(flow: FlowFacts, ...ports: number[]): string {
  return `${flow.netns} ${flow.proto} ${ports.join(" ")}`;
}

const FACTS = [
  "proto",
  "local_address",
  "local_port",
  "remote_address",
  "remote_port",
  "netns",
  "pid",
  "process",
  "bytes_in",
  "bytes_out",
] as const;

/** The facts to compare, in one order for both sides. */
export function facts(
  flows: readonly (FlowFacts & { readonly before?: object; readonly partial?: boolean })[],
): object[] {
  return flows
    .map((flow) => ({
      ...Object.fromEntries(FACTS.map((name) => [name, flow[name]])),
      partial: flow.partial ?? flow.before !== undefined,
      ...(flow.proto === "udp" && { packets_in: flow.packets_in, packets_out: flow.packets_out }),
    }))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** Who talks to whom, in one order for both sides. */
export function addresses(flows: readonly FlowFacts[]): string[] {
  return flows
    .map(
      (f) => `${f.proto} ${f.local_address} ${f.local_port} ${f.remote_address} ${f.remote_port} ${f.netns}`,
    )
    .sort();
}

/** Many flows that all move within each second, until it is ended. */
export class Load {
  readonly #child: ChildProcessWithoutNullStreams;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
  }

  /** Resolves once the flows are there. */
  static async start(flows: number, seconds: number): Promise<Load> {
    const child = spawn(built("bench_tool"), ["flows", String(flows), String(seconds)]);
    const first = await Promise.race([once(child.stdout, "data"), once(child.stderr, "data")]);
    if (String(first) !== "ready\n") throw new Error(`no load: ${first}`);
    return new Load(child);
  }

  /** For `--pid`: other loads may be under way. */
  get pids(): string {
    const { pid } = this.#child;
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().replaceAll(" ", ",");
  }

  async end(): Promise<void> {
    const exit = once(this.#child, "exit");
    this.#child.stdin.end();
    await exit;
  }
}

/** Arguments of a scenario: a network namespace of its own, which stays until the test is over. */
export const OWN_NETNS = { alone: 1, hold: 1 };

/** A running traffic program. */
export class Traffic {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exit: Promise<Exit>;
  readonly #arrivals = new Arrivals();
  readonly #isHeld: boolean;
  #lines: string[] = [];
  #running = true;

  /** With a link, the client's side and all that starts the scenario are at its near end. */
  constructor(scenario: string, args: Readonly<Record<string, number>> = {}, link?: Link) {
    const options = Object.entries({ timeout: DEADLINE_MS / 1000, ...args }).map(
      ([key, value]) => `${key}=${value}`,
    );
    if (link) options.push(`far=${netnsFile(link.sides[1])}`);
    const command = [...(link?.prefix ?? []), built("traffic"), scenario, ...options];
    this.#child = spawn("env", command);
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.#lines.push(line);
      this.#arrivals.arrived();
    });
    this.#isHeld = "hold" in args;
    this.#exit = ended(this.#child).then((exit) => {
      this.#running = false;
      this.#arrivals.arrived();
      return exit;
    });
  }

  /** Resolves once its connections exist and it waits for `go`, for the first time or a later one. */
  async ready(times = 1): Promise<void> {
    if (!(await this.#arrivals.until(() => this.#lines.length >= times)))
      throw new Error("traffic did not get ready");
  }

  go(): void {
    if (this.#isHeld) this.#child.stdin.write("\n");
    else this.#child.stdin.end("\n");
  }

  /** Lets its network namespaces go, with `hold`. */
  release(): void {
    this.#child.stdin.end();
  }

  /**
   * What it counted. Skips the test where the kernel cannot do it. With `hold` its network namespaces stay until
   * the test is over.
   */
  async ends(context: TestContext): Promise<FlowEnd[]> {
    const isOver = () => !this.#running || this.#lines.some((line) => line.startsWith('{"held"'));
    context.onTestFinished(() => this.release());
    if (this.#isHeld && !(await this.#arrivals.until(isOver))) throw new Error("traffic does not end");
    if (!this.#isHeld || !this.#running) await this.#expectSuccess(context);
    return this.#records().filter((record): record is FlowEnd => "end" in record);
  }

  #records(): object[] {
    return this.#lines.filter((line) => line !== "").map((line) => JSON.parse(line) as object);
  }

  async #expectSuccess(context: TestContext): Promise<void> {
    const { code, stderr } = await this.#exit;
    if (code === 77) context.skip((this.#records().at(-1) as { skip: string }).skip);
    if (code !== 0) throw new Error(`traffic: exit ${code}: ${stderr}`);
  }
}

/** Two network namespaces joined by a veth pair; see test/traffic/link. Made at the first use. */
export class Link {
  readonly #name: string;
  #made = false;

  constructor(name: string) {
    this.#name = `tcptop-${name}-${process.pid}`;
  }

  /** The names of the two network namespaces, for `ip -n`. */
  get sides(): readonly [near: string, far: string] {
    return [`${this.#name}-near`, `${this.#name}-far`];
  }

  /** Before a command: it runs on the near side, in PID and cgroup namespaces of its own. */
  get prefix(): readonly string[] {
    return ["ip", "netns", "exec", this.sides[0], "unshare", "--pid", "--fork", "--kill-child", "--cgroup"];
  }

  async up(): Promise<void> {
    this.#made = true;
    await must(`${ROOT}test/traffic/link`, "up", this.#name);
  }

  /** Removes what was made, however much it was. */
  async down(): Promise<void> {
    if (this.#made) await run(`${ROOT}test/traffic/link`, ["down", this.#name]);
  }
}

/** The file that stands for a network namespace with a name. */
export function netnsFile(name: string): string {
  return `/run/netns/${name}`;
}

/** Runs a command that has to succeed; what it printed. */
export async function must(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit ${code}: ${stderr.trim()}`);
  return stdout;
}

/** What there is of BPF in the kernel now. */
export async function bpfIdsInKernel(): Promise<BpfIds> {
  const idsOf = async (kind: keyof typeof BPF_KINDS) => {
    const { stdout } = await run(built("traffic"), [`bpf-${kind}`]);
    return stdout.split("\n").filter(Boolean).map(Number);
  };
  return { programs: await idsOf("programs"), links: await idsOf("links"), maps: await idsOf("maps") };
}

/** Those of `ids` that are in the kernel now. */
export async function leftInKernel(ids: BpfIds): Promise<BpfIds> {
  const there = await bpfIdsInKernel();
  return {
    programs: ids.programs.filter((id) => there.programs.includes(id)),
    links: ids.links.filter((id) => there.links.includes(id)),
    maps: ids.maps.filter((id) => there.maps.includes(id)),
  };
}

/** Environment in which a process finds a kernel without BPF, without the ring buffer, or that refuses BPF. */
export function denyBpf(what: "all" | "ringbuf" | "refused"): NodeJS.ProcessEnv {
  return { LD_PRELOAD: built("deny-bpf.so"), DENY_BPF: what };
}

/** Environment in which a process's wall clock is off by the seconds in a file, which may change at any time. */
export function shiftedClock(file: string): NodeJS.ProcessEnv {
  return { LD_PRELOAD: built("shift-clock.so"), SHIFT_CLOCK_FILE: file };
}

/** Environment in which the ring buffer has one record of another size. */
export function oddRecord(): NodeJS.ProcessEnv {
  return { LD_PRELOAD: built("odd-record.so") };
}

/** Environment in which the BPF programs find their constants larger by so much. */
export function bpfConstants(addends: Readonly<Record<string, number>>): NodeJS.ProcessEnv {
  const list = Object.entries(addends).map(([name, addend]) => `${name}=${addend}`);
  return { LD_PRELOAD: built("bpf-constants.so"), BPF_CONSTANTS: list.join(" ") };
}

/** Waits for what no record announces; looks again every 50 ms. */
export async function eventually(condition: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + DEADLINE_MS; Date.now() < deadline; ) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** Why a backend cannot load in ordinary surroundings, once that is known. */
const missingBackends = new Map<Backend, string>();

/** A tcptop, or why there is none: its backend cannot load and does not have to. */
async function startIfPossible(
  required: boolean,
  surroundings: Surroundings,
  backend: Backend,
  args: readonly string[],
): Promise<Tcptop | string> {
  const missing = missingBackends.get(backend);
  if (missing !== undefined) return missing;
  try {
    return await Tcptop.startIn(surroundings, backend, ...args);
  } catch (error) {
    if (required || !(error instanceof UnavailableError)) throw error;
    if (Object.keys(surroundings).length === 0) missingBackends.set(backend, error.message);
    return error.message;
  }
}

/** A tcptop of the test's own, which ends with it. Where the backend cannot load the test is skipped, saying why. */
export async function startOrSkip(
  context: TestContext,
  required: boolean,
  surroundings: Surroundings,
  backend: Backend,
  ...args: string[]
): Promise<Tcptop> {
  const tcptop = await startIfPossible(required, surroundings, backend, args);
  if (typeof tcptop === "string") return context.skip(tcptop);
  context.onTestFinished(async () => {
    await tcptop.stop("SIGKILL");
  });
  return tcptop;
}

export type SharedTcptop = ReturnType<typeof sharedTcptop>;

/** One tcptop for the tests of a block. Where the backend cannot load they are skipped, saying why. */
export function sharedTcptop(backend: Backend, required: boolean, ...args: string[]) {
  let running: Tcptop | undefined;
  let missing: string | undefined;
  return {
    /** For beforeAll. */
    async open(): Promise<void> {
      missing = cannotRun ?? undefined;
      if (missing !== undefined) return;
      const tcptop = await startIfPossible(required, {}, backend, args);
      if (typeof tcptop === "string") missing = tcptop;
      else running = tcptop;
    },
    /** Waits until it has shown what it found at start. */
    async settled(): Promise<void> {
      await running?.refreshed();
    },
    use(context: TestContext): Tcptop {
      if (missing !== undefined) context.skip(missing);
      if (running === undefined) throw new Error("tcptop was not started");
      return running;
    },
    /** For afterAll. */
    async close(): Promise<void> {
      const exit = await running?.stop();
      if (exit && exit.code !== 0)
        throw new Error(`tcptop: exit ${exit.code} ${exit.signal}: ${exit.stderr}`);
    },
  };
}
