/** The addon's sources on the real kernel: arguments, errors, and every way of closing them. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { type AddressInfo, createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { isSourceError, type NativeSource, type SourceSpec } from "../../src/core/source.ts";
import { decodeOwners, decodeRecords } from "../../src/lenses/flows/decode.ts";
import { LOSSES, OWNER, RECORD } from "../../src/lenses/flows/layout.gen.ts";
import {
  OWNERS,
  openPrograms,
  type Programs,
  SWEEP_TCP,
  SWEEP_UDP,
} from "../../src/lenses/flows/programs.ts";
import { loadNative, nativeHost, startBroker } from "../../src/platform/linux/native.ts";
import { thisProcessMayCapture } from "../../src/platform/linux/privilege.ts";

const OPTIONS = {
  backend: "auto",
  udpIdleNs: 5e9,
  maxTcpFlows: 65_536,
  maxUdpFlows: 32_768,
  ringBytes: 16 << 20,
};

/** What any object may be loaded with. */
const SPEC: SourceSpec & { readonly object: string } = {
  object: "tracepoint",
  ring: { map: "events", recordBytes: RECORD.size },
  constants: { start_ns: 1n },
  sizes: { tcp_flows: 64 },
  iterators: { [OWNERS]: { map: null, recordBytes: null } },
  variables: { walks: 4, losses: LOSSES.size, report_all: 1 },
};

const native = loadNative();
startBroker(native);
const open: NativeSource[] = [];

function startPrograms(options: Partial<typeof OPTIONS> = {}): Programs {
  const programs = openPrograms(nativeHost(native), { ...OPTIONS, ...options });
  open.push(programs.source);
  return programs;
}

function start(): NativeSource {
  return startPrograms().source;
}

function openSpec(spec: Partial<typeof SPEC>): NativeSource {
  const source = new native.Source({ ...SPEC, ...spec });
  open.push(source);
  return source;
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return isSourceError(error) ? error.code : String(error);
  }
}

afterEach(() => {
  for (const source of open.splice(0)) source.close();
});

describe("arguments of the addon", () => {
  it.each([
    ["nothing", []],
    ["what is no object", [1]],
    ["an object's name that is no string", [{ ...SPEC, object: 1 }]],
    ["an object's name that is too long", [{ ...SPEC, object: "x".repeat(32) }]],
    ["a name with a NUL", [{ ...SPEC, object: "a\0b" }]],
    ["a table of no size", [{ ...SPEC, sizes: { tcp_flows: 0 } }]],
    ["a size that is no number", [{ ...SPEC, sizes: { tcp_flows: "64" } }]],
    ["a constant that is no bigint", [{ ...SPEC, constants: { start_ns: 1 } }]],
    ["a constant of more than 64 bits", [{ ...SPEC, constants: { start_ns: 1n << 64n } }]],
    ["a record of no bytes", [{ ...SPEC, ring: { map: "events", recordBytes: 0 } }]],
    ["more variables than there is room for", [{ ...SPEC, variables: many(33) }]],
    ["an iterator that is no object", [{ ...SPEC, iterators: { [OWNERS]: 1 } }]],
  ])("refuses %s", (_, args) => {
    expect(() => Reflect.construct(native.Source, args)).toThrow(/must be|out of range|too many/);
  });
});

/** So many names, each with the number 1. */
function many(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`name${i}`, 1]));
}

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

describe.skipIf(!thisProcessMayCapture())("what is not there", () => {
  it.each([
    ["an object", { object: "nonsense" }, "no BPF object is called nonsense"],
    ["a map", { sizes: { nonsense: 1 } }, "map nonsense"],
    ["a ring", { ring: { map: "nonsense", recordBytes: 8 } }, "map nonsense"],
    ["a constant", { constants: { nonsense: 1n } }, "constant nonsense"],
    ["an iterator", { iterators: { nonsense: { map: null, recordBytes: 8 } } }, "program nonsense"],
  ])("is named: %s", (_, spec, message) => {
    expect(() => openSpec(spec)).toThrow(message);
  });

  it("is no variable of the object", () => {
    const source = openSpec({ variables: { nonsense: 4, walks: 4 } });
    expect([source.has("nonsense"), source.has("walks")]).toEqual([false, true]);
    expect(() => source.read("nonsense")).toThrow(RangeError);
    expect(() => source.write("nonsense", 1n)).toThrow(RangeError);
    expect(() => source.has("else")).toThrow(RangeError);
  });
});

describe.skipIf(!thisProcessMayCapture())("a variable", () => {
  it("is shared with the programs, and takes what it has room for", () => {
    const source = openSpec({});
    expect([...source.read("walks")]).toEqual([0, 0, 0, 0]);
    source.write("walks", 0xffff_ffffn);
    expect([...source.read("walks")]).toEqual([255, 255, 255, 255]);
    source.write("report_all", 255n);
    expect([...source.read("report_all")]).toEqual([255]);
    expect(() => source.write("walks", 1n << 32n)).toThrow(RangeError);
    expect(() => source.write("report_all", 256n)).toThrow(RangeError);
    expect(() => source.write("losses", 1n)).toThrow(RangeError);
    expect([...source.read("losses")]).toEqual(new Array(LOSSES.size).fill(0));
  });
});

describe.skipIf(!thisProcessMayCapture())("a source", () => {
  it("says why each backend that was tried could not be used", () => {
    const { stepDowns, backend } = startPrograms();
    const preference = ["fentry", "kprobe", "tracepoint"];
    const reasons = stepDowns.map((step) => step.backend);
    // On a kernel that may preempt its tasks the order is turned round, and fentry is said to come last.
    const isTurned = stepDowns.some(({ reason }) => reason.startsWith("used last"));
    const tried = isTurned ? preference.reverse() : preference;
    const before = tried.slice(0, tried.indexOf(backend));
    expect(reasons.slice(0, before.length)).toEqual(before);
    if (isTurned) expect(reasons).toContain("fentry");
    for (const { reason } of stepDowns) expect(reason).toMatch(/^[^\n]+$/);
  });

  it("delivers a connection's bytes, totals and owner", async () => {
    const source = start();
    await source.walk(OWNERS);
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
    for (let bytes = source.drain(batch); bytes > 0; bytes = source.drain(batch)) {
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
    expect([...source.read("losses")]).toEqual(new Array(LOSSES.size).fill(0));
  });

  it("cuts a drain at the size of the array and goes on with the next call", async () => {
    const source = start();
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
    let bytes = source.drain(one);
    for (; bytes === RECORD.size; bytes = source.drain(one)) calls++;
    expect(calls).toBeGreaterThanOrEqual(12);
    expect(bytes).toBe(0);
  });

  it("finds who holds a socket", async () => {
    const source = start();
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const bytes = await source.walk(OWNERS);
    expect(bytes.byteLength % OWNER.size).toBe(0);
    expect([...decodeOwners(bytes).values()].map((owner) => owner.pid)).toContain(process.pid);
    server.close();
  });

  it("iterates in as many calls as the array needs, and ends each pass with 0", () => {
    const source = start();
    const batch = new Uint8Array(RECORD.size);
    for (const program of [SWEEP_TCP, SWEEP_UDP, SWEEP_TCP]) {
      let calls = 0;
      while (source.iterate(program, batch) > 0) expect(++calls).toBeLessThan(10_000);
    }
    expect(() => source.iterate("nonsense", batch)).toThrow(RangeError);
  });

  it("reports a connection that does not move in a sweep of all, and only there", async () => {
    const source = start();
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const client = createConnection(address.port, "127.0.0.1");
    await Promise.all([once(client, "connect"), once(server, "connection")]);
    const batch = new Uint8Array(RECORD.size * 64);
    const portsBy = (all: bigint): number[] => {
      const ports: number[] = [];
      source.write("report_all", all);
      const read = () => source.iterate(SWEEP_TCP, batch);
      for (let bytes = read(); bytes > 0; bytes = read()) {
        decodeRecords(batch.subarray(0, bytes), ({ localPort, remotePort }) =>
          ports.push(localPort, remotePort),
        );
      }
      return ports.filter((port) => port === address.port);
    };
    // Names an owner, which a sweep then reports: once.
    await source.walk(OWNERS);
    for (let sweeps = 0; portsBy(0n).length > 0; sweeps++) expect(sweeps).toBeLessThan(100);
    expect(portsBy(1n)).toHaveLength(2);
    expect(portsBy(0n)).toEqual([]);
    client.destroy();
    server.close();
    await once(server, "close");
  });

  it("refuses to write into anything but a large enough Uint8Array", () => {
    const source = start();
    for (const [method, before] of [
      ["drain", []],
      ["iterate", [SWEEP_TCP]],
    ] as const) {
      const call = (...args: unknown[]) => Reflect.apply(source[method], source, [...before, ...args]);
      expect(() => call()).toThrow(TypeError);
      expect(() => call(new Float64Array(1000))).toThrow(TypeError);
      expect(() => call(new Uint8Array(RECORD.size - 1))).toThrow(RangeError);
    }
  });

  it("can be closed twice, and says so when it is used afterwards", () => {
    const source = start();
    source.close();
    source.close();
    const batch = new Uint8Array(RECORD.size);
    for (const use of [
      () => source.drain(batch),
      () => source.iterate(SWEEP_TCP, batch),
      () => source.walk(OWNERS),
      () => source.has("walks"),
      () => source.read("walks"),
      () => source.write("walks", 1n),
      () => source.skipped("consume"),
      () => source.leftOut,
    ]) {
      expect(codeOf(use)).toBe("CLOSED");
    }
  });

  it("can be closed while it reads owners and in the middle of a sweep", async () => {
    const source = start();
    const owners = Array.from({ length: 8 }, () => source.walk(OWNERS));
    source.iterate(SWEEP_TCP, new Uint8Array(RECORD.size));
    source.close();
    for (const bytes of await Promise.all(owners)) expect(bytes.byteLength % OWNER.size).toBe(0);
    expect(codeOf(() => source.walk(OWNERS))).toBe("CLOSED");
  });

  it("can be opened many times in one process, each with records of its own", async () => {
    const programs = [startPrograms(), startPrograms(), startPrograms()];
    expect(new Set(programs.map(({ backend }) => backend)).size).toBe(1);
    const server = createServer((socket) => socket.end("hello")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = createConnection((server.address() as AddressInfo).port, "127.0.0.1");
    client.resume();
    await once(client, "close");
    server.close();
    await once(server, "close");
    const batch = new Uint8Array(RECORD.size * 64);
    for (const { source } of programs) expect(source.drain(batch)).toBeGreaterThanOrEqual(4 * RECORD.size);
  });
});
