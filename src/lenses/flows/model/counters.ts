/** The four counters that every flow has, and that the totals sum up. */

export interface Counters {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
}

export const ZERO: Counters = { bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0 };

export function sum(a: Counters, b: Counters): Counters {
  return {
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    packetsIn: a.packetsIn + b.packetsIn,
    packetsOut: a.packetsOut + b.packetsOut,
  };
}

/** Whether any counter of `a` is larger than that of `b`. */
export function exceeds(a: Counters, b: Counters): boolean {
  return (
    a.bytesIn > b.bytesIn ||
    a.bytesOut > b.bytesOut ||
    a.packetsIn > b.packetsIn ||
    a.packetsOut > b.packetsOut
  );
}

/** `amount` a second, 0 for no time at all, or where something was taken back. */
export function perSecond(amount: number, intervalS: number): number {
  return intervalS > 0 && amount > 0 ? amount / intervalS : 0;
}
