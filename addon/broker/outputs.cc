#include "outputs.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>

#include "failure.hh"

namespace tcptop
{

namespace
{

constexpr size_t max_outputs = 4;

// As src/base/output-file.ts: no waiting for a pipe's reader, no terminal taken over, no link followed. The mode is
// less the umask: who talks to whom is private.
constexpr int flags = O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;
constexpr mode_t mode = 0640;

// linux/fs.h
constexpr unsigned rename_noreplace = 1;

// fcntl.h has neither with the oldest headers: openat2(2), of Linux 5.6.
constexpr long openat2_number = 437;
struct OpenHow {
	uint64_t flags, mode, resolve;
};
constexpr uint64_t resolve_no_symlinks = 4;

[[noreturn]] void fail(int error, const char *stage = "output")
{
	throw Failure("FAILED", stage, error, strerror(error));
}

// The directory that has the path now.
Fd open_folder(const std::string &path)
{
	OpenHow how = {O_PATH | O_DIRECTORY | O_CLOEXEC, 0, resolve_no_symlinks};
	Fd folder(static_cast<int>(syscall(openat2_number, AT_FDCWD, path.c_str(), &how, sizeof(how))));

	if (folder.get() < 0)
		fail(errno, "output-new");
	return folder;
}

bool is_name(const std::string &name)
{
	return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

// What is appended to the name of an old log: ".2026-11-21", ".2026-11-21.2".
bool is_suffix(const std::string &suffix)
{
	return suffix.size() > 1 && suffix[0] == '.' && suffix.find_first_not_of(".-0123456789") == std::string::npos;
}

// Where others may put files, one of somebody else or with a second name may be a trap.
bool may_be_planted(const Fd &folder, const struct stat &file, uid_t owner)
{
	struct stat above;

	if (fstat(folder.get(), &above) != 0)
		fail(errno);
	bool is_shared = (above.st_mode & 022) != 0 || (above.st_uid != 0 && above.st_uid != geteuid());
	return is_shared &&
	       (file.st_nlink > 1 || (file.st_uid != 0 && file.st_uid != geteuid() && file.st_uid != owner));
}

} // namespace

size_t Outputs::keep(Fd folder, const std::string &name, uid_t owner)
{
	struct stat facts;

	if (outputs_.size() == max_outputs || !is_name(name))
		fail(EINVAL);
	if (fstat(folder.get(), &facts) != 0 || !S_ISDIR(facts.st_mode))
		fail(ENOTDIR);
	char path[PATH_MAX];
	std::string link = "/proc/self/fd/" + std::to_string(folder.get());
	ssize_t length = readlink(link.c_str(), path, sizeof(path));
	if (length < 0 || length == sizeof(path))
		fail(length < 0 ? errno : ENAMETOOLONG);
	outputs_.push_back({std::string(path, static_cast<size_t>(length)), name, owner});
	return outputs_.size() - 1;
}

const Outputs::Output &Outputs::at(size_t output) const
{
	if (output >= outputs_.size())
		fail(EINVAL);
	return outputs_[output];
}

Fd Outputs::open(size_t output, bool *is_new) const
{
	const Output &of = at(output);
	Fd folder = open_folder(of.folder);
	struct stat facts;

	if (!*is_new) {
		Fd there(openat(folder.get(), of.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
		if (there.get() < 0 && errno != ENOENT)
			fail(errno);
		// A device is not even opened: that may have effects.
		if (there.get() >= 0 && (fstat(there.get(), &facts) != 0 || !S_ISREG(facts.st_mode)))
			fail(EINVAL);
		*is_new = there.get() < 0;
	}
	Fd file(openat(folder.get(), of.name.c_str(), *is_new ? flags | O_CREAT | O_EXCL : flags, mode));
	if (file.get() < 0)
		fail(errno, *is_new ? "output-new" : "output");
	if (fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode))
		fail(EINVAL);
	if (may_be_planted(folder, facts, of.owner))
		fail(EPERM);
	return file;
}

void Outputs::drop(size_t output, const Fd &file) const
{
	const Output &of = at(output);
	Fd folder = open_folder(of.folder);
	struct stat mine, there;

	if (fstat(file.get(), &mine) != 0 || fstatat(folder.get(), of.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0)
		fail(errno);
	if (mine.st_dev != there.st_dev || mine.st_ino != there.st_ino || mine.st_size != 0)
		return;
	if (unlinkat(folder.get(), of.name.c_str(), 0) != 0)
		fail(errno);
}

void Outputs::move(size_t output, const Fd &file, const std::string &suffix) const
{
	const Output &of = at(output);
	Fd folder = open_folder(of.folder);
	struct stat mine, there;

	if (!is_suffix(suffix))
		fail(EINVAL);
	if (fstat(file.get(), &mine) != 0 || fstatat(folder.get(), of.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0)
		fail(errno);
	if (mine.st_dev != there.st_dev || mine.st_ino != there.st_ino)
		fail(ESTALE);
	std::string to = of.name + suffix;
	if (syscall(SYS_renameat2, folder.get(), of.name.c_str(), folder.get(), to.c_str(), rename_noreplace) != 0)
		fail(errno);
}

} // namespace tcptop
