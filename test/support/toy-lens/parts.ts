/** The lens of bells where it is on. */
import type { Moment } from "../../../src/base/clock.ts";
import { textLine } from "../../../src/core/cells.ts";
import type { Figures, Header } from "../../../src/core/figures.ts";
import type { Intake, LensParts, LensSource, Summary } from "../../../src/core/lens.ts";
import { describeLosses, type Loss, lossesOf } from "../../../src/core/losses.ts";
import type { Refresh } from "../../../src/core/refresh.ts";
import type { Table } from "../../../src/core/table.ts";
import { BELL_COUNTERS, type BellSettings } from "./lens.ts";
import { BELLS, type Bell, BellModel, type BellOperation } from "./model.ts";
import { BellRecorder, recording } from "./recording.ts";
import { bellView, COLUMNS } from "./view.ts";

/** What a test rings. */
export interface BellSource extends LensSource {
  readonly ringsLost: number;
  drain(): Uint8Array;
}

function lossesIn(refresh: Refresh): Loss[] {
  const { ringsLost } = BELLS.of(refresh);
  return lossesOf(BELL_COUNTERS, { ringsLost });
}

const table: Table<Bell> = {
  id: "bells",
  version: 1,
  columns: COLUMNS,
  events: { rang: "stands" },
  key: ({ id }) => id,
  source: () => ({
    of: (refresh) => BELLS.of(refresh).rung.map((row) => ({ event: "rang", row })),
    unlisted: () => [],
  }),
  textForm: () => ({
    line: ({ row: { id, rings } }) => ({ text: `bell ${id} rang, ${rings} times now`, tone: "plain" }),
  }),
};

function summary(): Summary {
  let rings = 0;
  return {
    unlistedEvents: 0,
    add: (refresh) => {
      rings += BELLS.of(refresh).rung.length;
    },
    get shown() {
      return { rings };
    },
    everything: {},
  };
}

class BellFigures implements Figures<Bell, null> {
  #losses = "";
  #rings = 0;

  get losses(): string {
    return this.#losses;
  }

  pastOf(): null {
    return null;
  }

  header(): Header {
    const text = ` ${this.#rings} rings`;
    return { lines: (_, columns) => [textLine(text, columns)], remark: "" };
  }

  record(refresh: Refresh): void {
    this.#losses = describeLosses(lossesIn(refresh)).join("; ");
    this.#rings += BELLS.of(refresh).rung.length;
  }

  freeze(): BellFigures {
    const frozen = new BellFigures();
    frozen.#losses = this.#losses;
    frozen.#rings = this.#rings;
    return frozen;
  }
}

class BellIntake implements Intake {
  readonly isCrowded = false;
  readonly #source: BellSource;
  readonly #recorder: BellRecorder | null;
  readonly #model: BellModel;

  constructor(source: BellSource, recorder: BellRecorder | null, startNs: number) {
    this.#source = source;
    this.#recorder = recorder;
    this.#model = new BellModel(startNs);
  }

  async seed(): Promise<void> {}

  begin(): void {}

  drain(): void {
    const operation: BellOperation = { kind: "rings", bytes: this.#source.drain() };
    this.#recorder?.write(operation);
    this.#model.apply(operation);
  }

  collect(): void {
    this.drain();
  }

  refresh(at: Moment) {
    const { ringsLost } = this.#source;
    const snapshot = this.#model.refresh(at.nowNs, ringsLost);
    this.#recorder?.refresh(at, ringsLost);
    return snapshot;
  }

  readAhead(): void {}

  turn(): void {}
}

export function parts(_: BellSettings): LensParts<BellSource> {
  return {
    id: BELLS.lens,
    tables: [table],
    views: [bellView],
    help: { filterWords: "number", keys: [], marks: [], remarks: () => [] },
    switches: [],
    filterOptions: "",
    losses: lossesIn,
    startMembers: () => ({ metal: "bronze" }),
    summary,
    figures: () => new BellFigures(),
    recorded: () => ({}),
    open() {
      throw new Error("bells are not on any host");
    },
    intake: (source, { recorder, startNs }) =>
      new BellIntake(source, recorder && new BellRecorder(recorder), startNs),
    recording,
  };
}
