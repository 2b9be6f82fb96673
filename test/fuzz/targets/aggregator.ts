/** Any records, seeds, sockets and refreshes: rows open once and close once, and every sum is right. */
import assert from "node:assert/strict";
import { Aggregator } from "../../../src/lenses/flows/model/aggregator.ts";
import { IPPROTO_TCP, IPPROTO_UDP, RecordKind, type SeedEntry } from "../../../src/lenses/flows/record.ts";
import { Ledger } from "../../support/ledger.ts";
import { makeRecord, NO_LOSSES, type RecordFields } from "../../support/records.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";

const S = 1e9;

/** Sums of doubles stay exact up to 2^53; a run has less than 2^11 records. */
const MOST_COUNT = 2 ** 40;

/** Few of each, so that flows meet: ids, addresses and ports. */
const ADDRESSES = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];

function tupleOf(choices: Choices) {
  const isTcp = choices.flag();
  return {
    proto: isTcp ? IPPROTO_TCP : IPPROTO_UDP,
    state: isTcp ? 1 + choices.below(13) : 0,
    netns: choices.below(2),
    localAddress: choices.pick(ADDRESSES),
    localPort: choices.below(4),
    remoteAddress: choices.pick(ADDRESSES),
    remotePort: choices.below(4),
  } as const;
}

/** The kernel never says of one id that it is TCP and UDP. */
function recordOf(choices: Choices, nowNs: number): Partial<RecordFields> {
  const tuple = tupleOf(choices);
  return {
    ...tuple,
    id: BigInt(choices.below(6) * 2 + (tuple.proto === IPPROTO_TCP ? 0 : 1)),
    kind: choices.pick(Object.values(RecordKind)),
    timeNs: choices.flag() ? nowNs - choices.below(200) * 1e7 : choices.count(2 ** 53),
    openedNs: choices.flag() ? nowNs - choices.below(200) * 1e7 : choices.count(2 ** 53),
    activeNs: choices.flag() ? nowNs - choices.below(200) * 1e7 : choices.count(2 ** 53),
    flags: choices.byte(),
    bytesIn: choices.count(MOST_COUNT),
    bytesOut: choices.count(MOST_COUNT),
    packetsIn: choices.count(MOST_COUNT),
    packetsOut: choices.count(MOST_COUNT),
    retransmits: choices.byte(),
    bytesRetrans: choices.count(MOST_COUNT),
    pid: choices.byte(),
    process: choices.text(15),
  };
}

function entryOf(choices: Choices): SeedEntry {
  const isOwned = choices.flag();
  return {
    ...tupleOf(choices),
    uid: choices.byte(),
    inode: choices.below(4),
    owner: isOwned
      ? { pid: choices.byte(), process: choices.text(15), uid: null, cgroupId: null, startNs: null }
      : null,
  };
}

function entriesOf(choices: Choices): SeedEntry[] {
  return Array.from({ length: choices.below(5) }, () => entryOf(choices));
}

/** Sockets that carry no flow are there as long as they are given, and not longer. */
function checkSockets(lists: readonly (readonly SeedEntry[])[]): void {
  const aggregator = new Aggregator({ udpIdleNs: S, startNs: 0 });
  const ledger = new Ledger();
  let nowNs = 0;
  for (const list of [...lists, [], []]) {
    aggregator.setSockets(list);
    nowNs += S;
    ledger.read(aggregator.refresh(nowNs, NO_LOSSES));
  }
  assert.equal(ledger.closed.size, ledger.latest.size);
}

export const target: Target = {
  run(input) {
    const choices = new Choices(input);
    const aggregator = new Aggregator({ udpIdleNs: (1 + choices.below(4)) * S, startNs: 10 * S });
    // Of UDP a sweep is right, even where it says less than an event before.
    const ledger = new Ledger(({ protocol }) => protocol === "udp");
    const lists: SeedEntry[][] = [];
    let nowNs = 10 * S;
    if (choices.flag()) aggregator.seed(entriesOf(choices), nowNs);
    while (!choices.isOver) {
      const kind = choices.byte();
      if (kind < 0xa0) aggregator.apply(makeRecord(recordOf(choices, nowNs)));
      else if (kind < 0xc0) {
        const list = entriesOf(choices);
        lists.push(list);
        aggregator.setSockets(list);
      } else {
        nowNs += choices.below(16) * 0.5 * S;
        ledger.read(aggregator.refresh(nowNs, NO_LOSSES));
      }
    }
    ledger.read(aggregator.refresh(nowNs + S, NO_LOSSES));
    ledger.read(aggregator.refresh(nowNs + 2 * S, NO_LOSSES));
    // What nothing speaks of any more stays, or closes; nothing opens by itself.
    const last = aggregator.refresh(nowNs + 3 * S, NO_LOSSES);
    ledger.read(last);
    assert.deepEqual(last.opened, []);
    checkSockets(lists);
  },
  maxBytes: 4096,
};
