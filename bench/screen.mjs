// What the screen takes: the time for a frame and for an answer to a key, and tcptop's processor time with
// the screen open on a pseudo-terminal.
import { PassThrough, Writable } from "node:stream";
import { fromDist } from "../scripts/lib.mjs";
import { against, median, show, table } from "./numbers.mjs";
import { LOAD_HEAD, loadCells, measureLoad } from "./process-cost.mjs";
import { startTcptopOnTerminal } from "./processes.mjs";

/** Milliseconds for one frame, and from a key to the frame that answers it. */
const FRAME_LIMIT_MS = 20;
const KEY_LIMIT_MS = 200;

/** Per cent of one core by number of flows. */
const CPU_LIMITS = new Map([
  [100, 2],
  [1000, 5],
]);

const SIZE = { columns: 120, rows: 40 };

/** @typedef {typeof import("../src/view/frame.ts")} FrameModule */
/** @typedef {typeof import("../src/app/screen-lenses.ts")} LensesModule */
/** @typedef {typeof import("../src/lenses/flows/parts.ts")} FlowsModule */
/** @typedef {typeof import("../src/view/listing.ts")} ListingModule */
/** @typedef {typeof import("../src/view/state.ts")} StateModule */
/** @typedef {typeof import("../src/view/update.ts")} UpdateModule */
/** @typedef {typeof import("../src/tui/keys.ts")} KeysModule */
/** @typedef {typeof import("../src/tui/renderer.ts")} RendererModule */
/** @typedef {FrameModule & LensesModule & FlowsModule & ListingModule & StateModule & UpdateModule & KeysModule & RendererModule} Parts */
/** @typedef {import("../src/lenses/flows/connection.ts").Connection} Connection */
/** @typedef {import("../src/lenses/flows/snapshot.ts").Snapshot} Snapshot */
/** @typedef {import("../src/core/refresh.ts").Refresh} Refresh */
/** @typedef {import("../src/view/listing.ts").Listing} Listing */
/** @typedef {import("../src/view/layout.ts").Layout} Layout */

const INFO = {
  version: "0.0.0",
  backend: "fentry",
  kernel: "6.12.0",
  stepDowns: [],
  facts: new Map([["flows", { maxTcpFlows: 65_536, maxUdpFlows: 32_768 }]]),
  startedNs: 1e9,
  isReplay: false,
};

/** What flows are without an option. */
const SETTINGS = {
  filter: { pids: [], processes: [], ports: [], hosts: [], protocols: [], families: [], noLoopback: false },
  all: false,
  udpTimeoutS: 5,
  maxTcpFlows: undefined,
  maxUdpFlows: undefined,
};

/**
 * @param {Snapshot} snapshot
 * @returns {Refresh}
 */
function refreshOf(snapshot) {
  const at = { nowNs: snapshot.timeNs, wallMs: snapshot.timeNs / 1e6 };
  return { at, snapshots: new Map([["flows", snapshot]]) };
}

/** @type {Snapshot["losses"]} */
const NO_LOSSES = {
  flowsUntracked: 0,
  bytesUntracked: 0,
  datagramsUntracked: 0,
  recordsDeferred: 0,
  closesLost: 0,
  datagramsUncorrected: 0,
  recordsInvalid: 0,
  seedLinesSkipped: 0,
};

/** Leaves two thirds of the connections, and is looked for in every name and address. */
const FILTER = "10. :44";

/** What is timed, one after the other, and what is typed around it. */
const KEYS = [
  { key: "t", what: "sort by RTT" },
  { key: "A", what: "sort by remote address" },
  { key: "n", what: "sort by name" },
  { key: "R", what: "sort by rate out" },
  { before: "/", key: "1", what: "a character into the filter" },
  { key: "\x15", what: "clear the filter", after: "\r" },
  { key: "\x1b[B", what: "down" },
  { key: "v", what: "the processes", after: "vv" },
];

/** The screen's modules, from the built program. */
async function loadParts() {
  const paths = [
    ...["frame", "listing", "state", "update"].map((name) => `view/${name}`),
    ...["app/screen-lenses", "lenses/flows/parts", "tui/keys", "tui/renderer"],
  ];
  return /** @type {Parts} */ (Object.assign({}, ...(await Promise.all(paths.map(fromDist)))));
}

/**
 * A terminal that swallows everything, as far as the renderer uses one.
 * @returns {import("../src/tui/renderer.ts").Terminal}
 */
function nullTerminal() {
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const input = Object.assign(new PassThrough(), { setRawMode() {} });
  const terminal = /** @type {unknown} */ ({ input, output: Object.assign(output, SIZE) });
  return /** @type {import("../src/tui/renderer.ts").Terminal} */ (terminal);
}

/**
 * @param {number} i
 * @param {number} mixed
 * @param {number} refresh
 * @returns {Connection}
 */
function madeUpConnection(i, mixed, refresh) {
  return {
    key: i + 1,
    protocol: i % 10 === 9 ? "udp" : "tcp",
    local: { address: "10.0.0.7", port: 1024 + (mixed % 60_000) },
    remote: {
      address: `10.${mixed % 200}.${(mixed >> 3) % 256}.${(mixed >> 8) % 256}`,
      port: 443 + 10 * (i % 3),
    },
    netns: 4026531840,
    owner: {
      pid: 1000 + (mixed % 50),
      process: `worker-${mixed % 50}`,
      uid: 1000,
      cgroupId: 42n,
      startNs: null,
    },
    state: i % 10 === 9 ? null : "ESTABLISHED",
    stateSinceNs: null,
    shared: false,
    assumed: false,
    phase: { kind: "live" },
    partial: i % 7 === 0,
    openedNs: 1e9 + mixed,
    activeNs: (4 + refresh) * 1e9,
    bytesIn: mixed * 10 * refresh,
    bytesOut: mixed * refresh,
    packetsIn: mixed * refresh,
    packetsOut: refresh,
    rateIn: (mixed * 31 * refresh) % 5_000_000,
    rateOut: (mixed * 17 * refresh) % 300_000,
    tcp:
      i % 10 === 9
        ? null
        : {
            srttUs: 100 + mixed,
            rttvarUs: 1_500,
            minRttUs: 90,
            retransmits: 2,
            bytesRetrans: 2_896,
            sndCwnd: 10,
          },
  };
}

/**
 * The refresh of this number: every connection has moved, and the order by rate is another one.
 * @param {number} count
 * @param {number} refresh
 * @returns {Snapshot}
 */
function madeUpSnapshot(count, refresh) {
  const connections = Array.from({ length: count }, (_, i) =>
    madeUpConnection(i, (i * 7_919) % count, refresh),
  );
  const tcp = connections.filter(({ protocol }) => protocol === "tcp").length;
  return {
    timeNs: (4 + refresh) * 1e9,
    intervalS: 1,
    connections,
    opened: [],
    updated: connections,
    closed: [],
    unlisted: { size: 0, *[Symbol.iterator]() {} },
    totals: { bytesIn: 1e9, bytesOut: 1e8, packetsIn: 1e6, packetsOut: 1e5, rateIn: 1e7, rateOut: 1e6 },
    counts: { tcp, udp: count - tcp, byState: new Map([["ESTABLISHED", tcp]]) },
    losses: NO_LOSSES,
  };
}

/** The screen's loop with a clock in it: each refresh and each key as one frame on a null terminal. */
class TimedScreen {
  #parts;
  #renderer;
  #keys;
  #figures;
  #state;
  #refresh;
  #lenses;
  #shown;

  /**
   * @param {Parts} parts
   * @param {Snapshot} snapshot the first refresh
   */
  constructor(parts, snapshot) {
    this.#parts = parts;
    this.#refresh = refreshOf(snapshot);
    this.#lenses = [parts.parts(SETTINGS)];
    this.#renderer = new parts.Renderer(nullTerminal(), { colors: 256, isUtf8: true });
    this.#renderer.enter();
    this.#keys = new parts.KeyDecoder();
    this.#figures = new parts.ScreenFigures(this.#lenses);
    this.#state = parts.initialState({
      ...parts.choicesOf(this.#lenses),
      style: "human",
      delayS: 1,
      order: { key: null, reverse: false },
    });
    this.#figures.record(this.#refresh);
    const { frame, shown } = this.#compute(null);
    this.#shown = shown;
    this.#renderer.draw(frame);
  }

  /**
   * Milliseconds to compute the frame of a refresh, and to draw all of it.
   * @param {Snapshot} snapshot
   */
  refresh(snapshot) {
    const startMs = performance.now();
    this.#refresh = refreshOf(snapshot);
    this.#figures.record(this.#refresh);
    const frame = this.#next();
    const computedMs = performance.now();
    this.#renderer.forget();
    this.#renderer.draw(frame);
    return { compute: computedMs - startMs, draw: performance.now() - computedMs };
  }

  /**
   * Milliseconds from keys to the frame that answers them, on the terminal.
   * @param {string} text
   */
  type(text) {
    const startMs = performance.now();
    for (const input of this.#keys.decode(text)) {
      const context = { refresh: this.#refresh, ...this.#shown, helpLimit: 0, isReplay: false };
      this.#state = this.#parts.update(this.#state, input, context).state;
      this.#renderer.draw(this.#next());
    }
    return performance.now() - startMs;
  }

  close() {
    this.#renderer.close();
  }

  #next() {
    const { frame, shown } = this.#compute(this.#shown);
    this.#shown = shown;
    return frame;
  }

  /** @param {{ listing: Listing, layout: Layout } | null} before */
  #compute(before) {
    const { listEntries, settle, draw } = this.#parts;
    const refresh = this.#refresh;
    const listing = listEntries(refresh, this.#state, before?.listing ?? null);
    const state = settle(this.#state, listing, before);
    const figures = this.#figures.of(state.view);
    const scene = {
      info: { ...INFO, lenses: this.#lenses },
      refresh,
      header: figures.header({ words: state.filter, refresh, passing: listing.passing }),
      pastOf: (/** @type {object} */ item) => figures.pastOf(item),
      filterOptions: "",
      state,
      losses: [],
      isRecorded: false,
      logWarning: "",
      notice: "",
      play: null,
      listing,
      describe: () => null,
    };
    const { frame, layout } = draw(scene, SIZE);
    this.#state = { ...state, top: layout.top };
    return { frame, shown: { listing, layout } };
  }
}

const WARM_UP_FRAMES = 5;

/** @typedef {{ what: string, times: number[], limit: number }} Timed */

/**
 * @param {Parts} parts
 * @param {number} connections
 * @param {number} repeats
 * @returns {Timed[]}
 */
function timeFrames(parts, connections, repeats) {
  const screen = new TimedScreen(parts, madeUpSnapshot(connections, 1));
  screen.type(`/${FILTER}\r`);
  const times = Array.from({ length: WARM_UP_FRAMES + repeats }, (_, i) =>
    screen.refresh(madeUpSnapshot(connections, 2 + i)),
  ).slice(WARM_UP_FRAMES);
  screen.close();
  const of = (/** @type {string} */ name, /** @type {"compute" | "draw"} */ key) => ({
    what: `${name}, ${show(connections)} connections`,
    times: times.map((time) => time[key]),
    limit: FRAME_LIMIT_MS,
  });
  return [of("compute a frame, sorted and filtered", "compute"), of("draw it whole", "draw")];
}

/**
 * @param {Parts} parts
 * @param {number} connections
 * @param {number} repeats
 * @returns {Timed[]}
 */
function timeKeys(parts, connections, repeats) {
  const screen = new TimedScreen(parts, madeUpSnapshot(connections, 1));
  const timed = KEYS.map((key) => ({ ...key, times: /** @type {number[]} */ ([]) }));
  for (let round = 0; round < repeats; round++) {
    screen.refresh(madeUpSnapshot(connections, 2 + round));
    for (const { before = "", key, after = "", times } of timed) {
      screen.type(before);
      times.push(screen.type(key));
      screen.type(after);
    }
  }
  screen.close();
  return timed.map(({ what, times }) => ({
    what: `answer a key among ${show(connections)}: ${what}`,
    times,
    limit: KEY_LIMIT_MS,
  }));
}

/**
 * Times of the screen's own code, and what tcptop takes with the screen open at a refresh of 1 s.
 * @param {import("./main.mjs").Options} options
 */
export async function measureScreen({ backend, screen, seconds, say }) {
  const { frameConnections, keyConnections, frames, keys } = screen;
  say(`frames of ${show(frameConnections)} connections, keys among ${show(keyConnections)}`);
  const parts = await loadParts();
  const measured = [...timeFrames(parts, frameConnections, frames), ...timeKeys(parts, keyConnections, keys)];
  const times = measured.map(({ what, times, limit }) => ({
    what,
    repeats: times.length,
    median_ms: median(times),
    worst_ms: Math.max(...times),
    limit_ms: limit,
  }));
  const loads = [];
  for (const flows of screen.flowCounts) {
    say(`the screen open with ${show(flows)} active flows, ${seconds} s`);
    loads.push(await measureLoad(() => startTcptopOnTerminal(backend, SIZE), flows, seconds));
  }
  return { seconds, times, loads };
}

/** @param {Awaited<ReturnType<typeof measureScreen>>} result */
export function screenTable({ seconds, times, loads }) {
  const size = `${SIZE.columns}x${SIZE.rows}`;
  return [
    table(
      `the screen's own time at ${size}, in milliseconds`,
      ["", "repeats", "median", "worst", ""],
      times.map(({ what, repeats, median_ms, worst_ms, limit_ms }) => [
        what,
        show(repeats),
        show(median_ms, 1),
        show(worst_ms, 1),
        against(median_ms, limit_ms, "ms"),
      ]),
    ),
    table(
      `tcptop's own cost with the screen open on a terminal of ${size} at a refresh of 1 s, over ${seconds} s`,
      LOAD_HEAD,
      loads.map((load) => {
        const limit = CPU_LIMITS.get(load.flows);
        const both = load.user_percent + load.system_percent;
        return [...loadCells(load), limit ? against(both, limit, "%") : ""];
      }),
    ),
  ].join("\n");
}
