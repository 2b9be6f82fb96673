// A Debian system of its own to try a package in: a chroot on the running kernel, with a fresh layer over a
// minimal root. Mounts live in a namespace of each command and go with it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { KEYRING, mirror } from "./debian.mjs";
import { root, say } from "./lib.mjs";

const ROOTS = join(root, "build/roots");

const NOBODY = "65534";

/** In the namespace: $1 the minimal root, $2 the layer, $3 the folder to show at /mnt; then the command. */
const ENTER = `
set -e
base=$1 layer=$2 shared=$3
shift 3
mount -t overlay -o "lowerdir=$base,upperdir=$layer/upper,workdir=$layer/work" overlay "$layer/root"
for tree in proc sys dev; do mount --rbind "/$tree" "$layer/root/$tree"; done
mount --bind -o ro "$shared" "$layer/root/mnt"
mount --bind -o ro "$(realpath /etc/resolv.conf)" "$layer/root/etc/resolv.conf"
exec chroot "$layer/root" "$@"
`;

const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/tmp",
  LANG: "C.UTF-8",
  DEBIAN_FRONTEND: "noninteractive",
};

/**
 * Makes the minimal root of a suite once; its folder. Throws when it cannot be made.
 * @param {string} suite
 */
function minimalRoot(suite) {
  const folder = join(ROOTS, suite);
  if (existsSync(folder)) return folder;
  say(`roots: making a root of ${suite}`);
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const args = ["--variant=minbase", `--keyring=${KEYRING}`, suite, unfinished, mirror()];
  const { status } = spawnSync("debootstrap", args, { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`debootstrap ${suite} failed`);
  renameSync(unfinished, folder);
  return folder;
}

export class DebianRoot {
  #base;
  #layer;
  #shared;

  /**
   * A system `name` of `suite`; the host's folder `shared` is readable at /mnt.
   * @param {string} name
   * @param {{ suite: string, shared: string }} where
   */
  constructor(name, { suite, shared }) {
    this.#base = minimalRoot(suite);
    this.#layer = join(ROOTS, `${name}.layer`);
    this.#shared = shared;
    rmSync(this.#layer, { recursive: true, force: true });
    for (const part of ["upper", "work", "root"]) mkdirSync(join(this.#layer, part), { recursive: true });
  }

  /**
   * Runs a command as root, or as nobody.
   * @param {readonly string[]} command
   */
  run(command, { asNobody = false } = {}) {
    const drop = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    const enter = ["sh", "-c", ENTER, "sh", this.#base, this.#layer, this.#shared];
    const { status, stdout, stderr } = spawnSync(
      "unshare",
      ["--mount", "--propagation", "private", ...enter, ...(asNobody ? drop : []), ...command],
      { encoding: "utf8", env: ENVIRONMENT, maxBuffer: 1 << 28, cwd: "/" },
    );
    return { code: status, stdout, stderr };
  }

  /**
   * Installs Debian packages, or .deb files by their path in the root; as run().
   * @param {string[]} names
   */
  install(...names) {
    const update = this.run(["apt-get", "update", "-q"]);
    if (update.code !== 0) return update;
    return this.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", ...names]);
  }

  remove() {
    rmSync(this.#layer, { recursive: true, force: true });
  }
}
