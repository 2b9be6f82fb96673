// Traffic of made-up services for the README's pictures: `start` runs each end as a process of its own.
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const LIFETIME_MS = 300_000;
const TICKS_PER_SECOND = 20;

/**
 * @typedef {object} Service
 * @property {[client: string, server: string]} names
 * @property {boolean} [udp]
 * @property {string} from
 * @property {string} to
 * @property {number} port
 * @property {number} connections
 * @property {number} up
 * @property {number} down
 * @property {number} [lifeMs]
 */

/**
 * Who talks to whom: bytes a second a connection, to the server and back; `lifeMs` where each is short.
 * @type {Service[]}
 */
const SERVICES = [
  {
    names: ["backup", "storage"],
    from: "192.0.2.10",
    to: "198.51.100.20",
    port: 873,
    connections: 1,
    up: 14e6,
    down: 9e3,
  },
  {
    names: ["browser", "web"],
    from: "2001:db8::7",
    to: "2001:db8::80",
    port: 443,
    connections: 4,
    up: 6e3,
    down: 900e3,
  },
  {
    names: ["web", "database"],
    from: "192.0.2.10",
    to: "192.0.2.32",
    port: 5432,
    connections: 3,
    up: 40e3,
    down: 260e3,
  },
  {
    names: ["chat", "relay"],
    from: "203.0.113.9",
    to: "192.0.2.10",
    port: 6697,
    connections: 2,
    up: 300,
    down: 1_100,
  },
  {
    names: ["probe", "web"],
    from: "203.0.113.40",
    to: "192.0.2.10",
    port: 80,
    connections: 2,
    up: 400,
    down: 2_400,
    lifeMs: 1_300,
  },
  {
    names: ["tunnel", "gateway"],
    udp: true,
    from: "192.0.2.10",
    to: "203.0.113.1",
    port: 51820,
    connections: 1,
    up: 700e3,
    down: 2_600e3,
  },
  {
    names: ["resolver", "dns"],
    udp: true,
    from: "192.0.2.10",
    to: "198.51.100.53",
    port: 53,
    connections: 1,
    up: 900,
    down: 2_800,
  },
];

export const ADDRESSES = [...new Set(SERVICES.flatMap(({ from, to }) => [from, to]))];

/**
 * Bytes of one tick: the rate comes and goes, each connection in its own time.
 * @param {number} rate
 * @param {number} place
 */
function share(rate, place) {
  const swing = 1 + 0.55 * Math.sin(Date.now() / (2_500 + 900 * place) + place);
  return Math.max(1, Math.round((rate * swing) / TICKS_PER_SECOND));
}

/**
 * Calls until the returned function is called.
 * @param {() => void} call
 */
function everyTick(call) {
  const timer = setInterval(call, 1000 / TICKS_PER_SECOND);
  return () => clearInterval(timer);
}

/**
 * @param {import("node:net").Socket} socket
 * @param {number} rate
 * @param {number} place
 */
function keepSending(socket, rate, place) {
  socket.on("error", () => socket.destroy()).resume();
  socket.on(
    "close",
    everyTick(() => {
      if (!socket.writableNeedDrain) socket.write(Buffer.alloc(share(rate, place)));
    }),
  );
}

/** @param {Service} service */
async function serveTcp({ to, port, down }) {
  let accepted = 0;
  const server = createServer((socket) => keepSending(socket, down, accepted++ % 7));
  await once(server.listen(port, to), "listening");
}

/** @param {Service} service */
async function callTcp(service, place = 0) {
  const { from, to, port, up, lifeMs } = service;
  const socket = connect({ host: to, port, localAddress: from });
  await once(socket, "connect");
  keepSending(socket, up, place);
  if (lifeMs === undefined) return;
  setTimeout(() => socket.end(), lifeMs * (1 + place / 3));
  socket.once("close", () => callTcp(service, place));
}

const MOST_DATAGRAM_BYTES = 1_400;

/** @param {number} bytes */
function datagrams(bytes) {
  const count = Math.ceil(bytes / MOST_DATAGRAM_BYTES);
  return Array.from({ length: count }, () => Buffer.alloc(Math.ceil(bytes / count)));
}

/** @param {Service} service */
async function serveUdp({ to, port, down }) {
  const socket = createSocket("udp4");
  /** @type {import("node:dgram").RemoteInfo[]} */
  const peers = [];
  socket.on("message", (_, from) => {
    peers[0] = from;
  });
  await once(socket.bind(port, to), "listening");
  everyTick(() => {
    for (const { port: there, address } of peers)
      for (const part of datagrams(share(down, 2))) socket.send(part, there, address);
  });
}

/** @param {Service} service */
async function callUdp({ from, to, port, up }) {
  const socket = createSocket("udp4").on("message", () => {});
  await once(socket.bind(0, from), "listening");
  socket.connect(port, to);
  await once(socket, "connect");
  everyTick(() => {
    for (const part of datagrams(share(up, 1))) socket.send(part);
  });
}

/** @param {string} name */
async function serve(name) {
  for (const service of SERVICES) {
    if (service.names[1] === name) await (service.udp ? serveUdp : serveTcp)(service);
  }
}

/** @param {string} name */
async function call(name) {
  for (const service of SERVICES.filter(({ names }) => names[0] === name)) {
    for (let place = 0; place < service.connections; place++) {
      await (service.udp ? callUdp : callTcp)(service, place);
    }
  }
}

/**
 * Runs one name's servers, and its calls once a line says that all servers are there.
 * @param {string} name
 */
async function play(name) {
  process.title = name;
  setTimeout(() => process.exit(), LIFETIME_MS);
  const lines = createInterface({ input: process.stdin });
  lines.once("line", () => call(name)).on("close", () => process.exit());
  await serve(name);
  process.stdout.write("ready\n");
}

/** Starts every process of the play; they end with the returned function, or with this process. */
export async function start() {
  const names = [...new Set(SERVICES.flatMap((service) => service.names))];
  const script = fileURLToPath(import.meta.url);
  const players = names.map((name) =>
    spawn(process.execPath, [script, name], { stdio: ["pipe", "pipe", "inherit"] }),
  );
  await Promise.all(players.map(({ stdout }) => once(stdout, "data")));
  for (const { stdin } of players) stdin.write("go\n");
  return () => {
    for (const player of players) player.kill();
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await play(process.argv[2] ?? "");
