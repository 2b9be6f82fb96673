/** The screen: every refresh and every key as a frame, until the user has seen enough. */
import { describeLosses } from "../output/output.ts";
import type { Capture } from "../platform/platform.ts";
import type { Screen } from "../tui/terminal.ts";
import type { NumberStyle } from "../view/format.ts";
import { draw } from "../view/screen/frame.ts";
import type { SessionInfo } from "../view/screen/header.ts";
import { helpScrollLimit } from "../view/screen/help.ts";
import { History } from "../view/screen/history.ts";
import type { Layout } from "../view/screen/layout.ts";
import { type Accept, type Listing, listEntries } from "../view/screen/listing.ts";
import { type Effect, initialState, type Order, type UiState } from "../view/screen/state.ts";
import { type Input, settle, update } from "../view/screen/update.ts";
import { type Log, logged } from "./log.ts";
import { type Face, type Look, Loop, type LoopOptions } from "./loop.ts";
import { ProcessBook } from "./process-book.ts";
import { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface ScreenOptions extends LoopOptions {
  readonly version: string;
  /** The command line's filter, null: everything. */
  readonly accept: Accept | null;
  /** null: the busiest first. */
  readonly order: Order | null;
  readonly style: NumberStyle;
  readonly log: Log | null;
}

const NS_PER_S = 1e9;
const NS_PER_MS = 1e6;

/** What a screen asks of the loop behind it. */
interface Controls {
  quit(): void;
  setDelay(delayNs: number): void;
  setAll(all: boolean): void;
}

class ScreenFace implements Face {
  readonly hasEnded = false;
  readonly #screen: Screen;
  readonly #options: ScreenOptions;
  readonly #info: SessionInfo;
  readonly #processes: ProcessBook;
  readonly #controls: Controls;
  readonly #history = new History();
  #state: UiState;
  #latest: Look | null = null;
  #shown: { readonly listing: Listing; readonly layout: Layout } | null = null;

  constructor(
    screen: Screen,
    options: ScreenOptions,
    info: SessionInfo,
    processes: ProcessBook,
    controls: Controls,
  ) {
    this.#screen = screen;
    this.#options = options;
    this.#info = info;
    this.#processes = processes;
    this.#controls = controls;
    const { style, all, order, delayNs } = options;
    this.#state = initialState({ style, all, order, delayS: delayNs / NS_PER_S });
    screen.listen({
      input: (input) => this.#input(input),
      changed: () => this.#show(),
      ended: () => controls.quit(),
    });
  }

  start(look: Look): void {
    this.refresh(look);
  }

  refresh(look: Look): void {
    this.#latest = look;
    this.#history.record(look.snapshot);
    this.#processes.turn();
    this.#show();
  }

  #show(): void {
    if (this.#latest === null) return;
    const { at, snapshot: newest } = this.#latest;
    const snapshot = this.#state.paused ?? newest;
    const before = this.#shown;
    const listing = listEntries(snapshot, this.#state, this.#options.accept, before?.listing);
    const state = settle(this.#state, listing, before);
    const { frame, layout } = draw(
      {
        info: this.#info,
        snapshot,
        wallMs: at.wallMs - (at.nowNs - snapshot.timeNs) / NS_PER_MS,
        history: this.#history,
        state,
        losses: describeLosses(snapshot.losses, { refreshes: 0, events: 0 }),
        logWarning: this.#options.log?.warning ?? "",
        listing,
        describe: this.#processes.describe,
      },
      this.#screen.size,
    );
    this.#state = { ...state, top: layout.top };
    this.#shown = { listing, layout };
    this.#screen.draw(frame);
  }

  #input(input: Input): void {
    if (this.#latest === null || this.#shown === null) {
      this.#inputBeforeStart(input);
      return;
    }
    const { state, effects } = update(this.#state, input, {
      ...this.#shown,
      snapshot: this.#latest.snapshot,
      helpLimit: helpScrollLimit(this.#info, this.#screen.size),
    });
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    this.#show();
  }

  /** While what exists is still being read there is nothing to act on, but one can leave. */
  #inputBeforeStart(input: Input): void {
    const isQuit =
      (input.kind === "key" && input.name === "ctrl-c") || (input.kind === "text" && input.text === "q");
    if (isQuit) this.#controls.quit();
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "quit":
        this.#controls.quit();
        break;
      case "suspend":
        this.#screen.suspend();
        break;
      case "redraw":
        this.#screen.forget();
        break;
      case "delay":
        this.#controls.setDelay(effect.delayS * NS_PER_S);
        break;
      case "all":
        this.#controls.setAll(effect.all);
        break;
    }
  }
}

/**
 * Captures and shows until the user quits, the end of the iterations or a request to end. Throws
 * ExitError as the platform does; the terminal is given back and the capture closed in any case.
 */
export async function runScreen(
  world: World,
  openScreen: () => Promise<Screen>,
  options: ScreenOptions,
): Promise<void> {
  const stop = new Stop(world);
  const stopListening = world.onStop(() => stop.request());
  try {
    const capture: Capture = world.platform.open(options.capture);
    try {
      // Before the screen is there: counting has begun, and the first rates are over all the time since.
      const loop = new Loop(world, options, capture);
      const screen = await openScreen();
      try {
        const { backend, kernel, stepDowns } = capture;
        const startedNs = world.clock.monotonicNs();
        const info = { version: options.version, backend, kernel, stepDowns, startedNs };
        const face = new ScreenFace(screen, options, info, new ProcessBook(world.platform), {
          quit: () => stop.request(),
          setDelay: (delayNs) => loop.setDelay(delayNs),
          setAll: (all) => loop.setAll(all),
        });
        await loop.follow(stop, logged(face, options.log));
      } finally {
        screen.close();
      }
    } finally {
      capture.close();
    }
  } finally {
    stopListening();
  }
}
