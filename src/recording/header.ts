/** The first frame of a recording: its contents, checked, whatever format they are in. */
import { DamageError } from "../base/errors.ts";
import type { HeadMember, RecordedLens } from "../core/recording.ts";
import type { Privileges } from "../platform/platform.ts";
import { byteOrder, FORMAT_VERSION, type RecordingInfo } from "./format.ts";

export interface Header {
  readonly info: RecordingInfo;
  /** Whether operations have heads without a lens: formats 1 and 2. */
  readonly isOfOneLens: boolean;
  readonly lenses: readonly RecordedLens[];
  /** Lenses that a reader must know, by their numbers. */
  readonly critical: ReadonlySet<number>;
}

/** A format that this reader does not know. The message follows `NAME is a recording `. */
export class UnknownFormat extends Error {}

/** Formats 1 and 2 had one lens, no schema, and records of these versions. */
const LAST_OF_ONE_LENS = 2;
const THE_ONE_LENS = { number: 1, id: "flows" } as const;

const MOST_TEXT = 4096;
const MOST_LENSES = 255;

/** The form of a version, which is shown as it is. */
const VERSION = /^\d[\w.+-]{0,63}$/;
const ID = /^[a-z][a-z0-9-]{0,31}$/;

function isObject(value: unknown): value is HeadMember {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MOST_TEXT;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isWhole(value: unknown, most: number): value is number {
  return isCount(value) && Number.isInteger(value) && value <= most;
}

function isStepDowns(value: unknown): value is RecordingInfo["stepDowns"] {
  const isStepDown = (item: unknown) => isObject(item) && isText(item["backend"]) && isText(item["reason"]);
  return Array.isArray(value) && value.length <= 16 && value.every(isStepDown);
}

/** A capability's name, which is shown as it is. */
const CAPABILITY = /^[\w ]{1,32}$/;
const MOST_CAPABILITIES = 64;

function isCapabilities(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= MOST_CAPABILITIES &&
    value.every((name) => typeof name === "string" && CAPABILITY.test(name))
  );
}

/** Null where the recording does not say. */
function checkedPrivileges(value: unknown): Privileges | null {
  if (value === undefined || value === null) return null;
  const rule = "a user's number, capabilities and what confines them";
  if (!isObject(value)) throw wrong("privileges", rule);
  const { uid, capabilities, brokerCapabilities, hasNoNewPrivs, hasLandlock, hasSeccomp } = value;
  if (!isWhole(uid, 0xffff_ffff) || !isCapabilities(capabilities) || !isCapabilities(brokerCapabilities))
    throw wrong("privileges", rule);
  if (
    typeof hasNoNewPrivs !== "boolean" ||
    typeof hasLandlock !== "boolean" ||
    typeof hasSeccomp !== "boolean"
  )
    throw wrong("privileges", rule);
  return { uid, capabilities, brokerCapabilities, hasNoNewPrivs, hasLandlock, hasSeccomp };
}

function wrong(field: string, rule: string): DamageError {
  return new DamageError(`field ${field} of the first frame is not ${rule}`);
}

function parseObject(text: string): HeadMember {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as HeadMember;
  } catch {
    // The error below says so.
  }
  throw new DamageError("the first frame is not a JSON object");
}

interface CheckedLens extends Omit<RecordedLens, "isLittleEndian" | "startNs"> {
  readonly isCritical: boolean;
}

function checkedLens(value: unknown): CheckedLens {
  if (!isObject(value)) throw wrong("lenses", "a list of objects");
  const { number, id, abi, isCritical, schema, facts } = value;
  if (!isWhole(number, MOST_LENSES) || number === 0)
    throw wrong("number of a lens", "a number from 1 to 255");
  if (typeof id !== "string" || !ID.test(id)) throw wrong("id of a lens", "a name");
  if (!isWhole(abi, 0xffff)) throw wrong(`abi of ${id}`, "a number from 0 to 65535");
  if (typeof isCritical !== "boolean") throw wrong(`isCritical of ${id}`, "true or false");
  if (!isObject(schema)) throw wrong(`schema of ${id}`, "an object");
  if (!isObject(facts)) throw wrong(`facts of ${id}`, "an object");
  return { number, id, abi, isCritical, schema, facts };
}

function checkedLenses(lenses: unknown): readonly CheckedLens[] {
  if (!Array.isArray(lenses) || lenses.length === 0 || lenses.length > MOST_LENSES)
    throw wrong("lenses", "a list of 1 to 255 objects");
  const checked = lenses.map(checkedLens);
  for (const of of ["number", "id"] as const) {
    const all = new Set(checked.map((lens) => lens[of]));
    if (all.size < checked.length) throw wrong("lenses", `a list of different lenses, by their ${of}`);
  }
  return checked;
}

/** The lens of formats 1 and 2. */
function onlyLens({ wire, tableSizes, udpIdleNs }: HeadMember): CheckedLens {
  if (!isWhole(wire, 0xffff)) throw wrong("wire", "a number from 0 to 65535");
  return { ...THE_ONE_LENS, abi: wire, isCritical: true, schema: null, facts: { tableSizes, udpIdleNs } };
}

/** Throws DamageError, and UnknownFormat for a format that this tcptop does not read. */
export function readHeader(text: string): Header {
  const header = parseObject(text);
  const { format, byteOrder: order, version, backend, kernel, stepDowns, startNs } = header;
  if (!isText(version) || !VERSION.test(version)) throw wrong("version", "a version");
  if (!isCount(format)) throw wrong("format", "a number");
  if (!(Number.isInteger(format) && format >= 1 && format <= FORMAT_VERSION)) {
    const known = `this tcptop reads formats up to ${FORMAT_VERSION}`;
    throw new UnknownFormat(`by tcptop ${version} in format ${format}; ${known}: use tcptop ${version}`);
  }
  const isOfOneLens = format <= LAST_OF_ONE_LENS;
  if (order !== "LE" && order !== "BE") throw wrong("byteOrder", "LE or BE");
  if (isOfOneLens && order !== byteOrder())
    throw new UnknownFormat(
      `in format ${format} from a machine with another byte order, which cannot be read`,
    );
  if (!isText(backend)) throw wrong("backend", "a text");
  if (!isText(kernel)) throw wrong("kernel", "a text");
  if (!isStepDowns(stepDowns)) throw wrong("stepDowns", "a list of backends and reasons");
  if (!isCount(startNs)) throw wrong("startNs", "a number from 0");
  const privileges = checkedPrivileges(header["privileges"]);
  const lenses = isOfOneLens ? [onlyLens(header)] : checkedLenses(header["lenses"]);
  return {
    info: { version, backend, kernel, stepDowns, startNs, ...(privileges && { privileges }) },
    isOfOneLens,
    lenses: lenses.map(({ isCritical: _, ...lens }) => ({
      ...lens,
      startNs,
      isLittleEndian: order === "LE",
    })),
    critical: new Set(lenses.flatMap(({ isCritical, number }) => (isCritical ? number : []))),
  };
}
