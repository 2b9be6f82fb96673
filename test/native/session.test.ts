/** The addon's session on the real kernel: arguments, errors, and every way of closing it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { decodeOwners, decodeRecords } from "../../src/lenses/flows/decode.ts";
import { LOSSES, OWNER, RECORD } from "../../src/lenses/flows/layout.gen.ts";
import {
  isNativeError,
  loadNative,
  type Session,
  type SessionOptions,
} from "../../src/platform/linux/native.ts";
import { thisProcessMayCapture } from "../../src/platform/linux/privilege.ts";

const OPTIONS: SessionOptions = {
  backend: "auto",
  udpIdleNs: 5e9,
  maxTcpFlows: 65_536,
  maxUdpFlows: 32_768,
  ringBytes: 16 << 20,
};

const native = loadNative();
const open: Session[] = [];

function start(options: Partial<SessionOptions> = {}): Session {
  const session = new native.Session({ ...OPTIONS, ...options });
  open.push(session);
  return session;
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return isNativeError(error) ? error.code : String(error);
  }
}

afterEach(() => {
  for (const session of open.splice(0)) session.close();
});

describe("arguments of the addon", () => {
  it.each([
    ["no options", []],
    ["options that are no object", [1]],
    ["a backend that is no string", [{ ...OPTIONS, backend: 1 }]],
    ["a table of no size", [{ ...OPTIONS, maxTcpFlows: 0 }]],
    ["a size that is no number", [{ ...OPTIONS, ringBytes: "4096" }]],
    ["a time that is not a number", [{ ...OPTIONS, udpIdleNs: Number.NaN }]],
  ])("refuses %s", (_, args) => {
    expect(() => Reflect.construct(native.Session, args)).toThrow(/must be|out of range|takes one object/);
  });
});

describe("a pipe's reader", () => {
  it("is there until it closes its end", async () => {
    const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
    const end = Number(Reflect.get(Reflect.get(child.stdin, "_handle"), "fd"));
    expect(end).toBeGreaterThan(2);
    expect(native.hasReader(end)).toBe(true);
    child.stdin.on("error", () => {});
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(native.hasReader(end)).toBe(false);
  });

  it("is no question for a file", () => {
    const file = openSync("/dev/null", "w");
    expect(native.hasReader(file)).toBe(true);
    closeSync(file);
    expect(() => Reflect.apply(native.hasReader, native, ["1"])).toThrow(TypeError);
  });
});

describe("a file's lock", () => {
  it("is one opening's until it is closed", () => {
    const folder = mkdtempSync(join(tmpdir(), "tcptop-lock-"));
    const path = join(folder, "file");
    const first = openSync(path, "a+");
    const second = openSync(path, "a+");
    expect([native.lockFile(first), native.lockFile(second)]).toEqual([true, false]);
    closeSync(first);
    expect(native.lockFile(second)).toBe(true);
    closeSync(second);
    const readOnly = openSync(path, "r");
    const third = openSync(path, "a+");
    expect([native.lockFile(readOnly), native.lockFile(third)]).toEqual([true, true]);
    closeSync(readOnly);
    closeSync(third);
    rmSync(folder, { recursive: true });
  });

  const hasPython = spawnSync("python3", ["--version"]).error === undefined;
  const reader = `import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
fcntl.lockf(file, fcntl.LOCK_SH)
print("ready", flush=True)
sys.stdin.read()`;

  it.skipIf(!hasPython)(
    `cannot be kept from a writer by a reader${hasPython ? "" : ": no python3"}`,
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "tcptop-lock-"));
      const path = join(folder, "file");
      const writer = openSync(path, "a+");
      const python = spawn("python3", ["-c", reader, path], { stdio: ["pipe", "pipe", "inherit"] });
      await once(python.stdout, "data");
      expect(native.lockFile(writer)).toBe(true);
      python.stdin.end();
      await once(python, "close");
      closeSync(writer);
      rmSync(folder, { recursive: true });
    },
  );

  it("is no question for a file that cannot be locked", () => {
    expect(native.lockFile(-1)).toBe(true);
    expect(() => Reflect.apply(native.lockFile, native, [])).toThrow(TypeError);
  });
});

describe.skipIf(!thisProcessMayCapture())("a session", () => {
  it("names an unknown backend", () => {
    expect(codeOf(() => start({ backend: "nonsense" }))).toBe("NO_BACKEND");
    expect(() => start({ backend: "nonsense" })).toThrow("no backend is called nonsense");
  });

  it("says why each backend that was tried could not be used", () => {
    const session = start();
    const preference = ["fentry", "kprobe", "tracepoint"];
    const reasons = session.stepDowns.map((step) => step.backend);
    // On a kernel that may preempt its tasks the order is turned round, and fentry is said to come last.
    const isTurned = session.stepDowns.some(({ reason }) => reason.startsWith("used last"));
    const tried = isTurned ? preference.reverse() : preference;
    const before = tried.slice(0, tried.indexOf(session.backend));
    expect(reasons.slice(0, before.length)).toEqual(before);
    if (isTurned) expect(reasons).toContain("fentry");
    for (const { reason } of session.stepDowns) expect(reason).toMatch(/^[^\n]+$/);
  });

  it("delivers a connection's bytes, totals and owner", async () => {
    const session = start();
    await session.owners();
    const server = createServer((socket) => socket.on("data", (data) => socket.end(data)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const client = createConnection(address.port, "127.0.0.1");
    client.end("x".repeat(12_345));
    client.resume();
    await once(client, "close");
    server.close();
    await once(server, "close");

    const closes: { end: string; in: number; out: number; pid: number }[] = [];
    const batch = new Uint8Array(RECORD.size * 64);
    for (let bytes = session.drain(batch); bytes > 0; bytes = session.drain(batch)) {
      expect(bytes % RECORD.size).toBe(0);
      decodeRecords(batch.subarray(0, bytes), (record) => {
        const end = record.localPort === address.port ? "server" : "client";
        if (record.kind === 5 && [record.localPort, record.remotePort].includes(address.port)) {
          closes.push({ end, in: record.bytesIn, out: record.bytesOut, pid: record.pid });
        }
      });
    }
    closes.sort((a, b) => a.end.localeCompare(b.end));
    expect(closes).toEqual([
      { end: "client", in: 12_345, out: 12_345, pid: process.pid },
      { end: "server", in: 12_345, out: 12_345, pid: process.pid },
    ]);
    expect([...session.losses()]).toEqual(new Array(LOSSES.size).fill(0));
  });

  it("cuts a drain at the size of the array and goes on with the next call", async () => {
    const session = start();
    const server = createServer((socket) => socket.end("hello")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    for (let i = 0; i < 3; i++) {
      const client = createConnection(address.port, "127.0.0.1");
      client.resume();
      client.end();
      await once(client, "close");
    }
    server.close();
    await once(server, "close");

    const one = new Uint8Array(RECORD.size + 5);
    let calls = 0;
    while (session.drain(one) === RECORD.size) calls++;
    expect(calls).toBeGreaterThanOrEqual(12);
    expect(session.drain(one)).toBe(0);
  });

  it("finds who holds a socket", async () => {
    const session = start();
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const bytes = await session.owners();
    expect(bytes.byteLength % OWNER.size).toBe(0);
    expect([...decodeOwners(bytes).values()].map((owner) => owner.pid)).toContain(process.pid);
    server.close();
  });

  it("sweeps in as many calls as the array needs, and ends each sweep with 0", () => {
    const session = start();
    const batch = new Uint8Array(RECORD.size);
    for (let sweep = 0; sweep < 3; sweep++) {
      let calls = 0;
      while (session.sweep(batch) > 0) expect(++calls).toBeLessThan(10_000);
    }
  });

  it("reports a connection that does not move in a sweep of all, and only there", async () => {
    const session = start();
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const client = createConnection(address.port, "127.0.0.1");
    await Promise.all([once(client, "connect"), once(server, "connection")]);
    const batch = new Uint8Array(RECORD.size * 64);
    const portsBy = (method: "sweep" | "sweepAll"): number[] => {
      const ports: number[] = [];
      for (let bytes = session[method](batch); bytes > 0; bytes = session[method](batch)) {
        decodeRecords(batch.subarray(0, bytes), ({ localPort, remotePort }) =>
          ports.push(localPort, remotePort),
        );
      }
      return ports.filter((port) => port === address.port);
    };
    // Names an owner, which a sweep then reports: once.
    await session.owners();
    for (let sweeps = 0; portsBy("sweep").length > 0; sweeps++) expect(sweeps).toBeLessThan(100);
    expect(portsBy("sweepAll")).toHaveLength(2);
    expect(portsBy("sweep")).toEqual([]);
    client.destroy();
    server.close();
    await once(server, "close");
  });

  it.each(["drain", "sweep", "sweepAll"] as const)(
    "refuses to %s into anything but a large enough Uint8Array",
    (method) => {
      const session = start();
      const call = (...args: unknown[]) => Reflect.apply(session[method], session, args);
      expect(() => call()).toThrow(TypeError);
      expect(() => call(new Float64Array(1000))).toThrow(TypeError);
      expect(() => call(new Uint8Array(RECORD.size - 1))).toThrow(RangeError);
    },
  );

  it("can be closed twice, and says so when it is used afterwards", () => {
    const session = start();
    session.close();
    session.close();
    const batch = new Uint8Array(RECORD.size);
    for (const use of [
      () => session.drain(batch),
      () => session.sweep(batch),
      () => session.sweepAll(batch),
      () => session.owners(),
      () => session.losses(),
      () => session.unowned(),
      () => session.backend,
      () => session.stepDowns,
    ]) {
      expect(codeOf(use)).toBe("CLOSED");
    }
  });

  it("can be closed while it reads owners and in the middle of a sweep", async () => {
    const session = start();
    const owners = Array.from({ length: 8 }, () => session.owners());
    session.sweep(new Uint8Array(RECORD.size));
    session.close();
    for (const bytes of await Promise.all(owners)) expect(bytes.byteLength % OWNER.size).toBe(0);
    expect(codeOf(() => session.owners())).toBe("CLOSED");
  });

  it("can be opened many times in one process", () => {
    const sessions = [start(), start(), start()];
    expect(new Set(sessions.map((session) => session.backend)).size).toBe(1);
  });
});
