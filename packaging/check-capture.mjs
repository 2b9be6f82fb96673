// Runs `tcptop` (the arguments) against a connection of its own on loopback, and says as JSON what it saw of
// it: needs nothing but Node and root, so that it runs where only the package is installed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

const BYTES_OUT = 1_234_567;
const BYTES_BACK = 89;
const DEADLINE_MS = 60_000;

const [command, ...args] = process.argv.slice(2);
// Only its own connection: the machine may be busy with others.
const stream = ["--batch", "--format", "json", "-d", "0.2", "--pid", String(process.pid)];
const tcptop = spawn(command, [...args, ...stream], { stdio: ["ignore", "pipe", "inherit"] });
const deadline = setTimeout(() => tcptop.kill("SIGKILL"), DEADLINE_MS);

/** Sends one way, answers the other, and closes; the port of the end that connected. */
async function talk() {
  const server = createServer((socket) => {
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
      if (received === BYTES_OUT) socket.end(Buffer.alloc(BYTES_BACK));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect(server.address().port, "127.0.0.1");
  await once(client, "connect");
  const port = client.localPort;
  client.resume();
  client.end(Buffer.alloc(BYTES_OUT));
  await once(client, "close");
  server.close();
  return port;
}

let start = null;
let port = null;
let isStopped = false;
const closes = [];
for await (const line of createInterface({ input: tcptop.stdout })) {
  const record = JSON.parse(line);
  if (record.event === "start") {
    start = record;
    talk().then((found) => {
      port = found;
    });
  }
  if (record.event === "close") closes.push(record);
  if (!isStopped && port !== null && closes.some(({ local_port }) => local_port === port))
    isStopped = tcptop.kill("SIGTERM");
}
const [code] = tcptop.exitCode === null ? await once(tcptop, "exit") : [tcptop.exitCode];
clearTimeout(deadline);

const close = closes.find(({ local_port }) => port !== null && local_port === port);
const isOurs = close?.pid === process.pid;
const { bytes_in, bytes_out } = close ?? {};
const isExact = bytes_out === BYTES_OUT && bytes_in === BYTES_BACK;
process.stdout.write(
  `${JSON.stringify({ code, backend: start?.backend ?? null, isSeen: close !== undefined, isOurs, isExact })}\n`,
);
