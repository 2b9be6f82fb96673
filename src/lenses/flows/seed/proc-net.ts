/** Parses the text of /proc/net/{tcp,tcp6,udp,udp6}; formats: get_tcp4_sock() and its likes in net/ipv{4,6}. */
import { ADDRESS_BYTES, formatAddress } from "../../../base/address.ts";
import { TCP_STATES } from "../connection.ts";
import { IPPROTO_TCP, IPPROTO_UDP, type SeedEntry } from "../record.ts";

/** A socket of /proc/net. Its owner is not there and is filled in later. */
export type SocketRow = Omit<SeedEntry, "owner"> & { owner: SeedEntry["owner"] };

export interface NetTable {
  readonly file: string;
  readonly proto: SeedEntry["proto"];
  /** 32-bit words of an address. */
  readonly words: 1 | 4;
}

export const NET_TABLES: readonly NetTable[] = [
  { file: "tcp", proto: IPPROTO_TCP, words: 1 },
  { file: "tcp6", proto: IPPROTO_TCP, words: 4 },
  { file: "udp", proto: IPPROTO_UDP, words: 1 },
  { file: "udp6", proto: IPPROTO_UDP, words: 4 },
];

const ESTABLISHED = TCP_STATES.indexOf("ESTABLISHED");
const FIN_WAIT2 = TCP_STATES.indexOf("FIN_WAIT2");
const TIME_WAIT = TCP_STATES.indexOf("TIME_WAIT");
const CLOSE = TCP_STATES.indexOf("CLOSE");

/** `tr` of a socket that is only a struct inet_timewait_sock any more, FIN_WAIT2 among them. */
const TIMER_TIME_WAIT = 3;

/** Longer lines cannot come from the kernel: the longest format has less than 300 bytes. */
const MAX_LINE_BYTES = 1024;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;
const UPPER_A = 0x41;
const UPPER_F = 0x46;

/** Reads one line from left to right. After the first thing that does not fit, `isBroken` stays true. */
class LineScanner {
  isBroken = false;
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #end = 0;

  start(bytes: Uint8Array, from: number, end: number): void {
    this.isBroken = false;
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  #peek(): number {
    return this.#at < this.#end ? (this.#bytes[this.#at] ?? NEWLINE) : NEWLINE;
  }

  /** Any number of spaces. */
  indent(): void {
    while (this.#peek() === SPACE) this.#at++;
  }

  /** One or more spaces. */
  gap(): void {
    this.take(SPACE);
    this.indent();
  }

  take(byte: number): void {
    if (this.#peek() === byte) this.#at++;
    else this.isBroken = true;
  }

  /** Anything but spaces. */
  word(): void {
    const from = this.#at;
    while (this.#peek() !== SPACE && this.#peek() !== NEWLINE) this.#at++;
    if (this.#at === from) this.isBroken = true;
  }

  /** Exactly `digits` upper-case hexadecimal digits, at most 8. */
  hex(digits: number): number {
    let value = 0;
    for (let i = 0; i < digits; i++, this.#at++) {
      const byte = this.#peek();
      if (byte >= ZERO && byte <= NINE) value = value * 16 + (byte - ZERO);
      else if (byte >= UPPER_A && byte <= UPPER_F) value = value * 16 + (byte - UPPER_A + 10);
      else this.isBroken = true;
    }
    return value;
  }

  /** A decimal number up to `max`. */
  decimal(max: number): number {
    const from = this.#at;
    let value = 0;
    for (let byte = this.#peek(); byte >= ZERO && byte <= NINE && value <= max; byte = this.#peek()) {
      value = value * 10 + (byte - ZERO);
      this.#at++;
    }
    if (this.#at === from || value > max) this.isBroken = true;
    return value;
  }
}

/**
 * An address column: the words as the kernel holds them in memory, printed as numbers of this machine.
 * Neighbouring lines often have the same address, whose text is then kept.
 */
class AddressColumn {
  readonly #words = new Uint32Array(ADDRESS_BYTES / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #count: number;
  #text: string | null = null;

  constructor(count: NetTable["words"]) {
    this.#count = count;
    if (count === 1) this.#bytes.fill(0xff, 10, 12);
  }

  scan(line: LineScanner): void {
    for (let i = 4 - this.#count; i < 4; i++) {
      const word = line.hex(8);
      if (word === this.#words[i]) continue;
      this.#words[i] = word;
      this.#text = null;
    }
  }

  text(): string {
    this.#text ??= formatAddress(this.#bytes);
    return this.#text;
  }
}

/** Takes the text of one table piece by piece. Every line is a row, the header, or counted in `linesSkipped`. */
export class ProcNetParser {
  readonly rows: SocketRow[] = [];
  linesSkipped = 0;
  readonly #table: NetTable;
  readonly #netns: number;
  readonly #line = new LineScanner();
  readonly #local: AddressColumn;
  readonly #remote: AddressColumn;
  /** The beginning of a line whose end is in a later chunk. */
  readonly #carry = new Uint8Array(MAX_LINE_BYTES);
  #carried = 0;
  #isTooLong = false;
  #isFirstLine = true;

  constructor(table: NetTable, netns: number) {
    this.#table = table;
    this.#netns = netns;
    this.#local = new AddressColumn(table.words);
    this.#remote = new AddressColumn(table.words);
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#endLine(chunk, start, end);
      start = end + 1;
    }
    this.#keep(chunk, start, chunk.length);
  }

  /** After the last piece. A line without its newline is cut off and not used. */
  end(): void {
    if (this.#carried > 0 || this.#isTooLong) this.linesSkipped++;
    this.#carried = 0;
    this.#isTooLong = false;
  }

  #keep(chunk: Uint8Array, start: number, end: number): void {
    if (this.#carried + end - start > MAX_LINE_BYTES) this.#isTooLong = true;
    if (this.#isTooLong) return;
    this.#carry.set(chunk.subarray(start, end), this.#carried);
    this.#carried += end - start;
  }

  #endLine(chunk: Uint8Array, start: number, end: number): void {
    if (this.#carried === 0 && !this.#isTooLong && end - start <= MAX_LINE_BYTES) {
      this.#parseLine(chunk, start, end);
      return;
    }
    this.#keep(chunk, start, end);
    if (this.#isTooLong) this.linesSkipped++;
    else this.#parseLine(this.#carry, 0, this.#carried);
    this.#isFirstLine = false;
    this.#carried = 0;
    this.#isTooLong = false;
  }

  #parseLine(bytes: Uint8Array, from: number, end: number): void {
    const isFirstLine = this.#isFirstLine;
    this.#isFirstLine = false;
    const row = this.#parseRow(bytes, from, end);
    if (row !== null) this.rows.push(row);
    else if (!isFirstLine || !isHeader(bytes, from, end)) this.linesSkipped++;
  }

  #parseRow(bytes: Uint8Array, from: number, end: number): SocketRow | null {
    const line = this.#line;
    line.start(bytes, from, end);
    line.indent();
    line.decimal(Number.MAX_SAFE_INTEGER);
    line.take(COLON);
    line.gap();
    this.#local.scan(line);
    line.take(COLON);
    const localPort = line.hex(4);
    line.gap();
    this.#remote.scan(line);
    line.take(COLON);
    const remotePort = line.hex(4);
    line.gap();
    const printedState = line.hex(2);
    line.gap();
    line.word();
    line.gap();
    const timer = line.hex(2);
    line.word();
    line.gap();
    line.word();
    line.gap();
    const uid = line.decimal(0xffff_ffff);
    line.gap();
    line.word();
    line.gap();
    const inode = line.decimal(Number.MAX_SAFE_INTEGER);
    line.gap();
    const state = printedState === FIN_WAIT2 && timer === TIMER_TIME_WAIT ? TIME_WAIT : printedState;
    if (line.isBroken || !this.#canHave(state)) return null;
    return {
      proto: this.#table.proto,
      state,
      localAddress: this.#local.text(),
      localPort,
      remoteAddress: this.#remote.text(),
      remotePort,
      uid,
      inode,
      netns: this.#netns,
      owner: null,
    };
  }

  #canHave(state: number): boolean {
    if (this.#table.proto === IPPROTO_UDP) return state === ESTABLISHED || state === CLOSE;
    return state > 0 && state < TCP_STATES.length;
  }
}

/** `  sl  local_address rem_address ...` */
function isHeader(bytes: Uint8Array, from: number, end: number): boolean {
  return /^ *sl +local_address /.test(String.fromCharCode(...bytes.subarray(from, Math.min(end, from + 32))));
}
