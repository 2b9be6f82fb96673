// The BPF objects inside the addon.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tcptop
{

struct BpfObject {
	const char *backend;
	const void *data;
	size_t size;
};

// In order of preference: cheapest hooks first.
const std::vector<BpfObject> &bpf_objects();

} // namespace tcptop
