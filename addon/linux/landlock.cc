#include "landlock.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace tcptop
{

namespace
{

// linux/landlock.h, which the oldest headers that this is built with do not have.
constexpr long create_ruleset = 444;
constexpr long add_rule = 445;
constexpr long restrict_self = 446;
constexpr uint32_t version_flag = 1;
constexpr int path_beneath = 1;

constexpr uint64_t may_read_file = 1 << 2, may_read_folder = 1 << 3, may_truncate = 1 << 14;
constexpr uint64_t of_version_1 = (1 << 13) - 1, of_version_2 = of_version_1 | 1 << 13,
		   of_version_3 = of_version_2 | may_truncate;
constexpr uint64_t net_bind = 1 << 0, net_connect = 1 << 1;

struct Attributes {
	uint64_t access_fs;
	uint64_t access_net; // from version 4
};

struct __attribute__((packed)) PathBeneath {
	uint64_t allowed;
	int32_t parent;
};

void allow_reading(const Fd &rules, const std::string &path)
{
	Fd parent(open(path.c_str(), O_PATH | O_CLOEXEC));
	struct stat facts;

	if (parent.get() < 0 || fstat(parent.get(), &facts) != 0)
		return;
	PathBeneath rule = {S_ISDIR(facts.st_mode) ? may_read_file | may_read_folder : may_read_file, parent.get()};
	syscall(add_rule, rules.get(), path_beneath, &rule, 0);
}

} // namespace

Fd landlock_rules(const std::vector<std::string> &readable)
{
	long version = syscall(create_ruleset, nullptr, 0, version_flag);
	if (version < 1)
		return Fd();
	Attributes handled = {version == 1 ? of_version_1 : version == 2 ? of_version_2 : of_version_3, 0};
	size_t size = sizeof(handled.access_fs);
	if (version >= 4) {
		handled.access_net = net_bind | net_connect;
		size = sizeof(handled);
	}
	Fd rules(static_cast<int>(syscall(create_ruleset, &handled, size, 0)));
	if (rules.get() < 0)
		return rules;
	for (const std::string &path : readable)
		allow_reading(rules, path);
	return rules;
}

bool restrict_to(int rules)
{
	return syscall(restrict_self, rules, 0) == 0;
}

} // namespace tcptop
