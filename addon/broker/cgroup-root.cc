#include "cgroup-root.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace tcptop
{

namespace
{

// The root of a kernfs tree has the first inode number (fs/kernfs/dir.c, kernfs_create_root()).
constexpr ino_t root_inode = 1;

// Space, tab, newline and backslash are written as octal escapes.
std::string unescaped(const std::string &text)
{
	std::string path;

	for (size_t i = 0; i < text.size(); i++) {
		if (text[i] == '\\' && i + 3 < text.size()) {
			path += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
			i += 3;
		} else {
			path += text[i];
		}
	}
	return path;
}

// Where a line of mountinfo says that cgroup v2 is mounted, else empty.
std::string cgroup2_mount(const std::string &line)
{
	std::istringstream fields(line);
	std::string id, parent, device, root, point, field, type;

	fields >> id >> parent >> device >> root >> point;
	while (fields >> field && field != "-")
		;
	fields >> type;
	return type == "cgroup2" ? unescaped(point) : "";
}

} // namespace

CgroupRoot open_cgroup_root()
{
	std::ifstream mounts("/proc/self/mountinfo");
	int error = mounts ? 0 : errno;
	std::string line, why = "cgroup v2 is not mounted";

	while (std::getline(mounts, line)) {
		std::string path = cgroup2_mount(line);
		if (path.empty())
			continue;
		struct stat folder = {};
		int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &folder) == 0 && folder.st_ino == root_inode)
			return {fd, path, "", 0};
		error = fd < 0 ? errno : 0;
		why = fd < 0 ? path + ": " + strerror(error)
			     : path + " is a part of the cgroup tree, as in a container with a cgroup namespace";
		if (fd >= 0)
			::close(fd);
	}
	return {-1, "", why, error};
}

} // namespace tcptop
