/** What a capture delivers reaches the model and the recording, and both are the same. */
import { describe, expect, test } from "vitest";
import { HEAD } from "../../../../src/core/head.gen.ts";
import { FlowIntake } from "../../../../src/lenses/flows/intake.ts";
import { RECORD } from "../../../../src/lenses/flows/layout.gen.ts";
import type { Losses } from "../../../../src/lenses/flows/losses.ts";
import { FlowModel } from "../../../../src/lenses/flows/model/model.ts";
import type { FlowOperation } from "../../../../src/lenses/flows/operation.ts";
import { RecordKind, type Seed } from "../../../../src/lenses/flows/record.ts";
import type { Snapshot } from "../../../../src/lenses/flows/snapshot.ts";
import { encodeRecords, makeRecord, NO_LOSSES, seedEntry } from "../../../support/records.ts";
import { FakeWorld, settle } from "../../../support/world.ts";

const S = 1e9;
const OPTIONS = { udpIdleNs: 5 * S, startNs: 0 };
const LISTENER = seedEntry({ state: 10, remotePort: 0 });

type Recorded = FlowOperation | { readonly kind: "refresh"; readonly at: number; readonly losses: Losses };

/** Keeps copies: the bytes of records are valid during the call. */
class Notes {
  readonly list: Recorded[] = [];

  write(operation: FlowOperation): void {
    const { kind } = operation;
    this.list.push(kind === "records" ? { kind, bytes: operation.bytes.slice() } : operation);
  }

  refresh({ nowNs }: { nowNs: number }, losses: Losses): void {
    this.list.push({ kind: "refresh", at: nowNs, losses });
  }
}

function begun(all = false) {
  const world = new FakeWorld();
  const notes = new Notes();
  const intake = new FlowIntake(world.capture, notes, world.clock, { ...OPTIONS, all });
  return { world, notes, intake };
}

/** The first refresh, and each later one. */
async function begin(intake: FlowIntake, world: FakeWorld, seed: Seed): Promise<Snapshot> {
  world.capture.seeding = Promise.resolve(seed);
  await intake.seed();
  intake.begin();
  return refresh(intake, world);
}

function refresh(intake: FlowIntake, { clock }: FakeWorld): Snapshot {
  intake.collect();
  return intake.refresh({ nowNs: clock.monotonicNs(), wallMs: clock.wallMs() });
}

describe("a capture", () => {
  test("is recorded in the order in which it reaches the model", async () => {
    const { world, notes, intake } = begun(true);
    const seed = { entries: [seedEntry(), LISTENER], linesSkipped: 0 };
    world.capture.ring.push(makeRecord({ id: 9n, localPort: 9 }));
    await begin(intake, world, seed);
    await world.advance(1000);
    world.capture.moved.push(makeRecord({ id: 9n, localPort: 9, kind: RecordKind.totals, bytesIn: 5 }));
    refresh(intake, world);
    intake.turn("all", false);
    expect(notes.list.map(({ kind }) => kind)).toEqual([
      ...["seed", "sockets", "records", "refresh", "records", "refresh", "sockets"],
    ]);
  });

  test("is shown again by what was recorded", async () => {
    const { world, notes, intake } = begun(true);
    const shown: Snapshot[] = [];
    const missing = seedEntry({ localPort: 7, state: 2 });
    world.capture.listed = [seedEntry()];
    shown.push(await begin(intake, world, { entries: [seedEntry(), missing, LISTENER], linesSkipped: 0 }));
    for (let second = 1; second <= 8; second++) {
      await world.advance(1000);
      const timeNs = second * S;
      world.capture.ring.push(makeRecord({ id: BigInt(second), localPort: 100 + second, timeNs }));
      if (second === 5) world.capture.lossCounts = { ...NO_LOSSES, closesLost: 1 };
      intake.drain();
      world.capture.moved.push(makeRecord({ id: 1n, localPort: 101, bytesOut: second, timeNs }));
      shown.push(refresh(intake, world));
      intake.readAhead();
      await settle();
    }
    const kinds = new Set(notes.list.map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(["records", "refresh", "seed", "silent", "sockets", "unmet"]);
    const model = new FlowModel(OPTIONS);
    const replayed = notes.list.flatMap((recorded) => {
      if (recorded.kind === "refresh") return [model.refresh(recorded.at, recorded.losses)];
      model.apply(recorded);
      return [];
    });
    expect(replayed).toHaveLength(9);
    expect(replayed.map(plain)).toEqual(shown.map(plain));
  });

  test("counts records that it does not understand, and the recording has the count", async () => {
    const { world, notes, intake } = begun();
    const bytes = encodeRecords({ id: 1n }, { id: 2n, localPort: 2 }, { id: 3n, localPort: 3 });
    bytes[HEAD.lens] = 250;
    const swept = encodeRecords({ id: 4n, localPort: 4 }, { id: 5n, localPort: 5 });
    swept[RECORD.size + HEAD.kind] = 0;
    world.capture.drain = (take) => take(bytes);
    world.capture.sweep = (take) => take(swept);
    world.capture.lossCounts = { ...NO_LOSSES, recordsInvalid: 4 };
    const snapshot = await begin(intake, world, { entries: [], linesSkipped: 0 });
    expect(snapshot.connections.map(({ local }) => local.port)).toEqual([2, 3, 4]);
    expect(snapshot.losses).toEqual({ ...NO_LOSSES, recordsInvalid: 6 });
    expect(notes.list.at(-1)).toMatchObject({ kind: "refresh", losses: { recordsInvalid: 6 } });
  });
});

/** A snapshot without its iterable, whose connections stand in a list of their own. */
function plain({ unlisted, ...snapshot }: Snapshot) {
  return { ...snapshot, unlisted: [...unlisted] };
}
