"""Stock Debian kernels as vm-run starts them: fetched from a mirror once, signatures checked, unpacked and kept."""
import fcntl
import glob
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile

# The suites to try for each kernel. It is what the suite's linux-image package depends on: the cloud
# flavour is smaller but has no 9p.
KERNELS = {
    "5.10": ["bullseye"],
    "6.1": ["bookworm"],
    "6.12": ["trixie", "bookworm-backports"],
    "latest": ["trixie-backports"],
}
TOOLS = {
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "depmod": "kmod",
    "zstd": "zstd",
}
MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]
# What the paths of modules that the guest may load later begin with; what those need comes along.
LOADABLE = ["net/", "drivers/net/veth", "drivers/net/vrf", "drivers/net/vxlan", "crypto/",
            "drivers/block/nbd"]
NOT_LOADABLE = ["net/mac80211/", "net/wireless/", "net/bluetooth/", "net/can/", "net/batman-adv/", "net/6lowpan/"]
# Raised when what is kept of a kernel changes.
CACHE_VERSION = 3
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Failure(Exception):
    """The guest could not be run, for this reason."""


def which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")


def tool(*argv, **options):
    """stdout of a command that has to succeed."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=900, **options)
    if done.returncode:
        raise Failure("%s failed: %s" % (" ".join(argv[:2]), done.stderr.decode(errors="replace")[-2000:]))
    return done.stdout


def mirrors():
    """The archive and the security archive (or None)."""
    if os.environ.get("TCPTOP_KERNEL_MIRROR"):
        return os.environ["TCPTOP_KERNEL_MIRROR"], os.environ.get("TCPTOP_KERNEL_SECURITY_MIRROR")
    archive = security = None
    for line in tool("apt-get", "update", "--print-uris").decode().splitlines():
        m = re.match(r"'(\S+debian\S*)/dists/(\S+)/InRelease'", line)
        if m and m.group(2).endswith("-security"):
            security = security or m.group(1)
        elif m:
            archive = archive or m.group(1)
    if not archive:
        raise Failure("apt names no Debian archive here; set TCPTOP_KERNEL_MIRROR to one")
    return archive, security


def download(suite, arch, work):
    """Fetches the suite's kernel for Debian's `arch` into `work` with an apt state of its own; the paths of the packages."""
    archive, security = mirrors()
    os.makedirs(work + "/lists/partial")
    os.makedirs(work + "/archives/partial")
    open(work + "/status", "w").close()
    settings = {
        "Dir::Etc::sourcelist": work + "/sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-", "Dir::Etc::preferencesparts": "-",
        "Dir::State": work, "Dir::State::lists": work + "/lists", "Dir::State::status": work + "/status",
        "Dir::Cache": work, "Dir::Cache::archives": work + "/archives", "APT::Sandbox::User": "root",
        "APT::Architecture": arch, "APT::Architectures": arch, "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none", "Acquire::Retries": "3",
    }
    options = [word for item in settings.items() for word in ("-o", "%s=%s" % item)]
    signed = "[signed-by=%s] " % KEYRING if os.path.exists(KEYRING) else ""
    with open(work + "/sources.list", "w") as f:
        f.write("deb %s%s %s main\n" % (signed, archive, suite))
        if security and "-" not in suite:
            f.write("deb %s%s %s-security main\n" % (signed, security, suite))
    tool("apt-get", *options, "update")

    def depends(package, pattern):
        return re.findall(r"^ +Depends: (%s)$" % pattern, tool("apt-cache", *options, "depends", package).decode(), re.M)

    image = depends("linux-image-" + arch, r"linux-image-\S+")[0]
    release = image[len("linux-image-"):]
    # From 7.x on the image package is a shell around these.
    parts = depends(image, r"linux-(?:base|binary|modules)-" + re.escape(release))
    tool("apt-get", *options, "download", image, *parts, cwd=work)
    return glob.glob(work + "/*.deb")


def unpack_image(path):
    """What QEMU starts. Of an x86 bzImage its ELF image (PVH), which saves the guest the unpacking; format:
    Documentation/arch/x86/boot.rst, payload_offset and payload_length."""
    with open(path, "rb") as f:
        image = f.read()
    # Documentation/arch/arm64/booting.rst.
    if image[0x38:0x3C] == b"ARM\x64":
        return image
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    payload = image[start:start + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    # The last four bytes are the unpacked length.
    return subprocess.run(["zstd", "-dc"], input=payload[:-4], stdout=subprocess.PIPE, check=True).stdout


def unpack_module(path):
    with open(path, "rb") as f:
        content = f.read()
    if path.endswith(".xz"):
        return lzma.decompress(content)
    if path.endswith(".zst"):
        return tool("zstd", "-dc", path)
    return content


def module_name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def module_needs(folder):
    """For each module by name: the paths of what it needs, in the order of loading, and its own."""
    needs = {}
    with open(folder + "/modules.dep") as f:
        for line in f:
            path, _, others = line.partition(":")
            needs[module_name(path)] = list(reversed(others.split())) + [path]
    return needs


def loadable_modules(needs):
    """Paths of the modules in LOADABLE and of what they need."""
    paths = set()
    for own in needs.values():
        inside = own[-1].partition("kernel/")[2]
        if inside.startswith(tuple(LOADABLE)) and not inside.startswith(tuple(NOT_LOADABLE)):
            paths.update(own)
    return sorted(paths)


def boot_modules(folder, needs):
    """Paths of MODULES and what they need, in the order of loading."""
    with open(folder + "/modules.builtin") as f:
        builtin = {module_name(line.strip()) for line in f}
    order = []
    for name in MODULES:
        if name not in builtin:
            order += [p for p in needs[name] if p not in order]
    return [folder + "/" + p for p in order]


def keep_loadable(folder, target):
    """Copies them to `target`/lib/modules/RELEASE, as modprobe wants them."""
    release = os.path.basename(folder)
    new = "%s/lib/modules/%s" % (target, release)
    for path in loadable_modules(module_needs(folder)):
        os.makedirs(os.path.dirname(new + "/" + path), exist_ok=True)
        shutil.copy(folder + "/" + path, new + "/" + path)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(folder + "/" + name, new)
    tool(which("depmod"), "-b", target, release)


def unpack(packages, target):
    """Leaves `kernel`, `modules/` (with `order`) and `lib/modules/RELEASE` in `target`."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as work:
        raw, new = work + "/raw", work + "/new"
        for package in packages:
            tool("dpkg-deb", "-x", package, raw)
        images = glob.glob(raw + "/boot/vmlinuz-*") + glob.glob(raw + "/usr/lib/modules/*/vmlinuz")
        folders = glob.glob(raw + "/lib/modules/*") + glob.glob(raw + "/usr/lib/modules/*")
        if len(images) != 1 or len(folders) != 1:
            raise Failure("no single kernel in " + " ".join(map(os.path.basename, packages)))
        base = folders[0][:folders[0].rindex("/lib/modules/")]
        tool(which("depmod"), "-b", base, os.path.basename(folders[0]))
        os.makedirs(new + "/modules")
        with open(new + "/kernel", "wb") as f:
            f.write(unpack_image(images[0]))
        paths = boot_modules(folders[0], module_needs(folders[0]))
        for path in paths:
            with open(new + "/modules/" + module_name(path), "wb") as f:
                f.write(unpack_module(path))
        with open(new + "/modules/order", "w") as f:
            f.write("\n".join(map(module_name, paths)))
        keep_loadable(folders[0], new)
        os.rename(new, target)


def cache_folder():
    folder = os.environ.get("TCPTOP_KERNEL_CACHE") or os.path.expanduser("~/.cache/tcptop-kernels")
    os.makedirs(folder, exist_ok=True)
    return folder


def kernel_folder(name, arch):
    """Where the kernel is, fetched at the first use. Raises Failure."""
    label = name if arch == "amd64" else "%s-%s" % (name, arch)
    target = os.path.join(cache_folder(), "%s.v%d" % (label, CACHE_VERSION))
    with open(target + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        errors = []
        for suite in [] if os.path.exists(target) else KERNELS[name]:
            try:
                with tempfile.TemporaryDirectory(dir=cache_folder()) as work:
                    unpack(download(suite, arch, work), target)
                break
            except (Failure, subprocess.SubprocessError, LookupError) as e:
                errors.append("%s: %s" % (suite, e))
        if not os.path.exists(target):
            raise Failure("cannot get kernel %s: %s" % (label, "; ".join(errors)))
    return target
