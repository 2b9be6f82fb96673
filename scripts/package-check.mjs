// `npm run check:package`: makes the packages, installs them where nothing else is, and runs them there. Needs
// the network, and root for the parts on a Debian of their own.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { buildDeb } from "./deb.mjs";
import { Apt } from "./debian.mjs";
import { DebianRoot } from "./debian-root.mjs";
import { PREBUILT, problemsOf } from "./inspect-addon.mjs";
import { root, say } from "./lib.mjs";
import { ARCHS, archOf } from "./prebuilt.mjs";
import { installSystemPackages } from "./setup.mjs";

const WORK = join(root, "build/package");
const ARCH = archOf(process.arch);

/** @typedef {{ code: number | null, stdout: string, stderr: string }} Result */

/** @type {{ version: string }} */
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const TARBALL = `tcptop-${version}.tgz`;

/** Where the shells and man look. */
const DEB_FILES = [
  "/usr/bin/tcptop",
  "/usr/share/man/man8/tcptop.8.gz",
  "/usr/share/bash-completion/completions/tcptop",
  "/usr/share/zsh/vendor-completions/_tcptop",
  "/usr/share/fish/vendor_completions.d/tcptop.fish",
];

const NO_PRIVILEGE = "error: tcptop requires root privileges. Run with sudo.\n";
const TOO_OLD = /^error: tcptop needs Node 20\.17 or later, this is 18\.[\d.]+\.\n$/;

const count = { passed: 0, failed: 0, skipped: 0 };

/**
 * One check: `problem` is null, or what is wrong.
 * @param {string} name
 * @param {string | null} problem
 */
function report(name, problem) {
  count[problem === null ? "passed" : "failed"]++;
  console.log(problem === null ? `ok       ${name}` : `FAILED   ${name}: ${problem}`);
}

/**
 * @param {string} name
 * @param {string} reason
 */
function skip(name, reason) {
  count.skipped++;
  console.log(`skipped  ${name}: ${reason}`);
}

/**
 * Passes when the result has exactly the expected members; a RegExp is matched.
 * @param {string} name
 * @param {Result} result
 * @param {{ code: number, stdout?: string | RegExp, stderr?: string | RegExp }} expected
 */
function expectResult(name, result, expected) {
  const members = /** @type {const} */ (["code", "stdout", "stderr"]);
  const told = members.flatMap((key) => {
    const [found, value] = [result[key], expected[key]];
    if (value === undefined) return [];
    const isRight = value instanceof RegExp ? value.test(String(found)) : found === value;
    return isRight ? [] : [`${key} is ${JSON.stringify(found)}, not ${value}`];
  });
  const extra = result.code !== expected.code && result.stderr ? `; ${result.stderr.trim()}` : "";
  report(name, told.length === 0 ? null : told.join("; ") + extra);
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string }} options
 * @returns {Result}
 */
function run(command, args, options = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    ...options,
  });
  return { code: status, stdout, stderr };
}

/**
 * Files under `folder` of the checkout, from its root; `rename` gives the name in the package.
 * @param {string} folder
 * @param {(name: string) => string} rename
 */
function filesIn(folder, rename = (name) => name) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => rename(join(entry.parentPath, entry.name).slice(root.length)));
}

/** Exactly what belongs into the package. */
function wantedFiles() {
  return [
    ...["CHANGELOG.md", "LICENSE", "README.md", "THIRD-PARTY.md", "package.json", "bin/tcptop.js"],
    ...filesIn("src", (name) => name.replace(/^src/, "dist").replace(/\.ts$/, ".js")),
    ...[
      "demo/demo.tcptop",
      "man/tcptop.8",
      "completions/tcptop.bash",
      "completions/_tcptop",
      "completions/tcptop.fish",
    ],
    ...ARCHS.flatMap((arch) => PREBUILT.map((name) => `prebuilds/linux-${arch}/${name}`)),
  ].sort();
}

/**
 * What npm says of a package that it has packed.
 * @typedef {{ files: { path: string }[], size: number, unpackedSize: number, integrity: string }} Packed
 */

/**
 * @param {string[]} more
 * @returns {Packed | null}
 */
function pack(...more) {
  const args = ["pack", "--json", "--pack-destination", WORK, ...more];
  const { code, stdout, stderr } = run("npm", args, { cwd: root });
  if (code !== 0) {
    say(stderr);
    report("npm pack", `exit ${code}`);
    return null;
  }
  return JSON.parse(stdout)[0];
}

/**
 * @param {readonly string[]} found
 * @param {readonly string[]} wanted
 */
function difference(found, wanted) {
  const surplus = found.filter((name) => !wanted.includes(name)).map((name) => `surplus ${name}`);
  const missing = wanted.filter((name) => !found.includes(name)).map((name) => `missing ${name}`);
  return [...surplus, ...missing].join(", ") || null;
}

function checkTarball() {
  const packed = pack();
  if (packed === null) return;
  const { files, size, unpackedSize, integrity } = packed;
  report(
    "the tarball has exactly its files",
    difference(files.map(({ path }) => path).sort(), wantedFiles()),
  );
  report(
    "packed again it is the same to the byte",
    pack("--ignore-scripts")?.integrity === integrity ? null : "it differs",
  );
  say(`         ${TARBALL}: ${size} bytes, unpacked ${unpackedSize}`);
  for (const arch of ARCHS) {
    for (const name of PREBUILT) {
      const problems = problemsOf(join(root, `prebuilds/linux-${arch}/${name}`), arch);
      report(`${name} for ${arch} asks for nothing unusual`, problems.join("; ") || null);
    }
  }
  const publish = run("npm", ["publish", "--dry-run", "--ignore-scripts", join(WORK, TARBALL)], {
    cwd: WORK,
  });
  report("npm publish --dry-run", publish.code === 0 ? null : publish.stderr);
}

/**
 * An empty project with the tarball as its only dependency: npm install, then npm ci by the lock file.
 * @param {string} cache
 */
function checkInstall(cache) {
  const folder = join(WORK, "project");
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), '{ "name": "empty", "private": true }\n');
  const tcptop = join(folder, "node_modules/.bin/tcptop");
  const npm = (/** @type {string[]} */ ...args) =>
    run("npm", [...args, "--cache", cache, "--no-audit", "--no-fund"], { cwd: folder });
  const steps = [["install", join("..", TARBALL)], ["ci"]];
  for (const step of steps) {
    const { code, stderr } = npm(...step);
    report(`npm ${step[0]} in an empty folder`, code === 0 ? null : stderr);
    expectResult(`after npm ${step[0]}: tcptop --version`, run(tcptop, ["--version"]), {
      code: 0,
      stdout: `tcptop ${version}\n`,
      stderr: "",
    });
  }
  const built = existsSync(join(folder, "node_modules/tcptop/build"));
  report("nothing was built at installation", built ? "node_modules/tcptop/build exists" : null);
}

/**
 * What every installation has to do on a Debian without a compiler; `tcptop`: the command there.
 * @param {DebianRoot} system
 * @param {string} where
 * @param {readonly string[]} tcptop
 */
function checkProgram(system, where, tcptop, node = "node") {
  const compilers = system.run(["sh", "-c", "command -v cc gcc g++ clang make cmake python3"]);
  report(`${where}: there is no compiler`, compilers.stdout === "" ? null : compilers.stdout);
  for (const asNobody of [true, false]) {
    const who = asNobody ? "an ordinary user" : "root";
    const answer = system.run([...tcptop, "--version"], { asNobody });
    const expected = { code: 0, stdout: `tcptop ${version}\n`, stderr: "" };
    expectResult(`${where}, ${who}: --version`, answer, expected);
  }
  const help = system.run([...tcptop, "--help"], { asNobody: true });
  expectResult(`${where}: --help`, help, { code: 0, stdout: /^Usage: tcptop/, stderr: "" });
  const batch = [...tcptop, "--batch", "--format", "json", "-n", "2"];
  const refused = { code: 77, stdout: "", stderr: NO_PRIVILEGE };
  expectResult(
    `${where}, an ordinary user: one line, exit 77`,
    system.run(batch, { asNobody: true }),
    refused,
  );
  checkDemo(system, where, tcptop);

  const start =
    /^\{"time":"[^"]+","event":"start","version":"[\d.]+","backend":"(fentry|kprobe|tracepoint)",/;
  expectResult(`${where}, root: -n 2 captures`, system.run(batch), { code: 0, stdout: start });
  const capture = system.run([node, "/mnt/check-capture.mjs", ...tcptop]);
  const seen = /^\{"code":0,"backend":"\w+","isSeen":true,"isOurs":true,"isExact":true\}\n$/;
  expectResult(`${where}, root: a connection on loopback, exact to the byte`, capture, {
    code: 0,
    stdout: seen,
  });
}

/**
 * @param {DebianRoot} system
 * @param {string} where
 * @param {readonly string[]} tcptop
 */
function checkDemo(system, where, tcptop) {
  const name = `${where}, an ordinary user: --demo --batch -n 3`;
  const demo = system.run([...tcptop, "--demo", "--batch", "-n", "3"], { asNobody: true });
  return expectResult(name, demo, { code: 0, stdout: /\S/, stderr: "" });
}

/** npm's command line is taken from this machine: Debian's own brings half a compiler with it. */
function shareNpm() {
  const { stdout } = run("npm", ["root", "-g"]);
  run("cp", ["-r", join(stdout.trim(), "npm"), join(WORK, "npm")]);
}

function checkOnDebian() {
  shareNpm();
  run("cp", [join(root, "packaging/check-capture.mjs"), WORK]);
  const system = new DebianRoot("npm", { suite: "trixie", shared: WORK });
  const node = system.install("nodejs");
  if (node.code !== 0) return report("Debian 13: apt-get install nodejs", node.stderr);
  // From the cache that the installation above has filled; npm wants to write to it.
  const fill = system.run(["cp", "-r", "/mnt/npm-cache", "/tmp/npm-cache"]);
  if (fill.code !== 0) return report("Debian 13: npm's cache", fill.stderr);
  const install = system.run([
    ...["node", "/mnt/npm/bin/npm-cli.js", "install", "--global", "--offline"],
    ...["--cache", "/tmp/npm-cache", `/mnt/${TARBALL}`],
  ]);
  report("Debian 13: npm install --global", install.code === 0 ? null : install.stderr);
  checkProgram(system, "Debian 13, npm", ["tcptop"]);
  const page = system.run([
    "sh",
    "-c",
    "cat $(node /mnt/npm/bin/npm-cli.js prefix --global)/share/man/man8/tcptop.8",
  ]);
  expectResult("Debian 13, npm: the manual page is in place", page, {
    code: 0,
    stdout: readFileSync(join(root, "man/tcptop.8"), "utf8"),
  });
  system.remove();
}

/** The addon for arm64 in Debian's Node for arm64, emulated; it is not run on a kernel of that kind. */
function checkArm64() {
  const folder = join(WORK, "arm64");
  const apt = new Apt(join(WORK, "apt-arm64"), { suite: "trixie", kind: "deb", arch: "arm64" });
  apt.unpackWhole(["nodejs"], folder);
  const layout = "process.stdout.write(require(process.argv[1]).wireLayout())";
  const addon = (/** @type {string} */ arch) => join(root, `prebuilds/linux-${arch}/tcptop.node`);
  const here = run(process.execPath, ["-e", layout, addon(process.arch)]);
  const there = run("qemu-aarch64-static", [
    ...["-L", folder, join(folder, "usr/bin/node"), "-e", layout, addon("arm64")],
  ]);
  const same = there.code === 0 && there.stdout === here.stdout;
  report("the addon for arm64 loads in Node for arm64", same ? null : `exit ${there.code}; ${there.stderr}`);
}

/**
 * The .deb on Debian 13, and what Debian 12 says of it.
 * @param {string} deb
 */
function checkDebInstall(deb) {
  const system = new DebianRoot("deb", { suite: "trixie", shared: WORK });
  const install = system.install(`/mnt/${deb}`);
  report("Debian 13: apt-get install of the .deb", install.code === 0 ? null : install.stderr);
  checkProgram(system, "Debian 13, .deb", ["tcptop"]);
  const files = system.run(["ls", ...DEB_FILES]);
  expectResult("Debian 13: manual page and completions are in place", files, { code: 0 });
  const changed = system.run(["dpkg", "--verify", "tcptop"]);
  expectResult("Debian 13: its files are as packed", changed, { code: 0, stdout: "" });
  const purge = system.run(["apt-get", "purge", "-q", "-y", "tcptop"]);
  const left = system.run(["find", "/usr", "-name", "*tcptop*"]);
  report("Debian 13: purged, nothing is left", purge.code === 0 && left.stdout === "" ? null : left.stdout);
  system.remove();
}

function checkDeb() {
  const deb = buildDeb(ARCH);
  copyFileSync(deb, join(WORK, basename(deb)));
  const first = readFileSync(deb);
  report(
    "built again the .deb is the same",
    readFileSync(buildDeb(ARCH)).equals(first) ? null : "it differs",
  );
  for (const arch of ARCHS) {
    const file = arch === ARCH ? deb : buildDeb(arch);
    const { code, stdout } = run("lintian", ["--fail-on", "error,warning", "--allow-root", file]);
    report(`lintian finds nothing to blame in ${basename(file)}`, code === 0 ? null : stdout);
  }
  return basename(deb);
}

/** glibc 2.31 and no newer: with this machine's Node, as Debian 11 has none that is new enough. */
function checkOnDebian11() {
  copyFileSync(process.execPath, join(WORK, "node"));
  const system = new DebianRoot("old-glibc", { suite: "bullseye", shared: WORK });
  const name = "Debian 11, glibc 2.31";
  const node = system.run(["/mnt/node", "--version"]);
  if (node.code !== 0) return skip(name, `this machine's Node does not run there: ${node.stderr.trim()}`);
  checkProgram(system, name, ["/mnt/node", "/mnt/project/node_modules/tcptop/bin/tcptop.js"], "/mnt/node");
  system.remove();
}

/** @param {string} deb */
function checkOnDebian12(deb) {
  const system = new DebianRoot("old-node", { suite: "bookworm", shared: WORK });
  const reasons = [
    ["without Node", "it is not going to be installed"],
    ["with its own Node", "18\\.\\S+ is to be installed"],
  ];
  for (const [when, reason] of reasons) {
    expectResult(`Debian 12, ${when}: apt-get refuses the .deb and says why`, system.install(`/mnt/${deb}`), {
      code: 100,
      stdout: new RegExp(`tcptop : Depends: nodejs \\(>= 20\\.17\\) but ${reason}`),
    });
    const node = system.install("nodejs");
    if (node.code !== 0) return report("Debian 12: apt-get install nodejs", node.stderr);
  }
  const bin = "/mnt/project/node_modules/tcptop/bin/tcptop.js";
  expectResult("Debian 12, Node 18: one line, exit 69", system.run(["node", bin], { asNobody: true }), {
    code: 69,
    stdout: "",
    stderr: TOO_OLD,
  });
  system.remove();
}

installSystemPackages(["debootstrap", "debian-archive-keyring", "util-linux", "lintian", "qemu-user-static"]);
rmSync(WORK, { recursive: true, force: true });
mkdirSync(WORK, { recursive: true });
checkTarball();
checkInstall(join(WORK, "npm-cache"));
checkArm64();
const deb = checkDeb();
if (process.geteuid?.() === 0) {
  checkOnDebian();
  checkDebInstall(deb);
  checkOnDebian12(deb);
  checkOnDebian11();
} else skip("the packages on a Debian of their own", "needs root for a chroot");

console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed === 0 ? 0 : 1;
