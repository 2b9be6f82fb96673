/** The screen: a frame for each refresh and each key, until the user quits. */
import type { NumberStyle } from "../base/format.ts";
import type { ShownLens } from "../core/lens.ts";
import type { Refresh } from "../core/refresh.ts";
import type { Sink } from "../core/sink.ts";
import type { TableOrder } from "../core/table.ts";
import { FanOut } from "../sinks/fan-out.ts";
import type { Screen } from "../tui/terminal.ts";
import { draw } from "../view/frame.ts";
import type { SessionInfo } from "../view/header.ts";
import { helpScrollLimit } from "../view/help.ts";
import type { Layout } from "../view/layout.ts";
import { type Listing, listEntries } from "../view/listing.ts";
import { type Effect, initialState, type UiState } from "../view/state.ts";
import { type Input, settle, update } from "../view/update.ts";
import type { Feed } from "./feed.ts";
import { Live, type LiveOptions } from "./live.ts";
import { ProcessBook } from "./process-book.ts";
import { choicesOf, describeBy, filterOptionsOf, ScreenFigures } from "./screen-lenses.ts";
import { Stop } from "./stop.ts";
import type { World } from "./world.ts";

export interface ShowOptions {
  readonly delayNs: number;
  /** Those that are on; the first has a view. */
  readonly lenses: readonly ShownLens[];
  readonly order: TableOrder;
  readonly style: NumberStyle;
  /** What gets the refreshes besides the screen. */
  readonly sinks?: readonly Sink<Refresh>[];
}

export type ScreenOptions = LiveOptions & ShowOptions;

const NS_PER_S = 1e9;

class ScreenSink implements Sink<Refresh> {
  readonly policy = "latest only";
  readonly hasEnded = false;
  readonly #screen: Screen;
  readonly #options: ShowOptions;
  readonly #info: SessionInfo;
  readonly #processes: ProcessBook;
  readonly #feed: Feed;
  readonly #quit: () => void;
  readonly #figures: ScreenFigures;
  #state: UiState;
  #latest: Refresh | null = null;
  #shown: { readonly listing: Listing; readonly layout: Layout } | null = null;

  constructor(screen: Screen, options: ShowOptions, feed: Feed, processes: ProcessBook, quit: () => void) {
    this.#screen = screen;
    this.#options = options;
    this.#feed = feed;
    const { style, lenses, order, delayNs } = options;
    this.#info = { ...feed.info, lenses, startedNs: feed.startNs, isReplay: feed.player !== null };
    this.#processes = processes;
    this.#quit = quit;
    this.#state = initialState({ ...choicesOf(lenses), style, order, delayS: delayNs / NS_PER_S });
    this.#figures = new ScreenFigures(lenses);
    screen.listen({
      input: (input) => this.#input(input),
      changed: () => this.#show(),
      ended: quit,
    });
  }

  start(refresh: Refresh): void {
    this.refresh(refresh);
  }

  refresh(refresh: Refresh): void {
    this.pass(refresh);
    this.#processes.turn();
    this.#show();
  }

  pass(refresh: Refresh): void {
    this.#latest = refresh;
    this.#figures.record(refresh);
  }

  rewind(): void {
    this.#figures.rewind(this.#state.filter);
  }

  played(): void {
    this.#show();
  }

  #show(): void {
    if (this.#latest === null) return;
    const refresh = this.#state.paused ?? this.#latest;
    this.#figures.pause(this.#state.paused !== null);
    const before = this.#shown;
    const listing = listEntries(refresh, this.#state, before?.listing);
    const state = settle(this.#state, listing, before);
    const figures = this.#figures.of(state.view);
    const { frame, layout } = draw(
      {
        info: this.#info,
        refresh,
        header: figures.header({ words: state.filter, refresh, passing: listing.passing }),
        pastOf: (item) => figures.pastOf(item),
        filterOptions: filterOptionsOf(this.#options.lenses),
        state,
        losses: this.#figures.losses,
        isRecorded: this.#feed.isRecorded,
        logWarning: this.#warning,
        notice: this.#feed.notice,
        play: this.#feed.player?.status ?? null,
        listing,
        describe: describeBy(this.#options.lenses, refresh, this.#processes.describe),
      },
      this.#screen.size,
    );
    this.#state = { ...state, top: layout.top };
    this.#shown = { listing, layout };
    this.#screen.draw(frame);
  }

  /** The first fault of another sink, in words; empty: none. */
  get #warning(): string {
    return this.#options.sinks?.find(({ warning }) => warning)?.warning ?? "";
  }

  #input(input: Input): void {
    if (this.#latest === null || this.#shown === null) {
      this.#inputBeforeStart(input);
      return;
    }
    const { state, effects } = update(this.#state, input, {
      ...this.#shown,
      refresh: this.#latest,
      helpLimit: helpScrollLimit(this.#info, this.#screen.size),
      isReplay: this.#info.isReplay,
    });
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    this.#show();
  }

  /** While what there is already is being read, only the keys that quit work. */
  #inputBeforeStart(input: Input): void {
    const isQuit =
      (input.kind === "key" && input.name === "ctrl-c") || (input.kind === "text" && input.text === "q");
    if (isQuit) this.#quit();
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "quit":
        this.#quit();
        break;
      case "suspend":
        this.#screen.suspend();
        break;
      case "redraw":
        this.#screen.forget();
        break;
      case "delay":
        this.#feed.setDelay(effect.delayS * NS_PER_S);
        break;
      case "turn":
        this.#feed.turn(effect.lens, effect.id, effect.isOn);
        break;
      case "play":
        this.#feed.player?.togglePause();
        break;
      case "seek":
        this.#feed.player?.seek(effect.byS * NS_PER_S);
        break;
      case "speed":
        this.#feed.player?.changeSpeed(effect.by);
        break;
    }
  }
}

/**
 * Shows a feed until the user quits, the feed ends or a request to end. Throws the feed's failure. Always gives the
 * terminal back and closes the feed.
 */
export async function showFeed(
  world: World,
  openScreen: () => Promise<Screen>,
  options: ShowOptions,
  openFeed: () => Feed | Promise<Feed>,
): Promise<void> {
  const stop = new Stop(world);
  const stopListening = world.onStop(() => stop.request());
  try {
    // Opened before the screen: the first rates are over the time since counting began.
    const feed = await openFeed();
    try {
      const screen = await openScreen();
      try {
        const shown = new ScreenSink(screen, options, feed, new ProcessBook(world.platform), () =>
          stop.request(),
        );
        await feed.follow(stop, new FanOut([...(options.sinks ?? []), shown]));
      } finally {
        screen.close();
      }
    } finally {
      feed.close();
    }
    if (feed.failure) throw feed.failure;
  } finally {
    stopListening();
  }
}

/** Captures and shows (`showFeed`). Throws ExitError as the platform does. */
export function runScreen(
  world: World,
  openScreen: () => Promise<Screen>,
  options: ScreenOptions,
): Promise<void> {
  return showFeed(world, openScreen, options, () => new Live(world, options));
}
