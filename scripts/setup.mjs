// Makes a checkout ready: system packages, npm packages, build. Does only what is missing.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isFresh, must, output, root, run, say } from "./lib.mjs";

/** Debian and Ubuntu packages for building, and what the tests need besides. */
const BUILD_PACKAGES = ["clang", "llvm", "cmake", "make", "g++", "pkg-config", "libbpf-dev"];
const TEST_PACKAGES = ["clang-format", "iproute2", "nftables", "mandoc", "zsh", "fish", "jq", "python3"];

/** For stock kernels in a VM; see test/kernels/vm-run. */
const GUEST_PACKAGES = [
  "qemu-system-x86",
  "busybox-static",
  "kmod",
  "python3",
  "zstd",
  "debian-archive-keyring",
];

/**
 * What each package is needed for, to check on systems without dpkg.
 * @type {Record<string, string>}
 */
const COMMANDS = {
  clang: "clang",
  llvm: "llvm-strip",
  cmake: "cmake",
  make: "make",
  "g++": "g++",
  "pkg-config": "pkg-config",
};

/** @param {string} name */
function isInstalled(name) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own syntax
  return output("dpkg-query", ["-W", "-f=${Status}", name]).includes("install ok installed");
}

function hasApt() {
  return existsSync("/usr/bin/dpkg-query") && existsSync("/usr/bin/apt-get");
}

/** @param {readonly string[]} names */
export function missingPackages(names) {
  return names.filter((name) => !isInstalled(name));
}

/**
 * Installs the Debian packages that are missing, by sudo if need be. `execute` is must(), or run() where it may fail.
 * @param {readonly string[]} names
 * @param {typeof must | typeof run} execute
 */
export function installSystemPackages(names, execute = must) {
  const missing = missingPackages(names);
  if (missing.length === 0) return;
  const isRoot = process.geteuid?.() === 0;
  const command = isRoot ? "apt-get" : "sudo";
  const first = isRoot ? [] : ["apt-get"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  say(`setup: installing the system packages ${missing.join(", ")}`);
  execute(command, [...first, "update", "-q"], { env });
  execute(command, [...first, "install", "-q", "-y", "--no-install-recommends", ...missing], { env });
}

/** @param {readonly string[]} names */
function checkTools(names) {
  const missing = names.filter((name) => {
    const command = COMMANDS[name];
    return command !== undefined && output("which", [command]) === "";
  });
  if (run("pkg-config", ["--atleast-version=1.1", "libbpf"]) !== 0)
    missing.push("libbpf 1.1 or later with its headers");
  if (missing.length === 0) return;
  say(`setup: please install ${missing.join(", ")} with your system's package manager`);
  process.exit(69);
}

/**
 * Brings the checkout up to date. `tests`: with what the tests need; `guests`: with what VMs need. Packages of
 * VMs and those in `more` may be missing afterwards: who uses them says so.
 * @param {{ tests?: boolean, guests?: boolean, more?: readonly string[] }} options
 */
export function setup({ tests = false, guests = false, more = [] } = {}) {
  if (process.platform === "linux") {
    const names = tests ? [...BUILD_PACKAGES, ...TEST_PACKAGES] : BUILD_PACKAGES;
    if (hasApt()) {
      installSystemPackages(names);
      installSystemPackages([...more, ...(guests ? GUEST_PACKAGES : [])], run);
    } else checkTools(names);
  }
  if (!isFresh(join(root, "node_modules/.package-lock.json"), join(root, "package-lock.json"))) {
    say("setup: installing npm packages");
    must("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  }
  const cache = join(root, "build/cmake/CMakeCache.txt");
  if (isFresh(cache, join(root, "CMakeLists.txt"))) {
    must("cmake", ["--build", "build/cmake", "--config", "Release", "--", ...quietBuild()]);
  } else {
    say("setup: building");
    must("npx", ["--no-install", "cmake-js", "compile", "--out", "build/cmake", "--log-level", "error"]);
  }
  must("npx", ["--no-install", "tsc", "-p", "tsconfig.build.json"]);
}

function quietBuild() {
  return existsSync(join(root, "build/cmake/build.ninja")) ? ["--quiet"] : ["--silent"];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  setup({ tests: process.argv.includes("--tests") });
