// Time from exec to the first record on stdout: probes attached, existing sockets and their owners read.
import { against, median, show, table } from "./numbers.mjs";
import { Ended, startTcptop, startTool } from "./processes.mjs";

/** Milliseconds, with no more sockets than the machine has anyway. */
const LIMIT_MS = 500;

/** The load ends by itself after this, should this process die. */
const LOAD_S = 120;

/**
 * @typedef {object} FirstRecord
 * @property {number} sockets
 * @property {number} repeats
 * @property {number | null} median_ms
 * @property {number | null} min_ms
 * @property {number | null} max_ms
 * @property {string | null} error
 */

/**
 * @param {string} backend
 * @param {number} sockets
 * @param {number} repeats
 * @returns {Promise<FirstRecord>}
 */
async function measureWith(backend, sockets, repeats) {
  const load = sockets > 0 ? await startTool("flows", sockets, LOAD_S, "idle") : null;
  const times = [];
  for (let run = 0; run < repeats; run++) {
    const tcptop = await startTcptop(backend);
    times.push(tcptop.firstRecordMs);
    await tcptop.end();
  }
  await load?.end();
  return {
    sockets,
    repeats,
    median_ms: median(times),
    min_ms: Math.min(...times),
    max_ms: Math.max(...times),
    error: null,
  };
}

/**
 * Milliseconds with each number of additional idle sockets open; what the machine does not allow says why.
 * @param {import("./main.mjs").Options} options
 */
export async function measureFirstRecord({ backend, socketCounts, say }) {
  const results = [];
  for (const { sockets, repeats } of socketCounts) {
    say(`time to the first record, ${show(sockets)} sockets, ${repeats} runs`);
    try {
      results.push(await measureWith(backend, sockets, repeats));
    } catch (error) {
      if (!(error instanceof Ended) || sockets === 0) throw error;
      results.push({ sockets, repeats, median_ms: null, min_ms: null, max_ms: null, error: error.message });
    }
  }
  return results;
}

/** @param {readonly FirstRecord[]} results */
export function firstRecordTable(results) {
  return table(
    "From exec to the first record, in ms, by sockets open besides",
    ["sockets", "runs", "median", "least", "most", ""],
    results.map(({ sockets, repeats, median_ms, min_ms, max_ms, error }) => [
      show(sockets),
      show(repeats),
      show(median_ms),
      show(min_ms),
      show(max_ms),
      error ?? (sockets === 0 && median_ms !== null ? against(median_ms, LIMIT_MS, "ms") : ""),
    ]),
  );
}
