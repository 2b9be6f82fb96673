// `npm run deb [-- --arch x64]`: tcptop_VERSION_ARCH.deb in build/deb, from what `npm pack` packs and the npm
// packages it runs with. dist/ and prebuilds/ must be there: `npm run deb` makes them first.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { inspectAddon, PREBUILT } from "./inspect-addon.mjs";
import { must, output, root, say } from "./lib.mjs";
import { ARCHS, archOf, TARGETS } from "./prebuilt.mjs";

const WORK = join(root, "build/deb");

/** Of the package itself: raised when only the packaging changes. */
const REVISION = 1;

const { DEBFULLNAME = "tcptop maintainers", DEBEMAIL = "maintainers@tcptop.invalid" } = process.env;
const MAINTAINER = `${DEBFULLNAME} <${DEBEMAIL}>`;

/** Folders and files of npm packages that never run; their licenses are in the copyright file. */
const NOT_RUN =
  /(^|\/)(example|browser|typings|fonts|\.npmignore)$|\.(md|d\.c?ts|map)$|(^|\/)licen[cs]e(\.\w+)?$/i;

/** @type {{ version: string, engines: { node: string } }} */
const { version, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Seconds since 1970 that every file of the package is dated with. */
function sourceDate() {
  return Number(process.env["SOURCE_DATE_EPOCH"] ?? output("git", ["log", "-1", "--format=%ct"]).trim());
}

/**
 * The names of the npm packages that tcptop runs with, installed into `folder`.
 * @param {string} folder
 */
function installModules(folder) {
  mkdirSync(folder, { recursive: true });
  for (const name of ["package.json", "package-lock.json"])
    copyFileSync(join(root, name), join(folder, name));
  must("npm", ["ci", "--omit=dev", "--ignore-scripts", "--loglevel=error"], { cwd: folder });
  const modules = join(folder, "node_modules");
  rmSync(join(modules, ".package-lock.json"));
  rmSync(join(modules, ".bin"), { recursive: true, force: true });
  for (const name of readdirSync(modules, { recursive: true, encoding: "utf8" }))
    if (NOT_RUN.test(name)) rmSync(join(modules, name), { recursive: true, force: true });
  return readdirSync(modules);
}

/**
 * Ends the process when the copyright file does not tell of exactly these npm packages.
 * @param {string[]} modules
 */
function checkCopyright(modules) {
  const text = readFileSync(join(root, "packaging/debian/copyright"), "utf8");
  const told = [...text.matchAll(/node_modules\/([^/\s]+)\/\*/g)].map(([, name]) => name);
  if (told.sort().join() === modules.sort().join()) return;
  say(`deb: packaging/debian/copyright tells of ${told.join(", ")}; the package has ${modules.join(", ")}`);
  process.exit(1);
}

/** @param {number} date */
function changelog(date) {
  const when = new Date(date * 1000).toUTCString().replace("GMT", "+0000");
  return `tcptop (${version}-${REVISION}) unstable; urgency=medium

  * Version ${version}; what is new is in changelog.gz.

 -- ${MAINTAINER}  ${when}
`;
}

/**
 * Files of the staged tree, without the folder of control files.
 * @param {string} stage
 */
function filesOf(stage) {
  return readdirSync(stage, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(stage.length + 1))
    .filter((name) => !name.startsWith("DEBIAN/"))
    .sort();
}

/** @param {Record<string, string>} values */
function fillControl(values) {
  const template = readFileSync(join(root, "packaging/debian/control.in"), "utf8");
  return template.replace(/@(\w+)@/g, (_, name) => values[name] ?? "");
}

/**
 * Puts the tree as it is to be installed under `stage`.
 * @param {string} stage
 * @param {import("./prebuilt.mjs").Arch} arch
 * @param {string} modules
 * @param {number} date
 */
function stageFiles(stage, arch, modules, date) {
  const write = (/** @type {string} */ name, /** @type {string | Buffer} */ content, mode = 0o644) => {
    const file = join(stage, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  };
  const read = (/** @type {string} */ name) => readFileSync(join(root, name));
  const gzip = (/** @type {string | Buffer} */ content) => gzipSync(content, { level: 9 });
  const lib = join(stage, "usr/lib/tcptop");
  cpSync(join(root, "dist"), join(lib, "dist"), { recursive: true });
  cpSync(join(root, "demo"), join(lib, "demo"), { recursive: true });
  cpSync(modules, join(lib, "node_modules"), { recursive: true });
  write("usr/lib/tcptop/package.json", read("package.json"));
  for (const name of PREBUILT) {
    const file = `prebuilds/linux-${arch}/${name}`;
    write(`usr/lib/tcptop/${file}`, read(file), name.endsWith(".node") ? 0o644 : 0o755);
  }
  // Debian's Node, whatever another user's PATH has.
  const program = read("bin/tcptop.js").toString();
  write(
    "usr/lib/tcptop/bin/tcptop.js",
    program.replace(/^#!\/usr\/bin\/env -S node/, "#!/usr/bin/node"),
    0o755,
  );
  mkdirSync(join(stage, "usr/bin"));
  symlinkSync("../lib/tcptop/bin/tcptop.js", join(stage, "usr/bin/tcptop"));
  write("usr/share/man/man8/tcptop.8.gz", gzip(read("man/tcptop.8")));
  write("usr/share/bash-completion/completions/tcptop", read("completions/tcptop.bash"));
  write("usr/share/zsh/vendor-completions/_tcptop", read("completions/_tcptop"));
  write("usr/share/fish/vendor_completions.d/tcptop.fish", read("completions/tcptop.fish"));
  write("usr/share/doc/tcptop/copyright", read("packaging/debian/copyright"));
  write("usr/share/doc/tcptop/changelog.gz", gzip(read("CHANGELOG.md")));
  write("usr/share/doc/tcptop/changelog.Debian.gz", gzip(changelog(date)));
  write("usr/share/lintian/overrides/tcptop", read("packaging/debian/lintian-overrides"));
}

/**
 * Makes the package of an architecture; the path of the file.
 * @param {import("./prebuilt.mjs").Arch} arch
 */
export function buildDeb(arch) {
  const date = sourceDate();
  const { debian } = TARGETS[arch];
  const production = join(WORK, "production");
  rmSync(production, { recursive: true, force: true });
  checkCopyright(installModules(production));
  const stage = join(WORK, debian);
  rmSync(stage, { recursive: true, force: true });
  stageFiles(stage, arch, join(production, "node_modules"), date);

  const files = filesOf(stage);
  const control = join(stage, "DEBIAN");
  mkdirSync(control);
  const sums = files.map((name) => {
    const sum = createHash("md5")
      .update(readFileSync(join(stage, name)))
      .digest("hex");
    return `${sum}  ${name}\n`;
  });
  writeFileSync(join(control, "md5sums"), sums.join(""));
  const bytes = files.reduce((sum, name) => sum + statSync(join(stage, name)).size, 0);
  const values = {
    VERSION: `${version}-${REVISION}`,
    ARCHITECTURE: debian,
    MAINTAINER,
    INSTALLED_SIZE: String(Math.ceil(bytes / 1024)),
    NODE: engines.node.match(/\d+\.\d+/)?.[0] ?? "",
    GLIBC: inspectAddon(join(root, `prebuilds/linux-${arch}/tcptop.node`)).glibc ?? "",
  };
  writeFileSync(join(control, "control"), fillControl(values));

  execFileSync("chmod", ["-R", "u=rwX,go=rX", stage]);
  const file = join(WORK, `tcptop_${values.VERSION}_${debian}.deb`);
  execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "--build", stage, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(date) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  say(`deb: ${file}: ${statSync(file).size} bytes, installed ${values.INSTALLED_SIZE} kB`);
  return file;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { arch } = parseArgs({ options: { arch: { type: "string", multiple: true } } }).values;
  for (const name of arch?.map(archOf) ?? ARCHS) buildDeb(name);
}
