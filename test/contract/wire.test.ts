/** C++ writes the wire structs, TypeScript reads them: they agree on every field. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { decodeLosses, decodeOwners, decodeRecords } from "../../src/lenses/flows/decode.ts";
import { LOSSES, OWNER, RECORD } from "../../src/lenses/flows/layout.gen.ts";
import { type FlowRecord, RecordFlag, RecordKind } from "../../src/lenses/flows/record.ts";
import { built } from "../support/build.ts";

const bytes = execFileSync(built("test/native/wire_sample"));
const ownersAt = RECORD.size;
const lossesAt = ownersAt + OWNER.size;

/** A copy of every field, as the cursor moves on. */
function copy(record: FlowRecord) {
  return {
    id: record.id,
    timeNs: record.timeNs,
    openedNs: record.openedNs,
    activeNs: record.activeNs,
    bytesIn: record.bytesIn,
    bytesOut: record.bytesOut,
    packetsIn: record.packetsIn,
    packetsOut: record.packetsOut,
    bytesRetrans: record.bytesRetrans,
    cgroupId: record.cgroupId,
    srttUs: record.srttUs,
    rttvarUs: record.rttvarUs,
    minRttUs: record.minRttUs,
    retransmits: record.retransmits,
    sndCwnd: record.sndCwnd,
    pid: record.pid,
    uid: record.uid,
    netns: record.netns,
    inode: record.inode,
    processStartNs: record.processStartNs,
    local: record.localAddress(),
    remote: record.remoteAddress(),
    localPort: record.localPort,
    remotePort: record.remotePort,
    kind: record.kind,
    proto: record.proto,
    state: record.state,
    flags: record.flags,
    process: record.process(),
  };
}

describe("the wire between C++ and TypeScript", () => {
  it("is as long as both say", () => {
    expect(bytes.length).toBe(RECORD.size + OWNER.size + LOSSES.size);
  });

  it("carries every field of a record", () => {
    const records: ReturnType<typeof copy>[] = [];
    expect(decodeRecords(bytes.subarray(0, RECORD.size), (record) => records.push(copy(record)))).toBe(0);
    expect(records).toEqual([
      {
        id: 0xfedcba9876543210n,
        timeNs: 1_000_000_000_001,
        openedNs: 1_000_000_000_002,
        activeNs: 1_000_000_000_003,
        bytesIn: Number.MAX_SAFE_INTEGER,
        bytesOut: 5_000_000_005,
        packetsIn: 5_000_000_006,
        packetsOut: 5_000_000_007,
        bytesRetrans: 5_000_000_008,
        cgroupId: 0x8000000000000009n,
        srttUs: 4_000_000_010,
        rttvarUs: 11,
        minRttUs: 12,
        retransmits: 13,
        sndCwnd: 14,
        pid: 15,
        uid: 4_294_967_294,
        netns: 4_026_531_840,
        inode: 4_294_967_293,
        processStartNs: 5_000_000_026,
        local: "2021:2223:2425:2627:2829:2a2b:2c2d:2e2f",
        remote: "192.0.2.1",
        localPort: 65_535,
        remotePort: 443,
        kind: RecordKind.sample,
        proto: 6,
        state: 8,
        flags: RecordFlag.partial | RecordFlag.minRtt,
        process: "sixteen-bytes-ab",
      },
    ]);
  });

  it("carries owners and losses", () => {
    expect([...decodeOwners(bytes.subarray(ownersAt, lossesAt))]).toEqual([
      [4_294_967_297, { pid: 18, process: "owner", uid: 19, cgroupId: 17n, startNs: 5_000_000_027 }],
    ]);
    expect(decodeLosses(bytes.subarray(lossesAt))).toEqual({
      flowsUntracked: 20,
      bytesUntracked: 21,
      datagramsUntracked: 22,
      recordsDeferred: 23,
      closesLost: 24,
      datagramsUncorrected: 25,
    });
  });

  it("has the layout that the BPF objects were compiled with", () => {
    expect(execFileSync(process.execPath, ["scripts/gen-layout.mjs", "--check"], { encoding: "utf8" })).toBe(
      "",
    );
  });
});
