// What a prebuilt addon or broker asks of the system it runs on, and whether that is within what is promised.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { root } from "./lib.mjs";

/** The newest glibc a prebuilt may need: what Node 20 itself needs. */
export const GLIBC_CEILING = "2.28";

/** Libraries that every system with Node has (glibc's own, and zlib). */
const LIBRARIES =
  /^(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|libz\.so\.1|ld-linux-[\w-]+\.so\.[12])$/;

/** The files of an architecture: what Node loads, and what has the privileges. */
export const PREBUILT = ["tcptop.node", "tcptop-broker"];

const EXPORTS = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];

/** Symbols without a version that zlib and Node provide. */
const UNVERSIONED = /^(gz|inflate|napi_|node_api_)/;

/** @type {Record<string, string>} */
const MACHINES = { x64: "Advanced Micro Devices X86-64", arm64: "AArch64" };

/** @param {string[]} args */
function readelf(...args) {
  return execFileSync("llvm-readelf", args, { encoding: "utf8" });
}

/** @param {string} version */
function numbers(version) {
  return version.split(".").map(Number);
}

/**
 * Orders versions such as 2.9 and 2.31.
 * @param {string} a
 * @param {string} b
 */
function compareVersions(a, b) {
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The facts of a file: `needed` libraries, newest `glibc`, `exports`, and symbols nobody `provides`.
 * @param {string} file
 */
export function inspectAddon(file) {
  const needed = [...readelf("-d", file).matchAll(/NEEDED.*\[(.+)\]/g)].map(([, name = ""]) => name);
  const symbols = readelf("--dyn-syms", "-W", file)
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => /^\d+:$/.test(fields[0] ?? ""))
    .flatMap(([, , , , binding, , section, name]) =>
      name === undefined ? [] : [{ binding, section, name }],
    );
  const undefinedNames = symbols.filter(({ section }) => section === "UND");
  const versions = undefinedNames.flatMap(({ name }) => name.match(/@GLIBC_([\d.]+)/)?.[1] ?? []);
  return {
    machine: readelf("-h", file).match(/Machine: +(.+)/)?.[1],
    needed,
    glibc: versions.sort(compareVersions).at(-1),
    exports: symbols.filter(({ section }) => section !== "UND").map(({ name }) => name),
    unprovided: undefinedNames
      .filter(({ name, binding }) => binding !== "WEAK" && !name.includes("@") && !UNVERSIONED.test(name))
      .map(({ name }) => name),
  };
}

/**
 * What is wrong with a prebuilt file of an architecture, in Node's names; empty: nothing.
 * @param {string} file
 * @param {string} arch
 */
export function problemsOf(file, arch) {
  const { machine, needed, glibc, exports, unprovided } = inspectAddon(file);
  const problems = [];
  if (machine !== MACHINES[arch]) problems.push(`is for ${machine}, not ${MACHINES[arch]}`);
  for (const name of needed) if (!LIBRARIES.test(name)) problems.push(`needs ${name}`);
  if (compareVersions(glibc ?? "0", GLIBC_CEILING) > 0)
    problems.push(`needs glibc ${glibc}, newer than ${GLIBC_CEILING}`);
  const wanted = file.endsWith(".node") ? EXPORTS : [];
  if (exports.sort().join() !== wanted.join())
    problems.push(`exports ${exports.join(", ")}; ${wanted.join(" and ") || "nothing"} is wanted`);
  if (readFileSync(file).includes(root)) problems.push(`has the path of the checkout in it, ${root}`);
  for (const name of unprovided) problems.push(`nothing provides ${name}`);
  return problems;
}
