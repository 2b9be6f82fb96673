// The BPF objects that are built in.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tcptop
{

struct BpfObject {
	const char *name;
	const void *data;
	size_t size;
};

const std::vector<BpfObject> &bpf_objects();

// Null where there is none of that name.
const BpfObject *find_object(const std::string &name);

} // namespace tcptop
