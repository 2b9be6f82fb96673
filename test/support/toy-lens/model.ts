/** The state of the bells: a record is a bell, the bell that it hangs under (0: none), and rings lost before it. */
import type { Model } from "../../../src/core/lens.ts";
import { type Snapshot, SnapshotOf } from "../../../src/core/refresh.ts";

export interface Bell {
  readonly id: number;
  readonly under: number;
  readonly rings: number;
}

export interface BellSnapshot extends Snapshot {
  readonly bells: readonly Bell[];
  /** As they rang since the refresh before, each as often as it rang. */
  readonly rung: readonly Bell[];
  readonly ringsLost: number;
}

export const BELLS = new SnapshotOf<BellSnapshot>("bells");

export const RECORD_BYTES = 2;

export interface BellOperation {
  readonly kind: "rings";
  readonly bytes: Uint8Array;
}

export class BellModel implements Model<BellOperation, number, BellSnapshot> {
  readonly isCrowded = false;
  readonly #bells = new Map<number, Bell>();
  #rung: Bell[] = [];
  #lastNs: number;

  constructor(startNs: number) {
    this.#lastNs = startNs;
  }

  get size(): number {
    return this.#bells.size;
  }

  apply({ bytes }: BellOperation): void {
    for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
      const id = bytes[at] ?? 0;
      const bell = { id, under: bytes[at + 1] ?? 0, rings: (this.#bells.get(id)?.rings ?? 0) + 1 };
      this.#bells.set(id, bell);
      this.#rung.push(bell);
    }
  }

  refresh(nowNs: number, ringsLost: number): BellSnapshot {
    const rung = this.#rung;
    const intervalS = (nowNs - this.#lastNs) / 1e9;
    this.#rung = [];
    this.#lastNs = nowNs;
    return { timeNs: nowNs, intervalS, bells: [...this.#bells.values()], rung, ringsLost };
  }
}
