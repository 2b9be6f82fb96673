/** A /proc that lies, vanishes and never ends: what is read of it is bounded, and no process can speak for another. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ProcWorld } from "../../../src/base/proc-world.ts";
import type { SeedEntry } from "../../../src/lenses/flows/record.ts";
import { readSeed } from "../../../src/lenses/flows/seed/seed.ts";
import { readProcessFacts } from "../../../src/platform/linux/process-facts.ts";
import { statOf } from "../../support/fake-proc.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";

const VANISHED = ["ENOENT", "ESRCH", "EACCES", "EPERM", "ENOTDIR", "EINVAL"] as const;

/** What is asked of an endless file at most: its reader should have had enough long before. */
const ENDLESS_CHUNKS = 64;

const LINES = [
  "  sl  local_address rem_address   st\n",
  "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n",
  "   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0\n",
  "   2: 0100007F:C351 0100007F:1F90 07 00000000:00000000 00:00000000 00000000  1000        0 3 1 0\n",
  "   3: 0100007F:C352 0100007F:1F90 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0\n",
];

const CGROUPS = [
  "0::/user.slice\n",
  "1:name=systemd:/a\n",
  "0::/\n",
  "12:cpu,cpuacct:/b:c\n",
  "0::/x\r0::/y\n",
];
const NETNS_LINKS = ["net:[1]", "net:[1]", "net:[4026531840]", "net:[-1]"];
const FD_LINKS = [
  "socket:[1]",
  "socket:[2]",
  "socket:[3]",
  "/dev/null",
  "socket:[]",
  "socket:[99999999999999999]",
];
const NAMES = ["x", "x\rUid:\t0\t", "x\u2028Uid:\t0\t", "Uid:\t0\t", "\x1b[2J"];
const PIDS = ["1", "2", "3", "4194304", "self", "net", "-1", "0", "99999999999", "01", "..", "a\nb"];

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Of a kind that its reader knows; more often whole than not. */
function contentOf(choices: Choices, path: string): Buffer {
  // The kernel writes these two itself, and escapes newlines in a name alone.
  if (path.endsWith("comm")) return Buffer.from(`${choices.pick(NAMES)}\n`);
  if (path.endsWith("status")) {
    const name = choices.flag() ? choices.pick(NAMES) : choices.text(15).replaceAll("\n", "\\n");
    return Buffer.from(`Name:\t${name}\nUmask:\t0022\nUid:\t1000\t0\t0\t0\n`);
  }
  const parts = path.includes("/net/") ? LINES : path.endsWith("cgroup") ? CGROUPS : [""];
  let text = "";
  for (let left = choices.below(5); left > 0; left--) {
    text += choices.below(4) < 3 ? choices.pick(parts) : choices.text(64);
  }
  return Buffer.from(text);
}

/** Every access is a new choice: nothing has to be what it was a moment ago. */
function lyingProc(choices: Choices): ProcWorld {
  const mayVanish = (): void => {
    if (choices.byte() >= 0xf8) throw failure(choices.pick(VANISHED));
  };
  return {
    *readChunks(path) {
      mayVanish();
      const content = contentOf(choices, path);
      const chunk = new Uint8Array(choices.flag() ? 256 : 1 + choices.below(96));
      const isEndless = choices.byte() >= 0xf8;
      for (let at = 0, pieces = 0; at < content.length || isEndless; at += chunk.length) {
        mayVanish();
        assert.ok(++pieces <= ENDLESS_CHUNKS * 64 || path.includes("/net/"), `${path} is read without end`);
        // A table that never ends is read as long as it is one; the kernel's ends.
        if (pieces > ENDLESS_CHUNKS * 64) return;
        const piece = isEndless
          ? Buffer.alloc(chunk.length, content.length > 0 ? content : "x")
          : content.subarray(at, at + chunk.length);
        chunk.set(piece);
        yield chunk.subarray(0, piece.length);
      }
    },
    *list(path) {
      mayVanish();
      for (let left = 1 + choices.below(7); left > 0; left--) {
        mayVanish();
        yield choices.pick(path === "" ? PIDS : ["0", "1", "2"]);
      }
    },
    readLink(path) {
      mayVanish();
      if (choices.byte() >= 0xe0) return choices.text(64);
      return choices.pick(path.endsWith("ns/net") ? NETNS_LINKS : FD_LINKS);
    },
  };
}

function checkEntry(entry: SeedEntry): void {
  assert.ok(Number.isSafeInteger(entry.inode) && entry.inode >= 0);
  assert.ok(entry.netns >= 0 && entry.netns <= 0xffff_ffff);
  const { owner } = entry;
  if (owner === null) return;
  assert.ok(Number.isInteger(owner.pid) && owner.pid > 0);
  // The only user id that any status file here has.
  assert.ok(owner.uid === 1000 || owner.uid === null, `user id ${owner.uid}`);
  assert.ok(!owner.process.includes("\0"));
}

/** The path that cgroups(7) describes, by splitting lines. */
function cgroupOf(text: string): string | null {
  const lines = text.split("\n").flatMap((line) => {
    const match = /^(\d+):([^:]*):(.*)$/s.exec(line);
    return match === null ? [] : [{ hierarchy: match[1], path: match[3] ?? "" }];
  });
  const told = lines.filter(({ path }) => path !== "/" && path !== "");
  return (told.find(({ hierarchy }) => hierarchy === "0") ?? told[0] ?? lines[0])?.path ?? null;
}

function checkFacts(choices: Choices): void {
  const files = { cmdline: choices.bytes(choices.below(64)), cgroup: contentOf(choices, "cgroup") };
  const stat = Buffer.from(statOf(500, choices.text(15)));
  const world: ProcWorld = {
    *readChunks(path) {
      if (path === "self/timens_offsets") return;
      const content = path === "7/stat" ? stat : path === "7/cmdline" ? files.cmdline : files.cgroup;
      for (let at = 0; at < content.length; at += 7) yield content.subarray(at, at + 7);
    },
    list: () => [],
    readLink: () => "",
  };
  const commandLine = files.cmdline.toString().replace(/\0+$/, "").split("\0").join(" ");
  assert.deepEqual(readProcessFacts(world, { pid: 7, startNs: 5e9 }), {
    commandLine: commandLine === "" ? null : commandLine,
    cgroup: cgroupOf(files.cgroup.toString()),
  });
}

export const target: Target = {
  async run(input) {
    const choices = new Choices(input);
    checkFacts(choices);
    const facts = readProcessFacts(lyingProc(choices), { pid: 1, startNs: choices.count(2 ** 53) });
    for (const text of [facts?.commandLine, facts?.cgroup]) assert.ok((text?.length ?? 0) <= 4096);
    // A clock that stands still: no pauses.
    const clock = { monotonicNs: () => 0, wallMs: () => 0 };
    const seed = await readSeed(lyingProc(choices), null, clock);
    assert.ok(Number.isSafeInteger(seed.linesSkipped) && seed.linesSkipped >= 0);
    seed.entries.forEach(checkEntry);
  },
  maxBytes: 1024,
  dictionary: ["\r", "\n", "0::/", "\0", "Uid:\t0\t", "socket:[1]", "net:[1]"],
};
