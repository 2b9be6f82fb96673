/** The recording that comes with the program: still readable, whole, and of nobody. */
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Replay } from "../../src/app/replay.ts";
import { streamFeed } from "../../src/app/run.ts";
import { parseAddressRange } from "../../src/base/address.ts";
import { openRecordingSource } from "../../src/recording/files.ts";
import { RecordingReader } from "../../src/recording/reader.ts";
import { flowLens, jsonStream } from "../support/lenses.ts";
import { FakeWorld, outcomeOf } from "../support/world.ts";

const DEMO = fileURLToPath(new URL("../../demo/demo.tcptop", import.meta.url));
const MOST_BYTES = 300_000;
const SECONDS = 185;

/** RFC 5737, RFC 3849, and the machine itself. */
const NOBODYS = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "127.0.0.0/8"].map(
  parseAddressRange,
);
const NAMES = [
  ...[
    "nginx",
    "gunicorn",
    "postgres",
    "redis-server",
    "sshd",
    "node_exporter",
    "openvpn",
    "unbound",
    "chronyd",
  ],
  ...["curl", "rsync", "msmtp"],
];

type Line = Readonly<Record<string, unknown>>;

/** All of it as JSON, however long it lasts. */
async function replayed(): Promise<{ lines: readonly Line[]; warning: string }> {
  const world = new FakeWorld();
  const reader = await RecordingReader.open(openRecordingSource(DEMO, Readable.from([])), "demo");
  const how = { name: "demo", speed: 1000, iterations: null, lenses: [flowLens()], staysAtEnd: false };
  const ended = streamFeed(world, { stream: jsonStream() }, () => new Replay(world, how, reader));
  for (let second = 0; second < SECONDS + 10; second++) await world.advance(1);
  expect(outcomeOf(await ended)).toBe(true);
  return { lines: world.stdout.objects, warning: world.stderr.text };
}

test("it replays from its first refresh to its last, and nothing was lost", async () => {
  const { lines, warning } = await replayed();
  expect(warning).toBe("");
  expect(lines.filter(({ event }) => event === "summary")).toHaveLength(SECONDS);
  const ends = [lines[0], lines.at(-1)].map((line) => JSON.stringify(line, null, 2));
  await expect(`${ends.join("\n")}\n`).toMatchFileSnapshot("demo.txt");
});

test("it shows what there is to show: both protocols and families, short and long, owners, delays, retransmits", async () => {
  const { lines } = await replayed();
  const rows = lines.filter(({ event }) => event === "open" || event === "update" || event === "close");
  const of = (key: string) => new Set(rows.map((row) => row[key]));
  expect(of("event")).toEqual(new Set(["open", "update", "close"]));
  expect([...of("process")].filter((name) => name !== null).sort()).toEqual([...NAMES].sort());
  expect([...of("state")]).toEqual(expect.arrayContaining([null, "ESTABLISHED", "SYN_SENT", "CLOSE"]));
  expect(rows.some((row) => Number(row["retransmits"]) > 5)).toBe(true);
  expect(rows.some((row) => Number(row["rtt_us"]) > 30_000)).toBe(true);
  expect(rows.filter(({ event }) => event === "close").length).toBeGreaterThan(150);
});

test("it has nothing of the machine that made it", async () => {
  const { lines } = await replayed();
  for (const line of lines) {
    for (const address of [line["local_address"], line["remote_address"]]) {
      if (address !== undefined) expect(NOBODYS.some((range) => range?.contains(String(address)))).toBe(true);
    }
    if (line["uid"] != null)
      expect([0, 33, 34, 102, 103, 104, 105, 106, 1000, 1001, 65534]).toContain(line["uid"]);
  }
  const bytes = readFileSync(DEMO);
  expect(bytes.length).toBeLessThan(MOST_BYTES);
});
