import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { Clock } from "../../../../../src/base/clock.ts";
import { procWorld } from "../../../../../src/base/proc-world.ts";
import type { Owner } from "../../../../../src/lenses/flows/connection.ts";
import { readSeed } from "../../../../../src/lenses/flows/seed/seed.ts";
import { fakeProc, statOf, type Tree } from "../../../../support/fake-proc.ts";

const HOST = 4_026_531_840;
const CONTAINER = 4_026_532_200;
const HEADER =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

const clock: Clock = { monotonicNs: () => 0, wallMs: () => 0 };
const seedOf = (tree: Tree, owners: ReadonlyMap<number, Owner> | null = null) =>
  readSeed(fakeProc(tree), owners, clock);

/** A line of an established connection from 127.0.0.1:`port` to 127.0.0.2:80. */
const line = (port: number, inode: number, state = "01"): string =>
  `   0: 0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 0200007F:0050 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;

const process = (
  pid: number,
  netns: number,
  name = `process-${pid}\n`,
  inodes: readonly number[] = [],
): Tree => ({
  [`${pid}/ns/net`]: { link: `net:[${netns}]` },
  [`${pid}/comm`]: name,
  [`${pid}/status`]: `Name:\tx\nUid:\t${1000 + pid}\t0\t0\t0\n`,
  [`${pid}/fd/0`]: { link: "/dev/null" },
  ...Object.fromEntries(inodes.map((inode, i) => [`${pid}/fd/${i + 1}`, { link: `socket:[${inode}]` }])),
});

const tables = (process: string | number, text: string): Tree => ({
  [`${process}/net/tcp`]: HEADER + text,
  [`${process}/net/tcp6`]: HEADER,
  [`${process}/net/udp`]: HEADER,
  [`${process}/net/udp6`]: HEADER,
});

const self: Tree = { "self/ns/net": { link: `net:[${HOST}]` } };

describe("namespaces", () => {
  test("each one is read once, through one of its processes, tcptop's own through itself", async () => {
    const world = fakeProc({
      ...self,
      ...tables("self", line(1000, 11)),
      ...process(10, HOST),
      ...process(20, CONTAINER),
      ...tables(20, line(1000, 22)),
      ...process(30, CONTAINER),
      ...tables(30, line(1000, 22)),
    });
    const { entries, linesSkipped } = await readSeed(world, new Map(), clock);
    expect(entries.map(({ netns, inode, owner }) => [netns, inode, owner])).toEqual([
      [HOST, 11, null],
      [CONTAINER, 22, null],
    ]);
    expect(linesSkipped).toBe(0);
    expect(world.log.filter((access) => access.startsWith("read "))).toEqual(
      ["self", "20"].flatMap((name) =>
        ["tcp", "tcp6", "udp", "udp6"].map((table) => `read ${name}/net/${table}`),
      ),
    );
  });

  test("a table that does not exist is empty", async () => {
    const { entries } = await seedOf({ ...self, "self/net/tcp": HEADER + line(1, 5) }, new Map());
    expect(entries.map(({ localPort }) => localPort)).toEqual([1]);
  });

  test("another process steps in for one that ends while it is read, without repeated rows", async () => {
    const tree: Tree = {
      ...process(20, CONTAINER),
      ...tables(20, line(1, 1) + line(2, 2)),
      ...process(30, CONTAINER),
      ...tables(30, line(1, 1) + line(2, 2)),
    };
    const end = (): void => {
      for (const path of Object.keys(tree)) if (path.startsWith("20/")) delete tree[path];
    };
    const world = fakeProc(tree, (path) => {
      if (path === "20/net/tcp") queueMicrotask(end);
    });
    // The end comes when the reader lets other work through, which this clock makes it do after each piece.
    let nowNs = 0;
    const jumping: Clock = { monotonicNs: () => (nowNs += 1e9), wallMs: () => 0 };
    const { entries } = await readSeed(world, new Map(), jumping);
    expect(entries.map(({ localPort }) => localPort)).toEqual([1, 2]);
    expect(world.log).toContain("read 20/net/tcp");
    expect(world.log).toContain("read 30/net/tcp");
  });

  test("a process number that is used again in another namespace does not bring that one's sockets", async () => {
    const tree: Tree = { ...process(20, CONTAINER), ...tables(20, line(1, 1)) };
    const world = fakeProc(tree, (path) => {
      if (path === "20/net/tcp") tree["20/ns/net"] = { link: `net:[${HOST}]` };
    });
    expect((await readSeed(world, new Map(), clock)).entries).toEqual([]);
  });

  test.each(["net:[x]", "net:[99999999999]", "mnt:[4026531840]", "net:[1]\n", ""])(
    "the link %j names none",
    async (link) => {
      expect((await seedOf({ "self/ns/net": { link }, ...tables("self", line(1, 1)) })).entries).toEqual([]);
    },
  );

  test("skipped lines of all tables add up", async () => {
    const tree = { ...self, ...tables("self", `x\n${line(1, 1)}y\n`), "self/net/udp6": "cut off" };
    const { entries, linesSkipped } = await seedOf(tree);
    expect([entries.length, linesSkipped]).toEqual([1, 3]);
  });
});

describe("owners", () => {
  const sockets = { ...self, ...tables("self", line(1, 11) + line(2, 12) + line(3, 0, "06") + line(4, 14)) };
  const ownersOf = async (tree: Tree, owners: ReadonlyMap<number, Owner> | null = null) =>
    (await seedOf({ ...sockets, ...tree }, owners)).entries.map(({ owner }) => owner);

  test("as the kernel side tells, then no process is looked at", async () => {
    const sshd: Owner = { pid: 7, process: "sshd", uid: 0, cgroupId: 5n, startNs: null };
    const world = fakeProc({ ...sockets, ...process(9, HOST, "other\n", [11, 12]) });
    const { entries } = await readSeed(world, new Map([[12, sshd]]), clock);
    expect(entries.map(({ owner }) => owner)).toEqual([null, sshd, null, null]);
    expect(world.log.filter((access) => access.includes("/fd"))).toEqual([]);
  });

  test("else by the files of all processes; a shared socket goes to the lowest pid", async () => {
    const tree = {
      ...process(300, HOST, "late\n", [11, 14]),
      ...process(9, HOST, "first\n", [99, 11]),
      "9/stat": statOf(500),
      ...process(40, HOST, "x\n", [11]),
    };
    expect(await ownersOf(tree)).toEqual([
      { pid: 9, process: "first", uid: 1009, cgroupId: null, startNs: 5e9 },
      null,
      null,
      { pid: 300, process: "late", uid: 1300, cgroupId: null, startNs: null },
    ]);
  });

  test("the search ends once every socket has one", async () => {
    const world = fakeProc({
      ...sockets,
      ...process(9, HOST, "a\n", [11, 12, 14]),
      ...process(10, HOST, "b\n", [11]),
    });
    await readSeed(world, null, clock);
    expect(world.log).not.toContain("list 10/fd");
  });

  test.each([
    [
      "a newline, escape sequences and a wrong encoding",
      Buffer.from("a\n\x1b[2Jb\xff\n", "latin1"),
      "a\n\x1b[2Jb\ufffd",
    ],
    ["no newline", "bare", "bare"],
    ["a NUL", "front\0back\n", "front"],
    ["more than 64 bytes", `${"n".repeat(99)}\n`, "n".repeat(64)],
    ["nothing but a newline", "\n", ""],
  ])("a name with %s", async (_, comm, name) => {
    const tree = { ...process(9, HOST, "", [11]), "9/comm": comm };
    expect((await ownersOf(tree))[0]).toMatchObject({ pid: 9, process: name });
  });

  test.each(["", "Uid:\t", "Uid:\tx\t", "Uid:\t4294967296\t0", "Name:\tUid:\t5\t"])(
    "status %j tells no user",
    async (status) => {
      const tree = { ...process(9, HOST, "a\n", [11]), "9/status": status };
      expect((await ownersOf(tree))[0]).toEqual({
        pid: 9,
        process: "a",
        uid: null,
        cgroupId: null,
        startNs: null,
      });
    },
  );

  test("a name with a carriage return tells no user of its own", async () => {
    const tree = {
      ...process(9, HOST, "a\n", [11]),
      "9/status": "Name:\tx\rUid:\t0\t\nUid:\t1009\t0\t0\t0\n",
    };
    expect((await ownersOf(tree))[0]).toMatchObject({ uid: 1009 });
  });

  test.each(["ENOENT", "ESRCH", "EACCES", "EPERM"])("%s anywhere is no error", async (error) => {
    const next = process(50, HOST, "next\n", [11]);
    for (const path of ["9/ns/net", "9/fd", "9/fd/1", "9/comm"]) {
      const tree = { ...process(9, HOST, "gone\n", [11]), ...next, [path]: { error } };
      const [owner] = await ownersOf(tree);
      expect([path, owner?.pid]).toEqual([path, path === "9/ns/net" ? 9 : 50]);
    }
    expect((await ownersOf({ ...process(9, HOST, "a\n", [11]), "9/status": { error } }))[0]).toMatchObject({
      uid: null,
    });
  });

  test.each(["EIO", "ENOMEM", "EMFILE"])(
    "%s ends nothing, and is told where it hides sockets",
    async (error) => {
      const tree = { ...process(9, HOST, "a\n", [11]), ...process(50, HOST, "next\n", [11]) };
      expect((await ownersOf({ ...tree, "9/fd": { error } }))[0]).toMatchObject({ pid: 50 });
      expect((await seedOf({ ...self, "self/net/tcp": { error } })).linesSkipped).toBe(1);
    },
  );

  test("an error that is no system error is one", async () => {
    const error = "ERR_INVALID_STATE";
    await expect(ownersOf({ ...process(9, HOST, "a\n", [11]), "9/fd": { error } })).rejects.toThrow(error);
    await expect(seedOf({ ...self, "self/net/tcp": { error } })).rejects.toThrow(error);
  });

  test("links that are no socket of ours are passed over", async () => {
    const tree: Tree = process(9, HOST, "a\n", []);
    [
      "socket:[11",
      "socket:[-11]",
      "socket:[11]x",
      "pipe:[11]",
      "socket:[99999999999999999]",
      "/socket:[11]",
    ].forEach((link, i) => {
      tree[`9/fd/${i + 1}`] = { link };
    });
    expect(await ownersOf(tree)).toEqual([null, null, null, null]);
  });
});

test("other work is let through whenever a slice is over", async () => {
  let nowNs = 0;
  const ticking: Clock = { monotonicNs: () => (nowNs += 1e6), wallMs: () => 0 };
  const text = Array.from({ length: 2000 }, (_, i) => line(1 + i, 1 + i)).join("");
  const inodes = Array.from({ length: 2000 }, (_, i) => 1 + i);
  const world = fakeProc(
    { ...self, ...tables("self", text), ...process(9, HOST, "a\n", inodes) },
    undefined,
    1000,
  );
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const { entries } = await readSeed(world, null, ticking);
  isDone = true;
  expect(entries.every(({ owner }) => owner?.pid === 9)).toBe(true);
  // One look at the clock per piece of text, per 32 links and twice per 256 sockets; every eighth look is a pause.
  const looks =
    Math.ceil((HEADER.length + text.length) / 1000) + Math.floor(2001 / 32) + 2 * Math.floor(2000 / 256);
  expect(turns).toBeGreaterThanOrEqual(Math.floor(looks / 9));
});

test("whatever /proc says, nothing throws and every line is accounted for", async () => {
  const text = fc.array(fc.oneof(fc.string({ maxLength: 40 }), fc.constant(line(1, 11).trimEnd())), {
    maxLength: 6,
  });
  const link = fc
    .oneof(fc.string(), fc.constantFrom("socket:[11]", `net:[${HOST}]`, "net:[]", "socket:[]"))
    .map((to) => ({ link: to }));
  const node = fc.oneof(fc.string(), link, fc.constant({ error: "ENOENT" }));
  const tree = fc.record({
    "self/net/tcp": text,
    "7/ns/net": node,
    "7/fd/1": node,
    "7/comm": node,
    "7/status": node,
    "8x/fd": node,
    "0/fd": node,
  });
  await fc.assert(
    fc.asyncProperty(tree, async ({ "self/net/tcp": tcp, ...rest }) => {
      const content = tcp.map((one) => `${one.replaceAll("\n", "")}\n`).join("");
      const { entries, linesSkipped } = await seedOf({ ...self, ...rest, "self/net/tcp": content });
      expect(entries.length + linesSkipped).toBe(tcp.length);
    }),
  );
});

describe("procWorld", () => {
  const roots: string[] = [];
  afterEach(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true });
  });

  test("reads files in pieces, lists directories and reads links", () => {
    const root = mkdtempSync(join(tmpdir(), "tcptop-proc-"));
    roots.push(root);
    const content = "0123456789".repeat(4000);
    mkdirSync(join(root, "7/fd"), { recursive: true });
    writeFileSync(join(root, "7/comm"), content);
    for (let i = 0; i < 1000; i++) symlinkSync(`socket:[${i}]`, join(root, `7/fd/${i}`));
    const world = procWorld(root);
    let text = "";
    for (const chunk of world.readChunks("7/comm")) text += Buffer.from(chunk).toString();
    expect(text).toBe(content);
    expect([...world.list("7/fd")].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 1000 }, (_, i) => `${i}`),
    );
    expect(world.readLink("7/fd/42")).toBe("socket:[42]");
    expect(() => [...world.list("8")]).toThrow("ENOENT");
    expect(() => world.readLink("7/comm")).toThrow("EINVAL");
  });
});

describe("connections that wait in a backlog", () => {
  const socketLine = (
    local: string,
    port: number,
    remotePort: number,
    state: string,
    inode: number,
  ): string =>
    `   0: ${local}:${hex(port)} 0200007F:${hex(remotePort)} ${state} 00000000:00000000 00:00000000 00000000  0        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
  const [LOOPBACK, ANY] = ["0100007F", "00000000"];
  const ownersOf = async (tree: Tree, owners: ReadonlyMap<number, Owner>) => {
    const { entries } = await seedOf({ ...self, ...tree }, owners);
    return entries.filter(({ remotePort }) => remotePort !== 0).map(({ owner }) => owner?.process ?? null);
  };
  const owner = (process: string): Owner => ({ pid: 1, process, uid: 0, cgroupId: null, startNs: null });

  test("have the owner of the listener of their address, else of any address", async () => {
    const text =
      socketLine(LOOPBACK, 80, 0, "0A", 1) +
      socketLine(ANY, 80, 0, "0A", 2) +
      socketLine(ANY, 81, 0, "0A", 3) +
      socketLine(LOOPBACK, 80, 1000, "01", 0) +
      socketLine("0300007F", 80, 1001, "08", 0) +
      socketLine(LOOPBACK, 81, 1002, "01", 0) +
      socketLine(LOOPBACK, 82, 1003, "01", 0);
    const owners = new Map([
      [1, owner("exact")],
      [2, owner("any")],
      [3, owner("other")],
    ]);
    expect(await ownersOf(tables("self", text), owners)).toEqual(["exact", "any", "other", null]);
  });

  test("an orphan, one with a file and one of another namespace are not the listener's", async () => {
    const text =
      socketLine(ANY, 80, 0, "0A", 2) +
      socketLine(LOOPBACK, 80, 1000, "04", 0) +
      socketLine(LOOPBACK, 80, 1001, "09", 0) +
      socketLine(LOOPBACK, 80, 1002, "01", 9);
    const other = {
      ...process(20, CONTAINER),
      ...tables(20, socketLine(LOOPBACK, 80, 1003, "01", 0)),
    };
    const owners = new Map([[2, owner("any")]]);
    expect(await ownersOf({ ...tables("self", text), ...other }, owners)).toEqual([null, null, null, null]);
  });

  test("an IPv6 listener of any address takes IPv4 too", async () => {
    const listener = `   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1 0 100 0 0 10 0\n`;
    const tree = {
      ...tables("self", socketLine(LOOPBACK, 80, 1000, "01", 0)),
      "self/net/tcp6": HEADER + listener,
    };
    expect(await ownersOf(tree, new Map([[7, owner("six")]]))).toEqual(["six"]);
  });
});
