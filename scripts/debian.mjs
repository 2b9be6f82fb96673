// Packages from a Debian archive by an apt state of its own: nothing of the system's is touched, and apt
// checks every signature.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { output, say } from "./lib.mjs";

export const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

const EX_UNAVAILABLE = 69;

/** The archive that this system's apt uses, or TCPTOP_DEBIAN_MIRROR. Ends the process where there is none. */
export function mirror() {
  const named = process.env["TCPTOP_DEBIAN_MIRROR"];
  if (named) return named;
  const uris = output("apt-get", ["update", "--print-uris"]);
  const [, found] = uris.match(/^'(\S+\/debian\/?)\/dists\/[a-z]+\/InRelease'/m) ?? [];
  if (found) return found;
  say("debian: apt names no Debian archive here; set TCPTOP_DEBIAN_MIRROR to one");
  return process.exit(EX_UNAVAILABLE);
}

/** An apt with its state in `folder`, for one suite and architecture; made anew. */
export class Apt {
  #options;
  #folder;

  /**
   * Throws when a list cannot be fetched or its signature is wrong.
   * @param {string} folder
   * @param {{ suite: string, kind: "deb" | "deb-src", arch: string }} what
   */
  constructor(folder, { suite, kind, arch }) {
    if (!existsSync(KEYRING)) throw new Error(`${KEYRING} is missing: install debian-archive-keyring`);
    rmSync(folder, { recursive: true, force: true });
    for (const name of ["lists/partial", "archives/partial", "get"])
      mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, "status"), "");
    writeFileSync(join(folder, "sources.list"), `${kind} [signed-by=${KEYRING}] ${mirror()} ${suite} main\n`);
    const settings = {
      "Dir::Etc::sourcelist": join(folder, "sources.list"),
      "Dir::Etc::sourceparts": "/dev/null",
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "Dir::State": folder,
      "Dir::State::lists": join(folder, "lists"),
      "Dir::State::status": join(folder, "status"),
      "Dir::Cache": folder,
      "Dir::Cache::archives": join(folder, "archives"),
      "APT::Architecture": arch,
      "APT::Architectures": arch,
      "APT::Sandbox::User": "",
      "APT::Update::Error-Mode": "any",
      "Acquire::Languages": "none",
      "Acquire::Retries": "3",
    };
    this.#options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    this.#folder = folder;
    this.#get("update", "-q");
  }

  /**
   * Unpacks the binary packages into the folder `root`, as far as a compiler needs them.
   * @param {readonly string[]} names
   * @param {string} root
   */
  unpack(names, root) {
    this.#get("download", ...names);
    const folder = join(this.#folder, "get");
    mkdirSync(root, { recursive: true });
    for (const file of readdirSync(folder)) execFileSync("dpkg-deb", ["-x", join(folder, file), root]);
    makeLinksRelative(root);
  }

  /**
   * Unpacks binary packages with all they depend on into the folder `root`, whose /lib is in /usr.
   * @param {readonly string[]} names
   * @param {string} root
   */
  unpackWhole(names, root) {
    this.#get("install", "-y", "--download-only", "--no-install-recommends", ...names);
    mkdirSync(join(root, "usr/lib"), { recursive: true });
    symlinkSync("usr/lib", join(root, "lib"));
    const folder = join(this.#folder, "archives");
    for (const file of readdirSync(folder)) {
      if (file.endsWith(".deb")) execFileSync("dpkg-deb", ["-x", join(folder, file), root]);
    }
    makeLinksRelative(root);
  }

  /**
   * Unpacks source packages with Debian's patches; their folders, in the order of `names`.
   * @param {readonly string[]} names
   */
  sources(names) {
    this.#get("source", "--only-source", ...names);
    const folder = join(this.#folder, "get");
    const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return names.map((name) => {
      const found = folders.find((entry) => entry.name.startsWith(`${name}-`));
      if (!found) throw new Error(`apt-get source ${name} made no folder`);
      return join(folder, found.name);
    });
  }

  /** @param {string[]} args */
  #get(...args) {
    execFileSync("apt-get", [...this.#options, ...args], {
      cwd: join(this.#folder, "get"),
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
}

/**
 * A link to /lib means the root's own, also for a linker that runs outside.
 * @param {string} root
 */
function makeLinksRelative(root) {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const link = join(entry.parentPath, entry.name);
    const target = readlinkSync(link);
    if (!target.startsWith("/")) continue;
    rmSync(link);
    symlinkSync(relative(dirname(link), join(root, target)), link);
  }
}
