// `npm run gen:demo [-- --short]`: makes demo/demo.tcptop, a real capture of made-up traffic. It runs on a stock kernel in a VM
// (test/kernels/vm-run), where delay and loss can be had, and nothing of this machine gets into it.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NAMES, SERVER, start, WORLD } from "./demo-traffic.mjs";
import { fromDist, root, say } from "./lib.mjs";
import { setup } from "./setup.mjs";
import { whyNoKernel } from "./test-kernels.mjs";

const isShort = process.argv.includes("--short");

/** With --short on the kernel that CI has, and for so short a time that the recording is worth nothing. */
const KERNEL = isShort ? "6.1" : "6.12";
const SECONDS = isShort ? 5 : 185;
const HEAD_START_MS = 5_000;
const FILE = join(root, isShort ? "build/demo.tcptop" : "demo/demo.tcptop");
const EXIT_UNAVAILABLE = 69;
const MARK = "demo recording follows";

/**
 * @param {string} command
 * @param {string[]} args
 */
function must(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr?.trim() || "could not be run"}`);
}

const prefixOf = (/** @type {string} */ address) => `${address}/${address.includes(":") ? 128 : 32}`;

/** The server in this namespace, everybody else in another; how far away they are depends on who they are. */
function connectWorld() {
  must("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0");
  must("ip", "link", "set", "lo", "up");
  must("ip", "netns", "add", "world");
  must("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "server", "netns", "world");
  /** @type {{ at: string[], device: string, own: string[], others: string[] }[]} */
  const sides = [
    { at: [], device: "uplink", own: SERVER, others: [...WORLD, "198.51.100.250"] },
    { at: ["-n", "world"], device: "server", own: WORLD, others: SERVER },
  ];
  for (const { at, device, own } of sides) {
    must("ip", ...at, "link", "set", device, "up");
    for (const address of own) must("ip", ...at, "address", "add", prefixOf(address), "dev", device, "nodad");
  }
  for (const { at, device, own, others } of sides) {
    for (const address of others) {
      const source = own.find((one) => one.includes(":") === address.includes(":"));
      if (source === undefined) throw new Error(`no own address for ${address}`);
      must("ip", ...at, "route", "add", prefixOf(address), "dev", device, "src", source);
    }
  }
  must("ip", "-n", "world", "route", "add", "blackhole", "198.51.100.250/32");
  const bands = [
    "delay 2ms",
    "delay 34ms 6ms loss 0.4%",
    "delay 11ms loss 0.08%",
    "delay 57ms 4ms loss 0.1%",
  ];
  const tc = (/** @type {string[]} */ ...args) => must("tc", ...args.join(" ").split(" "));
  tc("qdisc add dev uplink root handle 1: prio bands 4 priomap", "0 ".repeat(16).trim());
  for (const [i, netem] of bands.entries()) {
    tc(`qdisc add dev uplink parent 1:${i + 1} netem limit 4000 ${netem}`);
  }
  tc("filter add dev uplink parent 1: protocol ip prio 1 u32 match ip dst 203.0.113.0/24 flowid 1:2");
  tc("filter add dev uplink parent 1: protocol ip prio 2 u32 match ip dst 198.51.100.0/24 flowid 1:3");
  tc("filter add dev uplink parent 1: protocol ipv6 prio 3 u32 match u32 0 0 flowid 1:4");
}

/** @param {string} file */
async function record(file) {
  connectWorld();
  const players = [await start("world", ["ip", "netns", "exec", "world"])];
  for (const name of NAMES) players.push(await start(name));
  for (const { play } of players) play(SECONDS);
  // What is there when it starts is shown at once, and the last of it ends on the screen.
  await setTimeout(HEAD_START_MS);
  const command = [join(root, "bin/tcptop.js"), "--format", "json", "-n", String(SECONDS), "--record", file];
  const tcptop = spawn(process.execPath, command, { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(tcptop, "close");
  for (const { end } of players) end();
  if (code !== 0) throw new Error(`tcptop: exit ${code}`);
}

/**
 * Leaves out the other ends, which no server sees: they are in the other namespace.
 * @param {string} file
 */
async function keepServer(file) {
  const { RecordingReader } = /** @type {typeof import("../src/recording/reader.ts")} */ (
    await fromDist("recording/reader")
  );
  const { RecordingWriter } = /** @type {typeof import("../src/recording/writer.ts")} */ (
    await fromDist("recording/writer")
  );
  const { createRecordingFile, openRecordingSource } =
    /** @type {typeof import("../src/recording/files.ts")} */ (await fromDist("recording/files"));
  const { systemFiles } = /** @type {typeof import("../src/cli/files.ts")} */ (await fromDist("cli/files"));
  const { RECORD } = /** @type {typeof import("../src/lenses/flows/layout.gen.ts")} */ (
    await fromDist("lenses/flows/layout.gen")
  );
  const { FLOWS_FORM, readRecorded } = /** @type {typeof import("../src/lenses/flows/recorded.ts")} */ (
    await fromDist("lenses/flows/recorded")
  );
  const { FlowRecorder } = /** @type {typeof import("../src/lenses/flows/recorder.ts")} */ (
    await fromDist("lenses/flows/recorder")
  );
  const { decodeOperation } = /** @type {typeof import("../src/lenses/flows/operations.ts")} */ (
    await fromDist("lenses/flows/operations")
  );
  const netns = statSync("/proc/self/ns/net").ino;
  const reader = await RecordingReader.open(openRecordingSource(file, process.stdin), file);
  const files = { ...systemFiles, lock: () => true };
  const server = createRecordingFile(files, `${file}.server`, { overwrite: false, inUse: [] });
  const writer = new RecordingWriter(server, file);
  const recorder = new FlowRecorder(writer.recorderOf(FLOWS_FORM.number));
  const [flows] = reader.lenses;
  if (flows === undefined) throw new Error("the recording has no flows");
  const { lossKeys } = readRecorded(flows);
  writer.begin(reader.info, [{ ...FLOWS_FORM, isCritical: false, facts: flows.facts }]);
  for (let frame = await reader.next(); frame !== null; frame = await reader.next()) {
    const at = frame;
    frame.read(({ number, bytes }) => {
      const operation = decodeOperation(number, bytes, lossKeys);
      if (operation?.kind === "records") {
        for (let from = 0; from < bytes.length; from += RECORD.size) {
          const one = bytes.subarray(from, from + RECORD.size);
          if (one.readUInt32LE(RECORD.netns) === netns) recorder.write({ kind: "records", bytes: one });
        }
      } else if (operation?.kind === "losses") {
        recorder.refresh(
          at,
          /** @type {import("../src/lenses/flows/losses.ts").Losses} */ (operation.losses),
        );
      } else if (operation?.kind === "seed") {
        const entries = operation.entries.filter((entry) => entry.netns === netns);
        recorder.write({ ...operation, entries });
      }
    });
  }
  writer.close();
  if (writer.failure) throw writer.failure;
  if (reader.isUnfinished) throw new Error("the recording is not whole");
  return readFileSync(`${file}.server`);
}

function runInVm() {
  const inside = [process.execPath, fileURLToPath(import.meta.url), "inside", ...process.argv.slice(2)];
  const vm = [KERNEL, "--mem", "3G", "--cpus", "2", "--", ...inside];
  const { stdout, status } = spawnSync(join(root, "test/kernels/vm-run"), vm, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [before, encoded] = stdout.split(MARK);
  if (status !== 0 || encoded === undefined) throw new Error(`the VM ended with ${status}:\n${before}`);
  return Buffer.from(encoded.trim(), "base64");
}

if (process.argv[2] === "inside") {
  const file = "/tmp/demo.tcptop";
  await record(file);
  const bytes = await keepServer(file);
  process.stdout.write(`${MARK}\n${bytes.toString("base64")}\n`, () => process.exit());
  await new Promise(() => {});
}
setup({ guests: true });
const missing = whyNoKernel(KERNEL);
if (missing !== null) {
  say(`demo: Linux ${KERNEL} in a VM: ${missing}`);
  process.exit(EXIT_UNAVAILABLE);
}
say(`demo: recording for ${SECONDS} s`);
const bytes = runInVm();
mkdirSync(join(root, "demo"), { recursive: true });
writeFileSync(FILE, bytes);
say(`demo: ${FILE}, ${bytes.length} bytes`);
