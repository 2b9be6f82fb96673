/** Text of /proc/net in pieces of any size: the rows must be those of a regular expression over whole lines. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { NET_TABLES, type NetTable, ProcNetParser } from "../../../src/lenses/flows/seed/proc-net.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";
import { addressText } from "../oracles/address.ts";

const NETNS = 4_026_531_840;
const MOST_LINE_BYTES = 1024;
const MOST = {
  sl: BigInt(Number.MAX_SAFE_INTEGER),
  uid: 0xffff_ffffn,
  inode: BigInt(Number.MAX_SAFE_INTEGER),
};

/** Words as the kernel prints them: numbers of this machine. */
function addressOf(words: string): string {
  const bytes = Buffer.alloc(16);
  if (words.length === 8) bytes.fill(0xff, 10, 12);
  const first = 16 - words.length / 2;
  for (let i = 0; i < words.length; i += 8) {
    const word = Number.parseInt(words.slice(i, i + 8), 16);
    if (endianness() === "LE") bytes.writeUInt32LE(word, first + i / 2);
    else bytes.writeUInt32BE(word, first + i / 2);
  }
  return addressText(bytes);
}

function rowOf(line: string, { proto, words }: NetTable): object | null {
  const address = `([0-9A-F]{${8 * words}}):([0-9A-F]{4})`;
  const match = new RegExp(
    `^ *([0-9]+): +${address} +${address} +([0-9A-F]{2}) +[^ ]+ +([0-9A-F]{2})[^ ]+ +[^ ]+ +([0-9]+) +[^ ]+ +([0-9]+) `,
  ).exec(line);
  if (match === null || line.length > MOST_LINE_BYTES) return null;
  const [, sl = "", local = "", localPort = "", remote = "", remotePort = "", st = "", tr = ""] = match;
  const [uid = "", inode = ""] = match.slice(8);
  if (BigInt(sl) > MOST.sl || BigInt(uid) > MOST.uid || BigInt(inode) > MOST.inode) return null;
  const isTimeWait = st === "05" && tr === "03";
  const state = isTimeWait ? 6 : Number.parseInt(st, 16);
  if (proto === 17 ? state !== 1 && state !== 7 : state < 1 || state > 13) return null;
  return {
    proto,
    state,
    localAddress: addressOf(local),
    localPort: Number.parseInt(localPort, 16),
    remoteAddress: addressOf(remote),
    remotePort: Number.parseInt(remotePort, 16),
    uid: Number(uid),
    inode: Number(inode),
    netns: NETNS,
    owner: null,
  };
}

function read(text: string, table: NetTable): { rows: object[]; skipped: number } {
  const lines = text.split("\n");
  const cut = lines.pop();
  const rows = lines.map((line) => rowOf(line, table));
  const [first = ""] = lines;
  const hasHeader =
    rows[0] === null && first.length <= MOST_LINE_BYTES && /^ *sl +local_address /.test(first.slice(0, 32));
  const skipped = rows.filter((row) => row === null).length - (hasHeader ? 1 : 0) + (cut === "" ? 0 : 1);
  return { rows: rows.filter((row) => row !== null), skipped };
}

/** Pieces of `text`, cut where `cuts` say; now and then an empty one. */
function* pieces(text: Uint8Array, cuts: Uint8Array): Iterable<Uint8Array> {
  let at = 0;
  for (const cut of cuts) {
    // As a file is read: every piece in the same memory.
    yield Uint8Array.from(text.subarray(at, at + cut));
    at += cut;
  }
  yield Uint8Array.from(text.subarray(at));
}

export const target: Target = {
  run(input) {
    const choices = new Choices(input);
    const table = choices.pick(NET_TABLES);
    const cuts = choices.bytes(choices.below(16));
    const bytes = choices.rest();
    const parser = new ProcNetParser(table, NETNS);
    for (const piece of pieces(bytes, cuts)) {
      parser.push(piece);
      piece.fill(0x41);
    }
    parser.end();
    const wanted = read(bytes.toString("latin1"), table);
    assert.deepEqual(parser.rows, wanted.rows);
    assert.equal(parser.linesSkipped, wanted.skipped);
  },
  maxBytes: 8192,
  dictionary: [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0\n",
    "   1: 0100007F:C350 0100007F:1F90 05 00000000:00000000 03:00000100 00000000     0        0 0 3 0\n",
    "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0\n",
    "  52: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 999 2 0 0\n",
    "0000000000000000FFFF00000100007F",
    " 4294967295 ",
    " 4294967296 ",
    " 9007199254740992 ",
    " -1 ",
    "\n",
    "\0",
    " ",
    ":",
  ],
};
