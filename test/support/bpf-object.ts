/** The functions of a BPF object file: their instructions, and which function each of them calls. */
import { readFileSync } from "node:fs";

/** Field values of linux/bpf.h and elf.h. */
const BPF_CALL = 0x85;
const BPF_LD_IMM64 = 0x18;
const BPF_PSEUDO_CALL = 1;
const BPF_PSEUDO_FUNC = 4;
const SHN_UNDEF = 0;
const SHT_SYMTAB = 2;
const SHT_REL = 9;
const SHF_EXECINSTR = 4;
const STT_FUNC = 2;
const STB_GLOBAL = 1;
const R_BPF_64_64 = 1;
const R_BPF_64_32 = 10;

export const INSTRUCTION_BYTES = 8;

export interface Instruction {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
}

export interface BpfFunction {
  readonly name: string;
  /** Whether the kernel starts it; the others are called by functions of the object. */
  readonly isProgram: boolean;
  readonly instructions: readonly Instruction[];
  /** The functions called, one for each call in the order of the instructions. */
  readonly calls: readonly BpfFunction[];
}

interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly link: number;
  readonly info: number;
  readonly bytes: Buffer;
}

interface Symbol {
  readonly name: string;
  readonly type: number;
  readonly binding: number;
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

/** The text that ends with a zero byte. */
function textAt(bytes: Buffer, from: number): string {
  return bytes.toString("latin1", from, bytes.indexOf(0, from));
}

/** The sections of a 64-bit little-endian ELF file (elf(5)). */
function readSections(file: Buffer): Section[] {
  if (file.toString("latin1", 0, 6) !== "\x7fELF\x02\x01")
    throw new Error("no 64-bit little-endian ELF file");
  const [start, size, count] = [
    Number(file.readBigUInt64LE(40)),
    file.readUInt16LE(58),
    file.readUInt16LE(60),
  ];
  const headers = Array.from({ length: count }, (_, i) =>
    file.subarray(start + i * size, start + (i + 1) * size),
  );
  const bytesOf = (header: Buffer) => {
    const offset = Number(header.readBigUInt64LE(24));
    return file.subarray(offset, offset + Number(header.readBigUInt64LE(32)));
  };
  const namesHeader = headers[file.readUInt16LE(62)];
  if (namesHeader === undefined) throw new Error("an ELF file without names of sections");
  const names = bytesOf(namesHeader);
  return headers.map((header) => ({
    name: textAt(names, header.readUInt32LE(0)),
    type: header.readUInt32LE(4),
    flags: Number(header.readBigUInt64LE(8)),
    link: header.readUInt32LE(40),
    info: header.readUInt32LE(44),
    bytes: bytesOf(header),
  }));
}

function readSymbols(sections: readonly Section[]): Symbol[] {
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  const names = table && sections[table.link];
  if (table === undefined || names === undefined) throw new Error("an ELF file without symbols");
  return Array.from({ length: table.bytes.length / 24 }, (_, i) => {
    const entry = table.bytes.subarray(i * 24, (i + 1) * 24);
    const info = entry.readUInt8(4);
    return {
      name: textAt(names.bytes, entry.readUInt32LE(0)),
      type: info & 15,
      binding: info >> 4,
      section: entry.readUInt16LE(6),
      value: Number(entry.readBigUInt64LE(8)),
      size: Number(entry.readBigUInt64LE(16)),
    };
  });
}

function readInstructions(bytes: Buffer): Instruction[] {
  return Array.from({ length: bytes.length / INSTRUCTION_BYTES }, (_, i) => {
    const at = i * INSTRUCTION_BYTES;
    const registers = bytes.readUInt8(at + 1);
    return {
      code: bytes.readUInt8(at),
      dst: registers & 15,
      src: registers >> 4,
      off: bytes.readInt16LE(at + 2),
      imm: bytes.readInt32LE(at + 4),
    };
  });
}

/** The symbol that each place of a section refers to, by the number of its byte. */
function readReferences(sections: readonly Section[], symbols: readonly Symbol[], target: number) {
  const references = new Map<number, Symbol>();
  for (const { type, info, bytes } of sections) {
    if (type !== SHT_REL || info !== target) continue;
    for (let at = 0; at < bytes.length; at += 16) {
      const kind = bytes.readUInt32LE(at + 8);
      const symbol = symbols[bytes.readUInt32LE(at + 12)];
      if (symbol === undefined) throw new Error("a relocation without its symbol");
      if (kind === R_BPF_64_32 || kind === R_BPF_64_64) {
        references.set(Number(bytes.readBigUInt64LE(at)), symbol);
      }
    }
  }
  return references;
}

/** Reads an object that clang compiled: one function for each symbol of a function in it. */
export function readBpfFunctions(path: string): BpfFunction[] {
  const sections = readSections(readFileSync(path));
  const symbols = readSymbols(sections);
  const functions = new Map<string, { found: BpfFunction; calls: BpfFunction[]; symbol: Symbol }>();
  const place = (section: number, byte: number) => `${section}:${byte}`;
  for (const symbol of symbols) {
    const section = sections[symbol.section];
    if (symbol.type !== STT_FUNC || section === undefined || (section.flags & SHF_EXECINSTR) === 0) continue;
    const bytes = section.bytes.subarray(symbol.value, symbol.value + symbol.size);
    const calls: BpfFunction[] = [];
    const found = {
      name: symbol.name,
      isProgram: symbol.binding === STB_GLOBAL && section.name !== ".text",
      instructions: readInstructions(bytes),
      calls,
    };
    functions.set(place(symbol.section, symbol.value), { found, calls, symbol });
  }

  for (const { found, calls, symbol } of functions.values()) {
    const references = readReferences(sections, symbols, symbol.section);
    for (const [i, { code, src, imm }] of found.instructions.entries()) {
      const isCall = code === BPF_CALL && src === BPF_PSEUDO_CALL;
      const isCallback = code === BPF_LD_IMM64 && src === BPF_PSEUDO_FUNC;
      if (!isCall && !isCallback) continue;
      // The number of an instruction counts from the symbol that is referred to, or from the call itself.
      const at = symbol.value + i * INSTRUCTION_BYTES;
      const to = references.get(at);
      // A function of the kernel.
      if (to?.section === SHN_UNDEF) continue;
      const byte = isCall
        ? (to?.value ?? at) + (imm + 1) * INSTRUCTION_BYTES
        : (to?.value ?? at + INSTRUCTION_BYTES) + imm;
      const callee = functions.get(place(to?.section ?? symbol.section, byte));
      if (callee === undefined) throw new Error(`${found.name}: instruction ${i} calls no function`);
      calls.push(callee.found);
    }
  }
  return [...functions.values()].map(({ found }) => found);
}
