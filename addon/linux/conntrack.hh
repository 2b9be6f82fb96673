// Where connection tracking keeps a packet's addresses of before NAT.
#pragma once

#include <bpf/btf.h>

#include <cstdint>
#include <optional>

namespace tcptop
{

// Offsets in bytes: the status in struct nf_conn, the first tuple in it, from one tuple to the other.
struct ConntrackLayout {
	uint32_t status;
	uint32_t tuples;
	uint32_t stride;
};

// By the kernel's own types, or by those of the module nf_conntrack where it is loaded. Throws nothing.
std::optional<ConntrackLayout> find_conntrack(btf *kernel);

// Whether the module is loaded and its types can be read.
bool describes_conntrack_module();

// Whether NAT can be at work although its types are not known.
bool hides_conntrack();

} // namespace tcptop
