// What the screen takes: the time for a frame and for an answer to a key, and tcptop's processor time with
// the screen open on a pseudo-terminal.
import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
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

const INFO = { version: "0.0.0", backend: "fentry", kernel: "6.12.0", stepDowns: [], startedNs: 1e9 };
const FRAME_CONNECTIONS = 10_000;
const KEY_CONNECTIONS = 100_000;

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

/** The screen's parts, from the built program. */
async function loadParts() {
  const from = (path) => import(`../dist/${path}.js`);
  const [frame, { History }, { listEntries }, { initialState }, { settle, update }, keys, renderer] =
    await Promise.all([
      from("view/screen/frame"),
      from("view/screen/history"),
      from("view/screen/listing"),
      from("view/screen/state"),
      from("view/screen/update"),
      from("tui/keys"),
      from("tui/renderer"),
    ]);
  return { ...frame, History, listEntries, initialState, settle, update, ...keys, ...renderer };
}

/** A terminal that swallows everything. */
function nullTerminal() {
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const input = Object.assign(new EventEmitter(), { setRawMode() {}, resume() {}, pause() {}, write() {} });
  return { input, output: Object.assign(output, SIZE) };
}

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
    owner: { pid: 1000 + (mixed % 50), process: `worker-${mixed % 50}`, uid: 1000, cgroupId: 42n },
    state: i % 10 === 9 ? null : "ESTABLISHED",
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

/** The refresh of this number: every connection has moved, and the order by rate is another one. */
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
    totals: { bytesIn: 1e9, bytesOut: 1e8, packetsIn: 1e6, packetsOut: 1e5, rateIn: 1e7, rateOut: 1e6 },
    counts: { tcp, udp: count - tcp, byState: new Map([["ESTABLISHED", tcp]]) },
    losses: {},
  };
}

/** The screen's loop with a clock in it: each refresh and each key as one frame on a null terminal. */
class TimedScreen {
  #parts;
  #renderer;
  #keys;
  #history;
  #state;
  #snapshot = null;
  #shown = null;

  constructor(parts) {
    this.#parts = parts;
    this.#renderer = new parts.Renderer(nullTerminal(), { colors: 256, isUtf8: true });
    this.#renderer.enter();
    this.#keys = new parts.KeyDecoder();
    this.#history = new parts.History();
    this.#state = parts.initialState({ style: "human", delayS: 1, all: false, order: null });
  }

  /** Milliseconds to compute the frame of a refresh, and to draw all of it. */
  refresh(snapshot) {
    const startMs = performance.now();
    this.#snapshot = snapshot;
    this.#history.record(snapshot);
    const frame = this.#compute();
    const computedMs = performance.now();
    this.#renderer.forget();
    this.#renderer.draw(frame);
    return { compute: computedMs - startMs, draw: performance.now() - computedMs };
  }

  /** Milliseconds from keys to the frame that answers them, on the terminal. */
  type(text) {
    const startMs = performance.now();
    for (const input of this.#keys.decode(text)) {
      const context = { snapshot: this.#snapshot, ...this.#shown, helpLimit: 0 };
      this.#state = this.#parts.update(this.#state, input, context).state;
      this.#renderer.draw(this.#compute());
    }
    return performance.now() - startMs;
  }

  close() {
    this.#renderer.close();
  }

  #compute() {
    const { listEntries, settle, draw } = this.#parts;
    const [snapshot, before] = [this.#snapshot, this.#shown];
    const listing = listEntries(snapshot, this.#state, null, before?.listing);
    const state = settle(this.#state, listing, before);
    const wallMs = snapshot.timeNs / 1e6;
    const scene = {
      info: INFO,
      snapshot,
      wallMs,
      history: this.#history,
      state,
      losses: "",
      listing,
      describe: () => null,
    };
    const { frame, layout } = draw(scene, SIZE);
    this.#state = { ...state, top: layout.top };
    this.#shown = { listing, layout };
    return frame;
  }
}

const WARM_UP_FRAMES = 5;

function timeFrames(parts, repeats) {
  const screen = new TimedScreen(parts);
  screen.refresh(madeUpSnapshot(FRAME_CONNECTIONS, 1));
  screen.type(`/${FILTER}\r`);
  const times = Array.from({ length: WARM_UP_FRAMES + repeats }, (_, i) =>
    screen.refresh(madeUpSnapshot(FRAME_CONNECTIONS, 2 + i)),
  ).slice(WARM_UP_FRAMES);
  screen.close();
  const of = (name, key) => ({
    what: `${name}, ${show(FRAME_CONNECTIONS)} connections`,
    times: times.map((time) => time[key]),
    limit: FRAME_LIMIT_MS,
  });
  return [of("compute a frame, sorted and filtered", "compute"), of("draw it whole", "draw")];
}

function timeKeys(parts, repeats) {
  const screen = new TimedScreen(parts);
  const times = new Map(KEYS.map(({ key }) => [key, []]));
  for (let round = 0; round < repeats; round++) {
    screen.refresh(madeUpSnapshot(KEY_CONNECTIONS, 1 + round));
    for (const { before = "", key, after = "" } of KEYS) {
      screen.type(before);
      times.get(key).push(screen.type(key));
      screen.type(after);
    }
  }
  screen.close();
  return KEYS.map(({ key, what }) => ({
    what: `answer a key among ${show(KEY_CONNECTIONS)}: ${what}`,
    times: times.get(key),
    limit: KEY_LIMIT_MS,
  }));
}

/** Times of the screen's own code, and what tcptop takes with the screen open at a refresh of 1 s. */
export async function measureScreen({ backend, screen, seconds, say }) {
  say(`frames of ${show(FRAME_CONNECTIONS)} connections, keys among ${show(KEY_CONNECTIONS)}`);
  const parts = await loadParts();
  const measured = [...timeFrames(parts, screen.frames), ...timeKeys(parts, screen.keys)];
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
