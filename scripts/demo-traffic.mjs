// Three minutes in the life of a made-up web server, for the demo recording: each name is a process of its own.
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** @typedef {import("node:net").Socket} Socket */
/** @typedef {import("node:dgram").Socket} UdpSocket */

/**
 * When a process does what: `at` resolves so many seconds after the start, `ms` is when that is, `end` when all is over.
 * @typedef {{ at: (second: number) => Promise<unknown>, ms: (second: number) => number, end: number }} Times
 */

/**
 * What each process does: its servers at first, the rest when the play begins.
 * @typedef {object} Role
 * @property {number} uid
 * @property {() => void} [before]
 * @property {(times: Times) => Promise<void>} [play]
 */

/** Addresses that RFC 5737 and RFC 3849 keep for documentation. */
const V4 = "192.0.2.10";
const V6 = "2001:db8:a::10";
export const SERVER = [V4, V6];
const BACKUP = "198.51.100.20";
const DNS = "198.51.100.53";
const NTP = "198.51.100.123";
const MIRROR = "2001:db8:b::80";
const OFFICE = "203.0.113.7";
const MONITOR = "203.0.113.9";
/** Nobody answers there. */
const SILENT = "198.51.100.250";
const VISITORS = [
  ...Array.from({ length: 20 }, (_, i) => `203.0.113.${40 + 7 * i}`),
  ...Array.from({ length: 12 }, (_, i) => `2001:db8:c::${(0x1a0 + 0x31 * i).toString(16)}`),
];
export const WORLD = [BACKUP, DNS, NTP, MIRROR, OFFICE, MONITOR, ...VISITORS];

const TICK_MS = 50;

/** The same every time, for each process in its own way. */
let seed = 7;
function random() {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
  return seed / 0x7fffffff;
}

/**
 * @param {number} least
 * @param {number} most
 */
const between = (least, most) => Math.round(least + random() * (most - least));

/**
 * @template T
 * @param {readonly T[]} items
 */
const pick = (items) => items[between(0, items.length - 1)];

/** @param {Socket} socket */
function quiet(socket) {
  socket.on("error", () => socket.destroy());
  return socket;
}

/**
 * @param {string} host
 * @param {number} port
 * @param {(socket: Socket, data: Buffer, seen: number) => void} answer
 */
function serve(host, port, answer) {
  createServer((socket) => {
    let seen = 0;
    quiet(socket).on("data", (data) => answer(socket, data, ++seen));
  }).listen(port, host);
}

/**
 * A connection that stays; closed where nobody answers.
 * @param {string} to
 * @param {number} port
 * @param {string} [from]
 */
async function dial(to, port, from) {
  const socket = quiet(connect({ host: to, port, ...(from !== undefined && { localAddress: from }) }));
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  return socket;
}

/**
 * About so many bytes a second, coming and going.
 * @param {Socket} socket
 * @param {number} bytesPerSecond
 * @param {number} untilMs
 */
async function pour(socket, bytesPerSecond, untilMs) {
  for (
    const startMs = performance.now();
    performance.now() < untilMs && !socket.destroyed;
    await wait(TICK_MS)
  ) {
    const swing = 1 + 0.35 * Math.sin((performance.now() - startMs) / 3_100);
    if (!socket.writableNeedDrain)
      socket.write(Buffer.alloc(Math.round((bytesPerSecond * swing * TICK_MS) / 1000)));
  }
}

const number = (/** @type {Buffer} */ data) => Number(/\d+/.exec(data.toString())?.[0] ?? 0);

/**
 * A visit: some requests of pages of some size.
 * @param {string} from
 * @param {number} requests
 * @param {number} keepMs
 */
async function visit(from, requests, keepMs) {
  const socket = await dial(from.includes(":") ? V6 : V4, 443, from);
  socket.resume();
  for (let i = 0; i < requests && !socket.destroyed; i++) {
    socket.write(`GET ${between(4_000, 180_000)} `.padEnd(between(300, 700)));
    await wait(keepMs * (0.4 + random()));
  }
  socket.end();
}

/**
 * @param {UdpSocket} socket
 * @param {number} port
 * @param {string} address
 * @param {number} bytesPerSecond
 * @param {number} untilMs
 */
async function udpTalk(socket, port, address, bytesPerSecond, untilMs) {
  while (performance.now() < untilMs) {
    const bytes = Math.round((bytesPerSecond * (0.6 + 0.8 * random()) * TICK_MS) / 1000);
    for (let left = bytes; left > 0; left -= 1_300)
      socket.send(Buffer.alloc(Math.min(left, 1_300)), port, address);
    await wait(TICK_MS);
  }
}

/** @type {Socket[]} */
const upstreams = [];
/** @type {Socket[]} */
const stores = [];

/** The one UDP socket of a process that keeps one. */
const tunnel = createSocket("udp4").on("message", () => {});

/** @type {Record<string, Role>} */
const ROLES = {
  nginx: {
    uid: 33,
    before() {
      const answer = (/** @type {Socket} */ socket, /** @type {Buffer} */ data) => {
        const upstream = pick(upstreams);
        upstream?.write(Buffer.alloc(between(250, 600)));
        setTimeout(() => !socket.destroyed && socket.write(Buffer.alloc(number(data))), between(3, 40));
      };
      serve(V4, 443, answer);
      serve(V6, 443, answer);
    },
    async play() {
      for (let i = 0; i < 3; i++) upstreams.push((await dial("127.0.0.1", 8000)).resume());
    },
  },
  gunicorn: {
    uid: 1001,
    before() {
      serve("127.0.0.1", 8000, (socket) => {
        for (const store of stores) store.write(Buffer.alloc(between(80, 300)));
        setTimeout(() => socket.write(Buffer.alloc(between(1_500, 9_000))), between(2, 20));
      });
    },
    async play() {
      for (const port of [5432, 5432, 6379]) stores.push((await dial("127.0.0.1", port)).resume());
    },
  },
  postgres: {
    uid: 102,
    before() {
      serve("127.0.0.1", 5432, (socket) => socket.write(Buffer.alloc(between(400, 7_000))));
    },
  },
  "redis-server": {
    uid: 103,
    before() {
      serve("127.0.0.1", 6379, (socket) => socket.write(Buffer.alloc(between(20, 300))));
    },
  },
  sshd: {
    uid: 0,
    before() {
      serve(V4, 22, (socket, data) => socket.write(Buffer.alloc(between(40, 30 * data.length))));
    },
  },
  node_exporter: {
    uid: 104,
    before() {
      serve(V4, 9100, (socket) => socket.end(Buffer.alloc(31_000)));
    },
  },
  openvpn: {
    uid: 65534,
    before() {
      tunnel.bind(1194, V4);
    },
    async play({ at, ms }) {
      await udpTalk(tunnel, 40_022, OFFICE, 320e3, ms(84));
      await at(112);
      await udpTalk(tunnel, 40_022, OFFICE, 90e3, ms(180));
    },
  },
  unbound: {
    uid: 105,
    async play({ end }) {
      while (performance.now() < end) {
        const socket = createSocket("udp4");
        const close = setTimeout(() => socket.close(), 1_500);
        socket.on("message", () => {
          clearTimeout(close);
          socket.close();
        });
        socket.bind(between(20_000, 60_000), V4, () => socket.send(Buffer.alloc(between(40, 70)), 53, DNS));
        socket.on("error", () => {});
        await wait(between(900, 3_000));
      }
    },
  },
  chronyd: {
    uid: 106,
    async play({ end }) {
      const socket = createSocket("udp4").on("message", () => {});
      socket.bind(0, V4);
      while (performance.now() < end) {
        socket.send(Buffer.alloc(48), 123, NTP);
        await wait(16_000);
      }
    },
  },
  curl: {
    uid: 1000,
    async play({ at }) {
      await at(20);
      const socket = await dial(MIRROR, 443, V6);
      socket.resume().write("GET 4000000 ");
      await at(46);
      socket.end();
      await at(128);
      (await dial(MIRROR, 443, V6)).resume().write("GET 900000 ");
      await at(139);
    },
  },
  rsync: {
    uid: 34,
    async play({ at, ms }) {
      await at(92);
      const socket = await dial(BACKUP, 873, V4);
      socket.resume();
      await pour(socket, 5e6, ms(149));
      socket.end();
    },
  },
  msmtp: {
    uid: 1000,
    async play({ at }) {
      for (const second of [12, 118]) {
        await at(second);
        const socket = quiet(connect({ host: SILENT, port: 587, localAddress: V4 }));
        await wait(19_000);
        socket.destroy();
      }
    },
  },
  world: {
    uid: 0,
    before() {
      serve(BACKUP, 873, (socket, _, seen) => seen % 40 === 0 && socket.write(Buffer.alloc(60)));
      serve(MIRROR, 443, (socket, data) => void pour(socket, number(data), performance.now() + 60_000));
      for (const { port, address, bytes } of [
        { port: 53, address: DNS, bytes: 180 },
        { port: 123, address: NTP, bytes: 48 },
      ]) {
        const socket = createSocket("udp4").bind(port, address);
        socket.on("message", (_, from) =>
          socket.send(Buffer.alloc(between(bytes / 2, bytes)), from.port, from.address),
        );
      }
      tunnel.bind(40_022, OFFICE);
    },
    async play({ at, ms, end }) {
      const type = async () => {
        const socket = await dial(V4, 22, OFFICE);
        socket.resume();
        for (
          ;
          performance.now() < end;
          await wait(random() < 0.1 ? between(4_000, 12_000) : between(90, 900))
        ) {
          socket.write(Buffer.alloc(between(36, 90)));
        }
      };
      const scrape = async () => {
        for (; performance.now() < end; await wait(15_000)) {
          (await dial(V4, 9100, MONITOR)).resume().write(Buffer.alloc(210));
        }
      };
      const residents = VISITORS.slice(0, 6).map(async (from, i) => {
        await wait(i * 2_300);
        await visit(from, 60, 1_700 + 900 * i);
      });
      const guests = async () => {
        for (; performance.now() < end - 3_000; await wait(between(700, 3_200))) {
          void visit(pick(VISITORS) ?? OFFICE, between(1, 4), between(200, 1_400));
        }
      };
      const crowd = async () => {
        await at(62);
        for (; performance.now() < ms(76); await wait(between(60, 210)))
          void visit(pick(VISITORS) ?? OFFICE, between(1, 3), 900);
      };
      const vpn = async () => {
        await udpTalk(tunnel, 1194, V4, 60e3, ms(84));
        await at(112);
        await udpTalk(tunnel, 1194, V4, 420e3, ms(180));
      };
      await Promise.all([type(), scrape(), guests(), crowd(), vpn(), ...residents]);
    },
  },
};

/** Names of the processes on the server; `world` is everybody else. */
export const NAMES = Object.keys(ROLES).filter((name) => name !== "world");

/**
 * Starts one name, with what its command line begins with; resolves to what lets it play, and what ends it.
 * @param {string} name
 * @param {readonly string[]} prefix
 */
export async function start(name, prefix = []) {
  const [command = "", ...args] = [...prefix, process.execPath, fileURLToPath(import.meta.url), name];
  const player = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(player.stdout, "data");
  return {
    play: (/** @type {number} */ seconds) => player.stdin.write(`${seconds}\n`),
    end: () => player.kill(),
  };
}

/**
 * The process of a name: its servers at once, the rest when a line says for how many seconds.
 * @param {string} name
 */
async function play(name) {
  process.title = name;
  seed = [...name].reduce((sum, character) => sum * 31 + character.charCodeAt(0), 7) & 0x7fffffff;
  const role = ROLES[name];
  if (role === undefined) throw new Error(`nobody is called '${name}'`);
  const lines = createInterface({ input: process.stdin });
  lines.on("close", () => process.exit());
  role.before?.();
  if (role.uid !== 0) {
    process.setgroups?.([]);
    process.setgid?.(role.uid);
    process.setuid?.(role.uid);
  }
  process.stdout.write("ready\n");
  const [seconds] = await once(lines, "line");
  const startMs = performance.now();
  const ms = (/** @type {number} */ second) => startMs + 1000 * second;
  const at = (/** @type {number} */ second) => wait(Math.max(0, ms(second) - performance.now()));
  await role.play?.({ at, ms, end: ms(Number(seconds)) });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await play(process.argv[2] ?? "");
