/** A screen without a terminal: what is shown, and what keys do to it. */
import { choicesOf, ScreenFigures } from "../../src/app/screen-lenses.ts";
import { type Frame, lineText, type Size } from "../../src/core/cells.ts";
import type { ProcessFacts } from "../../src/core/process.ts";
import type { Refresh } from "../../src/core/refresh.ts";
import type { Accept } from "../../src/lenses/flows/filter.ts";
import { FLOWS, type Snapshot } from "../../src/lenses/flows/snapshot.ts";
import { draw, type Picture } from "../../src/view/frame.ts";
import type { SessionInfo } from "../../src/view/header.ts";
import { helpScrollLimit } from "../../src/view/help.ts";
import { type Listing, listEntries } from "../../src/view/listing.ts";
import type { PlayStatus } from "../../src/view/play.ts";
import { type Choices, type Effect, initialState, type UiState } from "../../src/view/state.ts";
import { type Input, settle, update } from "../../src/view/update.ts";
import { flowLens, NO_ORDER } from "./lenses.ts";

const INFO: SessionInfo = {
  version: "0.1.0",
  backend: "fentry",
  kernel: "6.12.0",
  stepDowns: [],
  lenses: [flowLens()],
  facts: new Map([["flows", { maxTcpFlows: 65_536, maxUdpFlows: 32_768 }]]),
  startedNs: 1_000_000_000,
  isReplay: false,
};

/** 12:04:26 of 21 November 2026, UTC, at zero of the monotonic clock. */
const ZERO_MS = Date.UTC(2026, 10, 21, 12, 4, 26);

function refreshOf(snapshot: Snapshot): Refresh {
  return FLOWS.alone({ nowNs: snapshot.timeNs, wallMs: ZERO_MS + snapshot.timeNs / 1e6 }, snapshot);
}

const CHOICES = { style: "human", delayS: 1, order: NO_ORDER } as const;

/** The filter of the command line, and as it is shown. */
export interface DeskFilter {
  readonly accept: Accept;
  readonly options: string;
}

export class Desk {
  readonly figures: ScreenFigures;
  readonly filterOptions: string;
  readonly effects: Effect[] = [];
  size: Size;
  info = INFO;
  /** In place of what the snapshots say. */
  losses: string | null = null;
  isRecorded = false;
  logWarning = "";
  notice = "";
  play: PlayStatus | null = null;
  readonly processes = new Map<number, ProcessFacts>();
  state: UiState;
  #newest: Refresh;
  #listing: Listing;
  #picture: Picture;

  constructor(
    snapshot: Snapshot,
    size: Size,
    choices: Partial<Choices> = {},
    filter: DeskFilter | null = null,
  ) {
    this.size = size;
    const lenses = [flowLens(filter?.accept)];
    this.filterOptions = filter?.options ?? "";
    this.figures = new ScreenFigures(lenses);
    this.state = initialState({ ...choicesOf(lenses), ...CHOICES, ...choices });
    this.#newest = refreshOf(snapshot);
    this.figures.record(this.#newest);
    this.#listing = listEntries(this.#newest, this.state);
    this.#picture = this.#show(null);
  }

  refresh(snapshot: Snapshot): this {
    this.#newest = refreshOf(snapshot);
    this.figures.record(this.#newest);
    return this.redraw();
  }

  redraw(): this {
    this.#picture = this.#show({ listing: this.#listing, layout: this.#picture.layout });
    return this;
  }

  /** A word is a special key, one character is typed; an object is what it is. */
  press(...inputs: (string | Input)[]): this {
    for (const input of inputs) {
      const what: Input =
        typeof input !== "string"
          ? input
          : input.length === 1
            ? { kind: "text", text: input }
            : { kind: "key", name: input };
      const context = {
        refresh: this.#newest,
        listing: this.#listing,
        layout: this.#picture.layout,
        helpLimit: helpScrollLimit(this.info, this.size),
        isReplay: this.info.isReplay,
      };
      const { state, effects } = update(this.state, what, context);
      this.state = state;
      this.effects.push(...effects);
      this.redraw();
    }
    return this;
  }

  #show(before: { listing: Listing; layout: Picture["layout"] } | null): Picture {
    const refresh = this.state.paused ?? this.#newest;
    this.figures.pause(this.state.paused !== null);
    this.#listing = listEntries(refresh, this.state, before?.listing ?? null);
    this.state = settle(this.state, this.#listing, before);
    const { info, isRecorded, logWarning, notice, play, state, filterOptions } = this;
    const figures = this.figures.of(state.view);
    const { passing } = this.#listing;
    const header = figures.header({ words: state.filter, refresh, passing });
    const pastOf = (item: object) => figures.pastOf(item);
    const losses = this.losses === null ? this.figures.losses : [this.losses];
    const describe = ({ pid }: { readonly pid: number }) => this.processes.get(pid) ?? null;
    const listing = this.#listing;
    const marks = { isRecorded, losses, logWarning, notice };
    const sums = { header, pastOf, filterOptions };
    const scene = { info, refresh, ...sums, state, ...marks, play, listing, describe };
    const picture = draw(scene, this.size);
    this.state = { ...this.state, top: picture.layout.top };
    return picture;
  }

  /** The last refresh, shown or not. */
  get newest(): Snapshot {
    return FLOWS.of(this.#newest);
  }

  get frame(): Frame {
    return this.#picture.frame;
  }

  get layout(): Picture["layout"] {
    return this.#picture.layout;
  }

  get listing(): Listing {
    return this.#listing;
  }

  /** The screen as text, without the spaces at line ends. */
  get text(): string {
    return `${this.frame.lines.map((line) => lineText(line).trimEnd()).join("\n")}\n`;
  }

  /** Ids of all entries, in order. */
  get ids(): (string | number)[] {
    return this.#listing.entries.ids();
  }
}
