// `npm run scorecard`: how exact tcptop is, against what the programs and nftables counted, beside other
// tools on the same traffic; here and on a stock kernel in a VM. Writes docs/SCORECARD.md, or with --json its
// figures, of which --from makes the document. Needs root.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf, root, say } from "../../scripts/lib.mjs";
import { setup } from "../../scripts/setup.mjs";
import { Network } from "./network.mjs";
import { knownPeers } from "./peers.mjs";
import { scorecard } from "./report.mjs";
import { SCENARIOS } from "./scenarios.mjs";
import { scoreScenario } from "./score.mjs";
import { Tcptop } from "./tcptop.mjs";
import { runToEnd } from "./watched.mjs";

const USAGE =
  "usage: npm run scorecard -- [--on here|KERNEL]... [--backend NAME]... [--only WORDS] [--scale N] [--json | --from FILE...] [--short]";
const EXIT_USAGE = 64;
const EXIT_INTERNAL = 70;
const EXIT_NO_PERMISSION = 77;

const PACKAGES = ["iproute2", "iputils-ping", "nftables", "nethogs", "iftop", "libbpf-tools", "bpfcc-tools"];
const DOCUMENT = join(root, "docs/SCORECARD.md");
/** With --short: some scenarios of each place with little traffic, on this kernel, and the document elsewhere. */
const SHORT = { on: ["here"], only: "bulk", scale: 0.01 };
const SHORT_DOCUMENT = join(root, "build/SCORECARD.md");
const LIMIT_MS = 30_000;
const SLOW_LIMIT_MS = 300_000;

/** In an emulated guest: the backends that the kernel has, and a tenth of the traffic. */
const GUEST_KERNEL = "6.1";
const GUEST_BACKENDS = ["fentry", "kprobe"];
const GUEST_SCALE = 0.1;
/** tcptop-bpfcc compiles itself with the kernel's headers; the guest has its own folder of modules. */
const SHOW_HEADERS = [
  "r=$(uname -r) h=/usr/src/linux-headers-$r",
  "if [ -e $h ]; then cp -a /lib/modules/$r /tmp",
  "ln -s $h /tmp/$r/build",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own syntax
  "ln -s ${h%-*}-common /tmp/$r/source",
  "mount --bind /tmp/$r /lib/modules/$r; fi",
].join("; ");
const GUEST_MARK = "scorecard of the guest: ";

/** @typedef {ReturnType<typeof readOptions>} Options */
/** @typedef {Awaited<ReturnType<typeof scoreBackend>> & { command: string }} Section */
/** @typedef {Section["peers"][number]} PeerFacts */

/**
 * @param {string} message
 * @returns {never}
 */
function usage(message) {
  process.stderr.write(`error: ${message}\n${USAGE}\n`);
  process.exit(EXIT_USAGE);
}

function parseOptions() {
  try {
    return parseArgs({
      options: {
        on: { type: "string", multiple: true },
        backend: { type: "string", multiple: true },
        only: { type: "string" },
        scale: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        from: { type: "string", multiple: true },
        guest: { type: "boolean", default: false },
        short: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return usage(messageOf(error));
  }
}

function readOptions() {
  const values = parseOptions();
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 10)) usage(`--scale: '${values.scale}' is not a number above 0, up to 10`);
  const options = { ...values, scale, on: values.on ?? ["here", GUEST_KERNEL] };
  return values.short ? { ...options, ...SHORT } : options;
}

/**
 * Every scenario with one backend.
 * @param {string} backend
 * @param {Pick<Options, "only" | "scale" | "guest">} options
 */
async function scoreBackend(backend, { only = "", scale, guest }) {
  const limitMs = guest ? SLOW_LIMIT_MS : LIMIT_MS;
  const network = new Network();
  const peers = knownPeers();
  await network.up();
  const tcptop = new Tcptop(backend);
  try {
    const start = await tcptop.ready(limitMs);
    const withoutNftables = await network.resetCounters();
    const scenarios = [];
    for (const scenario of SCENARIOS) {
      if (!scenario.title.includes(only) && !scenario.traffic.includes(only)) continue;
      say(`scorecard: ${start.backend}: ${scenario.title}`);
      const nftables = withoutNftables === null;
      scenarios.push(await scoreScenario(scenario, { tcptop, peers, network, scale, limitMs, nftables }));
    }
    return {
      date: new Date().toISOString().slice(0, 10),
      kernel: release(),
      processors: cpus().length,
      processor: cpus()[0]?.model ?? "unknown",
      backend: start.backend,
      version: start.version,
      load_average: loadavg()[0] ?? 0,
      scale,
      guest,
      without_nftables: withoutNftables,
      losses: tcptop.losses(),
      peers: peers.map(({ Peer, version, missing }) => ({
        title: Peer.title,
        package: Peer.debian,
        unit: Peer.unit,
        version,
        missing,
      })),
      scenarios,
    };
  } finally {
    for (const { lasting } of peers) await lasting?.stop();
    await tcptop.stop();
    network.down();
  }
}

/**
 * @param {readonly string[]} backends
 * @param {Options} options
 */
async function scoreBackends(backends, options) {
  const sections = [];
  for (const backend of backends) sections.push(await scoreBackend(backend, options));
  return sections;
}

/**
 * The same in a guest.
 * @param {string} kernel
 * @param {Options} options
 * @returns {Promise<Section[]>}
 */
async function scoreGuest(kernel, { backend = GUEST_BACKENDS, only = "", scale }) {
  say(`scorecard: Linux ${kernel} in a VM`);
  const inside = [
    process.execPath,
    "bench/scorecard/main.mjs",
    ...["--guest", "--on", "here", "--only", only, "--scale", String(scale * GUEST_SCALE)],
    ...backend.flatMap((name) => ["--backend", name]),
  ];
  const loaded = ["sh", "-c", `modprobe nbd; ${SHOW_HEADERS}; exec "$@"`, "sh", ...inside];
  const { code, stdout, stderr } = await runToEnd(join(root, "test/kernels/vm-run"), [
    kernel,
    ...["--timeout", "3600", "--mem", "3G"],
    "--",
    ...loaded,
  ]);
  const line = stdout.split("\n").find((one) => one.startsWith(GUEST_MARK));
  if (code === 0 && line) return JSON.parse(line.slice(GUEST_MARK.length));
  throw new Error(`Linux ${kernel} in a VM: exit ${code}: ${stdout.slice(-2000)}${stderr.slice(-2000)}`);
}

/**
 * The command line that makes these sections, without what does not change them.
 * @param {string} place
 * @param {Options} options
 */
function commandOf(place, { backend, only, scale }) {
  return [
    `npm run scorecard -- --on ${place}`,
    ...(backend ?? []).map((name) => `--backend ${name}`),
    ...(only ? [`--only '${only}'`] : []),
    ...(scale === 1 ? [] : [`--scale ${scale}`]),
  ].join(" ");
}

/**
 * Everything that is asked for, measured.
 * @param {Options} options
 */
async function measure(options) {
  /** @type {Section[]} */
  const sections = [];
  for (const place of options.on) {
    const { backend = ["auto"] } = options;
    const some = await (place === "here" ? scoreBackends(backend, options) : scoreGuest(place, options));
    sections.push(...some.map((one) => ({ ...one, command: commandOf(place, options) })));
  }
  return sections;
}

/**
 * @param {readonly Section[]} sections
 * @param {string} file
 */
function writeDocument(sections, file = DOCUMENT) {
  writeFileSync(file, scorecard(sections));
  say(`scorecard: written to ${file}`);
}

const options = readOptions();
if (options.from) {
  writeDocument(options.from.flatMap((file) => JSON.parse(readFileSync(file, "utf8"))));
  process.exit(0);
}
if (process.geteuid?.() !== 0) {
  process.stderr.write("error: the scorecard requires root privileges. Run with sudo.\n");
  process.exit(EXIT_NO_PERMISSION);
}
if (!options.guest) setup({ more: PACKAGES, guests: options.on.some((place) => place !== "here") });
try {
  const sections = await measure(options);
  if (options.guest) process.stdout.write(`${GUEST_MARK}${JSON.stringify(sections)}\n`);
  else if (options.json) process.stdout.write(`${JSON.stringify(sections)}\n`);
  else writeDocument(sections, options.short ? SHORT_DOCUMENT : DOCUMENT);
} catch (error) {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  process.exitCode = EXIT_INTERNAL;
}
