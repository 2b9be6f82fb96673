// `npm run pictures [-- --short]`: makes the README's pictures from a real run of the screen, in a network namespace of
// its own with the addresses that RFC 5737 and RFC 3849 keep for documentation. Needs root, tmux and iproute2.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { output, root, say } from "./lib.mjs";
import { ADDRESSES, start } from "./pictures-traffic.mjs";
import { setup } from "./setup.mjs";

const COLUMNS = 110;
const ROWS = 26;
const WAIT_MS = 20_000;
const POLL_MS = 100;

const isShort = process.argv.includes("--short");

/** Long enough for the graphs of the details; with --short they stay almost empty. */
const HISTORY_MS = isShort ? 2_000 : 62_000;

const FOLDER = join(root, isShort ? "build/pictures" : "docs/pictures");
const SERVER = `tcptop-pictures-${process.pid}`;
const DOCUMENTATION = "192.0.2.0/24,198.51.100.0/24,203.0.113.0/24,2001:db8::/32";
const COMMAND = `exec node bin/tcptop.js --host ${DOCUMENTATION} -n 300`;

/** @typedef {{ name: string, title: string, keys: string[], shows: RegExp }} Picture */

/**
 * In their order: the keys that lead to each picture, and what is on the screen once they have worked.
 * @type {Picture[]}
 */
const PICTURES = [
  { name: "connections", title: "The connections, the busiest first", keys: ["Home"], shows: /backup/ },
  { name: "details", title: "One connection in full", keys: ["Enter"], shows: /Window/ },
  {
    name: "processes",
    title: "The processes, one unfolded",
    keys: ["Escape", "v", "/web", "Enter", "Home", "Enter", "/", "C-u", "Enter"],
    shows: /▾ .*web/s,
  },
  {
    name: "hosts",
    title: "The remote hosts, one unfolded",
    keys: ["v", "Home", "Enter"],
    shows: /▾ .*remote hosts/s,
  },
  { name: "filter", title: "The filter, as it is typed", keys: ["v", "/web"], shows: /filter: web/ },
  { name: "help", title: "The keys", keys: ["Escape", "?"], shows: /Ctrl-Z/ },
];

/**
 * @param {string} command
 * @param {string[]} args
 */
function must(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr?.trim() || "could not be run"}`);
}

const tmux = (/** @type {string[]} */ ...args) => must("tmux", "-L", SERVER, ...args);
const capture = (/** @type {string[]} */ ...args) =>
  output("tmux", ["-L", SERVER, "capture-pane", "-p", ...args]);

/** @param {RegExp} pattern */
async function until(pattern) {
  const deadlineMs = performance.now() + WAIT_MS;
  while (!pattern.test(capture())) {
    if (performance.now() > deadlineMs) throw new Error(`the screen does not show ${pattern}:\n${capture()}`);
    await setTimeout(POLL_MS);
  }
}

/** @param {readonly string[]} keys */
async function press(keys) {
  for (const key of keys) {
    const isText = key.length === 1 || key.startsWith("/");
    tmux("send-keys", ...(isText ? ["-l"] : []), key);
    await setTimeout(4 * POLL_MS);
  }
}

/**
 * @param {Picture} picture
 * @param {typeof import("./terminal-svg.mjs").terminalSvg} draw
 */
async function picture({ name, title, keys, shows }, draw) {
  await press(keys);
  await until(shows);
  const svg = draw(capture("-e", "-N"), { columns: COLUMNS, rows: ROWS, title });
  writeFileSync(join(FOLDER, `${name}.svg`), svg);
  say(`pictures: ${name}.svg, ${svg.length} bytes`);
}

async function makePictures() {
  const { terminalSvg } = await import("./terminal-svg.mjs");
  must("ip", "link", "set", "lo", "up");
  for (const address of ADDRESSES) must("ip", "address", "add", address, "dev", "lo");
  mkdirSync(FOLDER, { recursive: true });
  const size = ["-x", String(COLUMNS), "-y", String(ROWS)];
  let endTraffic = () => {};
  try {
    tmux(
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      ...size,
      "env",
      "TERM=xterm-256color",
      "LC_ALL=C.UTF-8",
      "sh",
      "-c",
      COMMAND,
    );
    tmux("set-option", "-g", "escape-time", "0");
    await until(/no connections/);
    endTraffic = await start();
    await until(/backup/);
    say(`pictures: ${HISTORY_MS / 1000} s until the graphs are full`);
    await setTimeout(HISTORY_MS);
    for (const each of PICTURES) await picture(each, terminalSvg);
  } finally {
    spawnSync("tmux", ["-L", SERVER, "kill-server"]);
    endTraffic();
  }
}

if (process.argv[2] === "inside") {
  await makePictures();
} else {
  setup({ more: ["tmux", "iproute2"] });
  const inside = [process.execPath, fileURLToPath(import.meta.url), "inside", ...process.argv.slice(2)];
  process.exitCode =
    spawnSync("unshare", ["--net", "--cgroup", ...inside], { cwd: root, stdio: "inherit" }).status ?? 1;
}
