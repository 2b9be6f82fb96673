/** A lens that the program does not know runs in all of it once it is in the list of lenses. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Host, runCli } from "../../src/cli/cli.ts";
import { LENSES } from "../../src/lenses.ts";
import { machine } from "../support/machine.ts";
import { MemoryFile, memorySource } from "../support/recordings.ts";
import { curlRecord } from "../support/records.ts";
import { FakeScreen } from "../support/screen.ts";
import { bells } from "../support/toy-lens/lens.ts";
import type { BellSource } from "../support/toy-lens/parts.ts";
import { settle } from "../support/world.ts";

const WITH_BELLS = [...LENSES, bells];

/** Rings what is put into `rings`: a bell, and the one that it hangs under. */
class FakeBells implements BellSource {
  readonly backend = null;
  readonly stepDowns = [];
  readonly facts = { bells: 3 };
  readonly rings: (readonly [bell: number, under: number])[] = [];
  ringsLost = 0;
  isClosed = false;

  drain(): Uint8Array {
    return Uint8Array.from(this.rings.splice(0).flat());
  }

  close(): void {
    this.isClosed = true;
  }
}

function begun(host: Partial<Host>, ...args: string[]) {
  const it = machine();
  const source = new FakeBells();
  it.world.sources.set("bells", source);
  const outcome = runCli(args, { ...it.host, ...host }, WITH_BELLS);
  return { ...it, source, outcome };
}

/** A test's clock does not wait for a module that is loaded for the first time. */
beforeAll(() => Promise.all(WITH_BELLS.map((lens) => lens.load())));

let folder = "";
beforeEach(() => {
  vi.stubEnv("TZ", "UTC");
  folder = mkdtempSync(join(tmpdir(), "tcptop-bells-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Two refreshes: a connection, and three bells of which one rings twice; then one more ring. */
async function twoRefreshes(host: Partial<Host>, ...args: string[]) {
  const at = begun(host, "--bells", "-n", "2", ...args);
  await settle();
  at.world.capture.ring.push(curlRecord(1, { bytesIn: 1_200_000 }));
  at.source.rings.push([1, 0], [2, 1], [3, 2], [3, 2]);
  await at.world.advance(1000);
  at.source.rings.push([2, 1]);
  at.source.ringsLost = 4;
  await at.world.advance(1000);
  expect(await at.outcome).toEqual({ exitCode: 0, isFlushed: true });
  expect(at.source.isClosed).toBe(true);
  return at;
}

describe("a lens of its own", () => {
  test("has its events, its start and its summary in the stream of JSON, beside those of flows", async () => {
    const { world } = await twoRefreshes({}, "--format", "json");
    const lines = world.stdout.objects;
    expect(lines.map(({ event }) => event)).toEqual([
      ...["start", "open", "rang", "rang", "rang", "rang", "summary", "update", "rang", "summary"],
    ]);
    expect(lines[0]).toMatchObject({ backend: "fentry", max_tcp_flows: 65_536, bells: { metal: "bronze" } });
    const [first = ""] = world.stdout.text.split("\n").filter((line) => line.includes("rang"));
    expect(first).toBe('{"time":"2026-11-21T12:04:27.000Z","event":"rang","bell":1,"under":null,"rings":1}');
    expect(lines.filter(({ event }) => event === "rang").map(({ bell, rings }) => [bell, rings])).toEqual([
      ...[
        [1, 1],
        [2, 1],
        [3, 1],
        [3, 2],
        [2, 2],
      ],
    ]);
    expect(lines[6]).toMatchObject({ connections: 1, closes_lost: 0, bells: { rings: 4, rings_lost: 0 } });
    expect(lines[9]).toMatchObject({ connections: 1, bells: { rings: 5, rings_lost: 4 } });
  });

  test("has its options in the help, under a heading of its own", async () => {
    const { world, outcome } = begun({}, "--help");
    expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
    expect(world.stdout.text).toContain("\n\nBells:\n  --bells                   bells too\n\nRecordings:\n");
  });

  test("has its lines and its losses in the stream for people", async () => {
    const { world } = await twoRefreshes({});
    const lines = world.stdout.text.split("\n").filter((line) => /bell|not heard/.test(line));
    expect(lines).toEqual([
      "bell 1 rang, 1 times now",
      "bell 2 rang, 1 times now",
      "bell 3 rang, 1 times now",
      "bell 3 rang, 2 times now",
      "bell 2 rang, 2 times now",
      "# 12:04:28 incomplete: 4 rings not heard",
    ]);
  });

  test("has a log of its own, and no place in the stream of CSV, which has one table", async () => {
    const [flows, log] = [join(folder, "flows.csv"), join(folder, "bells.csv")];
    const { world } = await twoRefreshes({}, "--format", "csv", "--log", flows, "--log", `bells=${log}`);
    expect(readFileSync(log, "utf8")).toBe(
      "time,event,bell,under,rings\n" +
        "2026-11-21T12:04:27.000Z,rang,1,,1\n2026-11-21T12:04:27.000Z,rang,2,1,1\n" +
        "2026-11-21T12:04:27.000Z,rang,3,2,1\n2026-11-21T12:04:27.000Z,rang,3,2,2\n" +
        "2026-11-21T12:04:28.000Z,rang,2,1,2\n",
    );
    expect(readFileSync(flows, "utf8")).toBe(world.stdout.text);
    expect(world.stdout.text).toMatch(
      /^time,event,proto,.*\n[^\n]*,open,tcp,[^\n]*\n[^\n]*,update,tcp,[^\n]*\n$/,
    );
  });

  test("has its view on the screen: a tree that is open until it is folded", async () => {
    const at = machine();
    const source = new FakeBells();
    at.world.sources.set("bells", source);
    const screen = new FakeScreen();
    const host = { ...at.host, openScreen: async () => screen };
    const outcome = runCli(["--bells"], host, WITH_BELLS);
    await settle();
    source.rings.push([1, 0], [2, 1], [3, 2], [4, 0]);
    source.ringsLost = 1;
    await at.world.advance(1000);
    screen.type("v", "v", "v");
    const rows = () => screen.lines.slice(1, -1).filter((line) => line !== "");
    expect(rows()).toEqual([
      ...[" 4 rings", " 1 ring not heard", "  BELL▲    RINGS"],
      ...["▾ 1        1", "▾   2      1", "      3    1", "  4        1"],
    ]);
    expect(screen.lines.at(-1)).toMatch(/^ 4 bells {2}sort BELL▲ /);
    const press = (...names: string[]) =>
      screen.type(...names.map((name) => ({ kind: "key", name }) as const));
    const tree = () => rows().slice(3);
    press("down", "down", "down", "left");
    expect([tree().length, screen.frames.at(-1)?.lines.findIndex(({ reversed }) => reversed)]).toEqual([
      4, 6,
    ]);
    press("left");
    expect(tree()).toEqual(["▾ 1        1", "▸   2      1", "  4        1"]);
    press("left", "left");
    expect(tree()).toEqual(["▸ 1        1", "  4        1"]);
    press("right");
    expect(tree()).toEqual(["▾ 1        1", "▸   2      1", "  4        1"]);
    press("enter");
    expect(screen.lines[0]).toBe(" bell 1, 1 rings");
    press("escape");
    screen.type("I");
    expect(tree()).toEqual(["  4        1", "▾ 1        1", "▸   2      1"]);
    screen.type("/4");
    expect(tree()).toEqual(["  4        1"]);
    press("escape");
    screen.type("?");
    expect(screen.lines.join("\n")).toContain("connections, processes, remote hosts, bells");
    screen.type("q");
    expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
  });

  test("is recorded, and a replay shows the same; without the lens, all but its own", async () => {
    const file = new MemoryFile();
    const { world } = await twoRefreshes(
      { createRecording: () => file },
      "--format",
      "json",
      "--record",
      "x",
    );
    const replayed = async (lenses: typeof WITH_BELLS, ...args: string[]) => {
      const it = machine();
      const host = { ...it.host, openRecording: () => memorySource(file.bytes) };
      const outcome = runCli(["--replay", "x", "--format", "json", ...args], host, lenses);
      for (let second = 0; second < 4; second++) await it.world.advance(1000);
      expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
      return [it.world.stdout.text, it.world.stderr.text];
    };
    expect(await replayed(WITH_BELLS, "--bells")).toEqual([world.stdout.text, ""]);
    const lines = world.stdout.text.split("\n").filter((line) => !line.includes('"rang"'));
    const withoutBells = lines.map((line) => line.replace(/,"bells":{[^}]*}/, "")).join("\n");
    expect(await replayed([...LENSES])).toEqual([
      withoutBells,
      "warning: the recording has what this tcptop does not know, and leaves out: bells\n",
    ]);
  });

  test("is not even loaded where it is off, and its log is refused", async () => {
    let loads = 0;
    const counted = {
      ...bells,
      load: () => {
        loads++;
        return bells.load();
      },
    };
    const off = machine();
    const outcome = runCli(["-n", "1", "--format", "json"], off.host, [...LENSES, counted]);
    await off.world.advance(1000);
    expect(await outcome).toEqual({ exitCode: 0, isFlushed: true });
    expect(off.world.stdout.text).not.toContain("bells");
    const refused = machine();
    const log = `bells=${join(folder, "bells.csv")}`;
    expect(await runCli(["--log", log], refused.host, [...LENSES, counted])).toMatchObject({ exitCode: 64 });
    expect(refused.world.stderr.text).toBe(`error: --log ${log}: bells are not captured\n`);
    expect([loads, readdirSync(folder)]).toEqual([0, []]);
  });
});

describe("the files that a lens touches", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const read = (path: string) => readFileSync(join(root, path), "utf8");

  test("are named in the architecture: its folders, the list of lenses and that of the objects", () => {
    const [, section = ""] = /## A new lens\n([\s\S]*?)\n## /.exec(read("docs/ARCHITECTURE.md")) ?? [];
    const [steps = ""] = section.split("No other file changes.");
    const paths = [...steps.matchAll(/`([\w/.-]*\/[\w/.-]*|CMakeLists\.txt)`/g)].map(([, path]) => path);
    const contracts = paths.filter((path) => path?.startsWith("core/"));
    expect(contracts.every((path) => path !== undefined && existsSync(join(root, "src", path)))).toBe(true);
    expect(paths.filter((path) => !contracts.includes(path))).toEqual([
      ...["bpf/NAME/", "CMakeLists.txt", "src/lenses/NAME/lens.ts", "src/lenses/NAME/parts.ts"],
      ...["src/lenses.ts", "test/unit/lenses/NAME/"],
    ]);
  });

  test("are no others: nothing but the list names a lens, but for the files that are older than the list", () => {
    const names = LENSES.map(({ id }) => id).join("|");
    const naming = new RegExp(`lenses/(${names})/|["'\`](${names})["'\`]`);
    const outside = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter(
      (path) => path.endsWith(".ts") && !path.startsWith("lenses/") && naming.test(read(`src/${path}`)),
    );
    // Files of format 1 do not say what they are of.
    expect(outside.sort()).toEqual(["lenses.ts", "recording/header.ts"]);
  });

  test("import nothing of the program but `base` and `core`", () => {
    const folder = "test/support/toy-lens";
    for (const name of readdirSync(join(root, folder))) {
      for (const [, target = ""] of read(join(folder, name)).matchAll(/from "([^"]+)"/g)) {
        expect([name, target]).toEqual([
          name,
          expect.stringMatching(/^node:|^\.\/|^\.\.\/\.\.\/\.\.\/src\/(base|core)\//),
        ]);
      }
    }
  });
});
