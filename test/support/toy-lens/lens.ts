/** A lens for tests: bells that hang under each other, and ring. `--bells` turns it on. */
import type { Lens } from "../../../src/core/lens.ts";
import { lossCounters } from "../../../src/core/losses.ts";

export interface BellSettings {
  readonly isOn: boolean;
}

export const BELL_COUNTERS = lossCounters({
  ringsLost: { counts: "rings that nobody heard", missing: ["ring", "not heard"] },
});

export const bells: Lens<BellSettings> = {
  id: "bells",
  number: 250,
  tables: ["bells"],
  sortKeys: ["rings"],
  sortKey: (name) => (name === "rings" ? name : null),
  lossCounters: BELL_COUNTERS,
  heading: "Bells:",
  options(add) {
    const draft = { isOn: false };
    add.flag({ group: "own", flags: "--bells", description: "bells too" }, () => {
      draft.isOn = true;
    });
    return draft;
  },
  isOn: ({ isOn }) => isOn,
  load: () => import("./parts.ts"),
};
