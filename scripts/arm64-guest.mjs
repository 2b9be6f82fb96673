// What an arm64 guest of test/kernels/vm-run is made of on an x86-64 host: a root file system of Debian's packages,
// and what of the checkout is for one architecture: the addon as the packages carry it, the tests' programs and
// npm's packages.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Apt } from "./debian.mjs";
import { PREBUILT } from "./inspect-addon.mjs";
import { isFresh, must, root, say } from "./lib.mjs";
import { BUILD_PACKAGES, buildPrebuilt, TARGETS } from "./prebuilt.mjs";
import { missingPackages } from "./setup.mjs";

const ARCH = "arm64";

/** Its nodejs is one that tcptop runs with. */
const SUITE = "trixie";
/** Nothing is configured: what is named here, and what it depends on, is unpacked. */
const PACKAGES = [
  ...["base-passwd", "bash", "busybox-static", "coreutils", "dash", "grep", "iproute2", "kmod", "mount"],
  ...["nftables", "nodejs", "procps", "sed", "util-linux"],
  // For the compiler, which runs on the host.
  ...["libc6-dev", "libgcc-14-dev"],
];
/** What the host needs to run the guest. */
const GUEST_PACKAGES = ["qemu-system-arm", "kmod", "python3", "zstd", "debian-archive-keyring"];

const WORK = join(root, "build/arm64");
const OVER = join(WORK, "over");

/** Why no guest can be made here, or null. */
export function cannotMakeGuest() {
  if (process.platform !== "linux" || process.arch !== "x64") return "needs an x86-64 host with Linux";
  const missing = missingPackages([...GUEST_PACKAGES, ...BUILD_PACKAGES]);
  if (missing.length === 0) return null;
  return `missing: apt-get install --no-install-recommends ${missing.join(" ")}`;
}

/** The root file system, made at the first use and kept beside the kernels. */
function fetchRoot() {
  const cache = process.env["TCPTOP_KERNEL_CACHE"] || join(homedir(), ".cache/tcptop-kernels");
  const recipe = createHash("sha256").update([SUITE, ...PACKAGES].join());
  const folder = join(cache, `root-${ARCH}.${recipe.digest("hex").slice(0, 8)}`);
  if (existsSync(folder)) return folder;
  say(`arm64: fetching a root of ${SUITE}`);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, `root-${ARCH}.unfinished-`));
  try {
    const unfinished = join(work, "root");
    const apt = new Apt(join(work, "apt"), { suite: SUITE, kind: "deb", arch: TARGETS[ARCH].debian });
    apt.unpackWhole(PACKAGES, unfinished);
    for (const name of ["passwd", "group"]) {
      const master = join(unfinished, `usr/share/base-passwd/${name}.master`);
      copyFileSync(master, join(unfinished, "etc", name));
    }
    renameSync(unfinished, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

/** @param {string} sysroot */
function buildTraffic(sysroot) {
  say("arm64: building the traffic program");
  const folder = join(OVER, "build/cmake");
  rmSync(folder, { recursive: true, force: true });
  const settings = {
    CMAKE_TOOLCHAIN_FILE: join(root, "packaging/toolchain.cmake"),
    CMAKE_BUILD_TYPE: "Release",
    CMAKE_RULE_MESSAGES: "OFF",
    TCPTOP_TRIPLE: TARGETS[ARCH].triple,
    TCPTOP_SYSROOT: sysroot,
  };
  const given = Object.entries(settings).map(([key, value]) => `-D${key}=${value}`);
  must("cmake", ["-S", "test/traffic", "-B", folder, "--log-level=WARNING", ...given]);
  must("cmake", ["--build", folder, "--", "--quiet"]);
}

function installNpmPackages() {
  for (const name of ["package.json", "package-lock.json"]) copyFileSync(join(root, name), join(OVER, name));
  if (isFresh(join(OVER, "node_modules/.package-lock.json"), join(root, "package-lock.json"))) return;
  say("arm64: installing npm packages");
  const target = ["--os=linux", `--cpu=${ARCH}`, "--libc=glibc"];
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  must("npm", ["ci", "--ignore-scripts", ...target, ...quiet], { cwd: OVER });
}

/** Makes all of it; the guest's root, and the folder of what it sees above the checkout. Throws what cannot be fetched. */
export function makeGuest() {
  mkdirSync(OVER, { recursive: true });
  const folder = fetchRoot();
  buildPrebuilt([ARCH]);
  buildTraffic(folder);
  mkdirSync(join(OVER, "build/cmake/Release"));
  for (const name of PREBUILT)
    copyFileSync(join(root, `prebuilds/linux-${ARCH}`, name), join(OVER, "build/cmake/Release", name));
  installNpmPackages();
  return { root: folder, over: OVER };
}
