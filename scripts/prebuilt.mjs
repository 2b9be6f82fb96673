// `npm run build:prebuilt [-- --arch x64]`: the addons of the package, for x64 and arm64. Clang links them
// against the oldest Debian that tcptop's kernels come from, with libbpf and libelf inside.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Apt } from "./debian.mjs";
import { inspectAddon, PREBUILT, problemsOf } from "./inspect-addon.mjs";
import { must, root, say } from "./lib.mjs";
import { installSystemPackages } from "./setup.mjs";

/** By Node's name of the architecture. */
export const TARGETS = {
  x64: { debian: "amd64", triple: "x86_64-linux-gnu" },
  arm64: { debian: "arm64", triple: "aarch64-linux-gnu" },
};

/** @typedef {keyof typeof TARGETS} Arch */

export const ARCHS = /** @type {Arch[]} */ (Object.keys(TARGETS));

/**
 * An architecture by its name; ends the process where it is not one of ours.
 * @param {string} name
 * @returns {Arch}
 */
export function archOf(name) {
  const found = ARCHS.find((arch) => arch === name);
  if (found !== undefined) return found;
  say(`prebuilt: '${name}' is not one of ${ARCHS.join(", ")}`);
  return process.exit(64);
}

/** Its kernel is the oldest that tcptop runs on; no system with that has an older glibc than Node asks for. */
const ROOT_SUITE = "bullseye";
const ROOT_PACKAGES = [
  ...["libc6", "libc6-dev", "linux-libc-dev", "libcrypt-dev", "libgcc-s1", "libgcc-10-dev"],
  ...["libstdc++6", "libstdc++-10-dev", "zlib1g", "zlib1g-dev"],
];

const SOURCE_SUITE = "bookworm";
const SOURCE_PACKAGES = ["libbpf", "elfutils"];

const WORK = join(root, "build/prebuilt");

const CFLAGS = [
  ...["-O2", "-fPIC", "-ffunction-sections", "-fdata-sections", "-fstack-protector-strong", "-w"],
  ...["-D_FORTIFY_SOURCE=2", `-ffile-prefix-map=${WORK}=.`],
].join(" ");

/** Debian packages that the host needs for it. */
export const BUILD_PACKAGES = [
  ...["clang", "lld", "llvm", "cmake", "make", "gcc", "libc6-dev", "m4", "gawk"],
  ...["dpkg-dev", "debian-archive-keyring"],
];

/**
 * @param {string} folder
 * @param {string} command
 * @param {readonly string[]} args
 */
function runIn(folder, command, args) {
  try {
    execFileSync(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
  } catch (error) {
    const { stdout = "", stderr = "" } = /** @type {{ stdout?: Buffer, stderr?: Buffer }} */ (error);
    say(`${stdout}${stderr}`);
    throw new Error(`${command} failed in ${folder}`);
  }
}

/**
 * Makes a folder once: `make` fills it, under another name until it is whole.
 * @param {string} name
 * @param {(folder: string) => void} make
 */
function once(name, make) {
  const folder = join(WORK, name);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  make(unfinished);
  renameSync(unfinished, folder);
  return folder;
}

function fetchSources() {
  return once("sources", (folder) => {
    say(`prebuilt: fetching the sources of ${SOURCE_PACKAGES.join(" and ")} (${SOURCE_SUITE})`);
    const apt = new Apt(join(WORK, "apt-sources"), { suite: SOURCE_SUITE, kind: "deb-src", arch: "amd64" });
    const found = apt.sources(SOURCE_PACKAGES);
    for (const [i, from] of found.entries()) renameSync(from, join(folder, SOURCE_PACKAGES[i] ?? ""));
  });
}

/** @param {Arch} arch */
function fetchRoot(arch) {
  return once(`root-${arch}`, (folder) => {
    const { debian } = TARGETS[arch];
    say(`prebuilt: fetching a root of ${ROOT_SUITE}, ${debian}`);
    const apt = new Apt(join(WORK, `apt-${debian}`), { suite: ROOT_SUITE, kind: "deb", arch: debian });
    apt.unpack(ROOT_PACKAGES, folder);
  });
}

/**
 * libelf.a, libbpf.a and their headers.
 * @param {Arch} arch
 * @param {string} sources
 * @param {string} sysroot
 */
function buildLibraries(arch, sources, sysroot) {
  return once(`lib-${arch}`, (folder) => {
    say(`prebuilt: building libelf and libbpf for ${arch}`);
    const { triple } = TARGETS[arch];
    const tools = ["AR=llvm-ar", "RANLIB=llvm-ranlib"];
    const clang = `clang --target=${triple} --sysroot=${sysroot}`;
    const elf = join(WORK, `elfutils-${arch}`);
    rmSync(elf, { recursive: true, force: true });
    mkdirSync(elf, { recursive: true });
    runIn(elf, join(sources, "elfutils/configure"), [
      ...[`--host=${triple}`, "--disable-debuginfod", "--disable-libdebuginfod", "--disable-nls"],
      ...["--without-bzlib", "--without-lzma", "--without-zstd", "--disable-dependency-tracking"],
      ...["--enable-maintainer-mode=no", `CC=${clang}`, `CXX=${clang.replace("clang", "clang++")}`],
      ...["LDFLAGS=-fuse-ld=lld", `CFLAGS=${CFLAGS}`, ...tools],
    ]);
    const jobs = `-j${availableParallelism()}`;
    runIn(elf, "make", ["-s", jobs, "-C", "lib"]);
    runIn(elf, "make", ["-s", jobs, "-C", "libelf", "libelf_pic.a"]);
    mkdirSync(join(folder, "include"));
    copyFileSync(join(elf, "libelf/libelf_pic.a"), join(folder, "libelf.a"));
    for (const header of ["libelf.h", "gelf.h"])
      copyFileSync(join(sources, "elfutils/libelf", header), join(folder, "include", header));

    const bpf = join(WORK, `libbpf-${arch}`);
    rmSync(bpf, { recursive: true, force: true });
    mkdirSync(bpf);
    runIn(join(sources, "libbpf/src"), "make", [
      ...["-s", jobs, `OBJDIR=${bpf}`, "BUILD_STATIC_ONLY=y", "NO_PKG_CONFIG=y", `CC=${clang}`, ...tools],
      ...[`CFLAGS=${CFLAGS} -I${folder}/include`, "PREFIX=", `DESTDIR=${folder}`, "LIBSUBDIR=."],
      ...["install", "install_uapi_headers"],
    ]);
  });
}

/**
 * The folder with the addon and the broker.
 * @param {Arch} arch
 * @param {string} libraries
 * @param {string} sysroot
 */
function buildNative(arch, libraries, sysroot) {
  say(`prebuilt: building the addon and the broker for ${arch}`);
  const out = `build/prebuilt/cmake-${arch}`;
  const settings = {
    CMAKE_TOOLCHAIN_FILE: join(root, "packaging/toolchain.cmake"),
    TCPTOP_TRIPLE: TARGETS[arch].triple,
    TCPTOP_SYSROOT: sysroot,
    TCPTOP_STATIC_LIBBPF: "ON",
    TCPTOP_LIBBPF_DIR: libraries,
  };
  const given = Object.entries(settings).map(([key, value]) => `--CD${key}=${value}`);
  must("npx", [
    ...["--no-install", "cmake-js", "build", "--out", out, "--arch", arch, "--log-level", "error"],
    ...["--silent", ...given],
  ]);
  return join(root, out, "Release");
}

/** What the folders of WORK were made by: when it changes they are made anew. */
function recipe() {
  return createHash("sha256")
    .update(readFileSync(new URL(import.meta.url)))
    .update(readFileSync(new URL("debian.mjs", import.meta.url)))
    .digest("hex");
}

/** Builds the files of prebuilds/linux-ARCH for each architecture, and ends the process if one is not as promised. */
export function buildPrebuilt(archs = ARCHS) {
  installSystemPackages(BUILD_PACKAGES);
  const stamp = join(WORK, "recipe");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== recipe()) {
    rmSync(WORK, { recursive: true, force: true });
    mkdirSync(WORK, { recursive: true });
    writeFileSync(stamp, recipe());
  }
  const sources = fetchSources();
  for (const arch of archs) {
    const sysroot = fetchRoot(arch);
    const built = buildNative(arch, buildLibraries(arch, sources, sysroot), sysroot);
    const folder = join(root, `prebuilds/linux-${arch}`);
    mkdirSync(folder, { recursive: true });
    for (const name of PREBUILT) {
      const file = join(built, name);
      const problems = problemsOf(file, arch);
      for (const problem of problems) say(`prebuilt: linux-${arch}: ${name}: ${problem}`);
      if (problems.length > 0) process.exit(1);
      copyFileSync(file, join(folder, name));
      const { needed, glibc } = inspectAddon(file);
      const size = statSync(file).size;
      say(`prebuilt: linux-${arch}: ${name}, ${size} bytes, glibc ${glibc} or later, ${needed.join(" ")}`);
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { arch } = parseArgs({ options: { arch: { type: "string", multiple: true } } }).values;
  buildPrebuilt(arch?.map(archOf));
}
