// The root of the cgroup v2 hierarchy.
#pragma once

#include <string>

namespace tcptop
{

// An open folder, or why there is none.
struct CgroupRoot {
	int fd = -1;
	std::string path;
	std::string why; // empty with a folder
	int error = 0;	 // errno of the last try, 0 if it did not fail
};

// A cgroup_skb program sees sockets of its own cgroup's tree only, so it goes on the root, wherever that is
// mounted. In a cgroup namespace a mount may show a part of the tree as if it were all.
CgroupRoot open_cgroup_root();

} // namespace tcptop
