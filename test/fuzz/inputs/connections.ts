/** Connections and snapshots out of choices: everything that the kernel could say, hostile names above all. */
import type { Endpoint } from "../../../src/base/address.ts";
import {
  type Connection,
  type Owner,
  TCP_STATES,
  type TcpState,
} from "../../../src/lenses/flows/connection.ts";
import { LOSS_NAMES, type Losses, NO_LOSSES } from "../../../src/lenses/flows/losses.ts";
import type { Snapshot } from "../../../src/lenses/flows/snapshot.ts";
import { connection } from "../../support/connections.ts";
import { snapshotOf } from "../../support/crowd.ts";
import type { Choices } from "../engine/choices.ts";
import { addressText } from "../oracles/address.ts";

const MOST_U32 = 0xffff_ffff;
/** The largest double that a counter of 64 bits can become. */
const MOST_U64 = 2 ** 64;

const STATES = TCP_STATES.filter((state): state is TcpState => state !== null);

function endpoint(choices: Choices): Endpoint {
  const bytes = Uint8Array.from({ length: 16 }, () => choices.byte());
  if (choices.flag()) bytes.fill(0, 0, 10).fill(0xff, 10, 12);
  return { address: addressText(bytes), port: choices.count(65_535) };
}

function owner(choices: Choices): Owner | null {
  if (choices.byte() < 0x20) return null;
  return {
    pid: choices.count(4_194_304),
    // Names of kernel threads from /proc are longer than the 16 bytes of a record.
    process: choices.text(64),
    uid: choices.flag() ? choices.count(MOST_U32) : null,
    cgroupId: choices.flag() ? BigInt(choices.count(2 ** 48)) << 16n : null,
    startNs: choices.flag() ? choices.count(2 ** 52) : null,
  };
}

/** `timeNs`: of the refresh that shows it. */
export function connectionOf(choices: Choices, key: number, timeNs: number): Connection {
  const isTcp = choices.flag();
  const micros = () => (choices.flag() ? choices.count(MOST_U32) : null);
  const phase = choices.pick([
    { kind: "live" },
    { kind: "new" },
    { kind: "closing", closedNs: choices.count(timeNs * 2) },
  ] as const);
  return connection({
    key,
    protocol: isTcp ? "tcp" : "udp",
    local: endpoint(choices),
    remote: endpoint(choices),
    netns: choices.count(MOST_U32),
    owner: owner(choices),
    state: isTcp ? choices.pick(STATES) : null,
    stateSinceNs: choices.flag() ? choices.count(MOST_U64) : null,
    phase,
    partial: choices.flag(),
    shared: choices.flag(),
    assumed: choices.flag(),
    openedNs: choices.count(MOST_U64),
    activeNs: choices.flag() ? choices.count(MOST_U64) : null,
    bytesIn: choices.count(MOST_U64),
    bytesOut: choices.count(MOST_U64),
    packetsIn: choices.count(MOST_U64),
    packetsOut: choices.count(MOST_U64),
    rateIn: choices.count(MOST_U64) / (1 + choices.byte()),
    rateOut: choices.count(MOST_U64) / (1 + choices.byte()),
    tcp: isTcp
      ? {
          srttUs: micros(),
          rttvarUs: micros(),
          minRttUs: micros(),
          retransmits: choices.count(MOST_U32),
          bytesRetrans: choices.count(MOST_U64),
          sndCwnd: micros(),
        }
      : null,
  });
}

export function lossesOf(choices: Choices): Losses {
  if (choices.flag()) return NO_LOSSES;
  return Object.fromEntries(LOSS_NAMES.map((name) => [name, choices.count(MOST_U64)])) as unknown as Losses;
}

/** Some of the connections before stay as they were, so that a screen has something to follow. */
export function snapshotFrom(choices: Choices, before: Snapshot | null, timeNs: number): Snapshot {
  const kept = (before?.connections ?? []).filter(({ phase }) => phase.kind !== "closing" && choices.flag());
  const lastKey = Math.max(0, ...(before?.connections ?? []).map(({ key }) => key));
  const fresh = Array.from({ length: choices.below(6) }, (_, i) =>
    connectionOf(choices, lastKey + 1 + i, timeNs),
  );
  return snapshotOf([...kept, ...fresh], { timeNs, losses: lossesOf(choices) });
}
