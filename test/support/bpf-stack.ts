/** How much of the verifier's stack the functions of a BPF object take, and the chains of their calls. */
import type { BpfFunction, Instruction } from "./bpf-object.ts";

/** Classes and operations of instructions (linux/bpf_common.h, linux/bpf.h). */
const CLASS_LDX = 1;
const CLASS_ST = 2;
const CLASS_STX = 3;
const CLASS_ALU = 4;
const CLASS_JMP = 5;
const CLASS_JMP32 = 6;
const CLASS_ALU64 = 7;
const SIZE_DW = 0x18;
const MODE_MEM = 0x60;
const LD_IMM64 = 0x18;
const JA = 0x05;
const JA32 = 0x06;
const CALL = 0x85;
const EXIT = 0x95;
const MOV_REGISTER = 0xbf;
const ADD_REGISTER = 0x0f;
const ADD_NUMBER = 0x07;
const SUB_NUMBER = 0x17;
const FRAME_POINTER = 10;
const REGISTER_BYTES = 8;

/** MAX_BPF_STACK: no offset goes further down. */
const MAX_STACK = 512;

/**
 * What registers and spilled registers hold: the lowest offset from the frame pointer that it may be, or
 * nothing for what is no pointer into the function's own frame.
 */
class State {
  readonly #registers: (number | undefined)[];
  readonly #spilled: Map<number, number>;

  private constructor(registers: readonly (number | undefined)[], spilled: ReadonlyMap<number, number>) {
    this.#registers = [...registers];
    this.#spilled = new Map(spilled);
  }

  static atStart(): State {
    const state = new State([], new Map());
    state.set(FRAME_POINTER, 0);
    return state;
  }

  copy(): State {
    return new State(this.#registers, this.#spilled);
  }

  get(register: number): number | undefined {
    return this.#registers[register];
  }

  set(register: number, offset: number | undefined): void {
    this.#registers[register] = offset;
  }

  spill(at: number, offset: number | undefined): void {
    if (offset === undefined) this.#spilled.delete(at);
    else this.#spilled.set(at, offset);
  }

  fill(at: number): number | undefined {
    return this.#spilled.get(at);
  }

  /** Takes in what another way to the same instruction leaves; says whether that is anything new. */
  join(other: State): boolean {
    let isNew = false;
    const isLower = (offset: number | undefined, known: number | undefined): offset is number =>
      offset !== undefined && (known === undefined || offset < known);
    for (let register = 0; register <= FRAME_POINTER; register++) {
      const offset = other.get(register);
      if (!isLower(offset, this.get(register))) continue;
      this.set(register, offset);
      isNew = true;
    }
    for (const [at, offset] of other.#spilled) {
      if (!isLower(offset, this.fill(at))) continue;
      this.spill(at, offset);
      isNew = true;
    }
    return isNew;
  }
}

/** Executes one instruction on the state, and returns the lowest offset that it reaches or computes. */
function execute({ code, dst, src, off, imm }: Instruction, state: State): number {
  const kind = code & 7;
  const own = state.get(dst);
  const from = state.get(src);
  if (kind === CLASS_LDX) {
    const at = from === undefined ? undefined : from + off;
    state.set(dst, at === undefined || (code & SIZE_DW) !== SIZE_DW ? undefined : state.fill(at));
    return at ?? 0;
  }
  if (kind === CLASS_ST || kind === CLASS_STX) {
    if (own === undefined) return 0;
    const isWhole = code === (CLASS_STX | SIZE_DW | MODE_MEM);
    state.spill(own + off, isWhole ? from : undefined);
    return own + off;
  }
  if (kind === CLASS_ALU || kind === CLASS_ALU64) {
    let result: number | undefined;
    if (code === MOV_REGISTER && off === 0) result = from;
    else if (code === ADD_NUMBER && own !== undefined) result = own + imm;
    else if (code === SUB_NUMBER && own !== undefined) result = own - imm;
    // An index into an array counts from the array's start upwards.
    else if (code === ADD_REGISTER) result = own ?? from;
    state.set(dst, result);
    return result ?? 0;
  }
  if (code === CALL) for (let register = 0; register <= 5; register++) state.set(register, undefined);
  else if (code === LD_IMM64) state.set(dst, undefined);
  return 0;
}

/** The instructions that may follow this one. */
function following({ code, off, imm }: Instruction, at: number): number[] {
  if (code === EXIT) return [];
  if (code === LD_IMM64) return [at + 2];
  if (code === JA) return [at + 1 + off];
  if (code === JA32) return [at + 1 + imm];
  const isJump = (code & 7) === CLASS_JMP || (code & 7) === CLASS_JMP32;
  return isJump && code !== CALL ? [at + 1, at + 1 + off] : [at + 1];
}

/** Bytes of a function's own frame, in whole registers: how far down it reads, writes, or passes a pointer. */
export function frameBytes({ name, instructions }: BpfFunction): number {
  const before = new Map([[0, State.atStart()]]);
  const open = [0];
  let lowest = 0;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const instruction = instructions[at];
    const state = before.get(at)?.copy();
    if (instruction === undefined || state === undefined) throw new Error(`${name}: no instruction ${at}`);
    lowest = Math.min(lowest, execute(instruction, state));
    if (lowest < -MAX_STACK) throw new Error(`${name}: instruction ${at} is outside any stack`);
    for (const next of following(instruction, at)) {
      const known = before.get(next);
      if (known === undefined) before.set(next, state.copy());
      else if (!known.join(state)) continue;
      open.push(next);
    }
  }
  return REGISTER_BYTES * Math.ceil(Math.abs(lowest) / REGISTER_BYTES);
}

/** The functions of a program in the order in which libbpf puts them into it: each where it is first called. */
export function functionsOf(program: BpfFunction): BpfFunction[] {
  const found = new Set<BpfFunction>();
  const add = (called: BpfFunction) => {
    if (found.has(called)) return;
    found.add(called);
    called.calls.forEach(add);
  };
  add(program);
  return [...found];
}

/** Every chain of calls that starts at a program. The verifier refuses functions that call themselves. */
export function callChains(program: BpfFunction): BpfFunction[][] {
  const chains: BpfFunction[][] = [];
  const follow = (chain: BpfFunction[], called: BpfFunction) => {
    if (chain.includes(called)) throw new Error(`${called.name} calls itself`);
    const longer = [...chain, called];
    chains.push(longer);
    for (const next of new Set(called.calls)) follow(longer, next);
  };
  follow([], program);
  return chains;
}

/**
 * Bytes that a chain of calls takes of the verifier's 512. Kernels before 6.9, and later ones without a JIT, round
 * each frame up to 32 bytes (round_up_stack_depth() in kernel/bpf/verifier.c).
 */
export function chainBytes(chain: readonly BpfFunction[]): number {
  return chain.reduce((bytes, called) => bytes + 32 * Math.ceil(Math.max(frameBytes(called), 1) / 32), 0);
}
