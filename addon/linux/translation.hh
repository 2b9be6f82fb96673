// What the kernel does to packets on their way out: NAT, by its connection tracking, and IPsec.
#pragma once

#include <bpf/btf.h>

#include <cstdint>
#include <string>

namespace tcptop
{

class Globals;

// Has the programs of the `tracepoint` backend undo both (bpf/udp-cgroup.h). On most kernels both are modules, which
// may be loaded after the start.
class Translation
{
      public:
	Translation(const Globals &globals, btf *kernel);

	// Cheap while nothing has been loaded; before each sweep.
	void look_again();

	// Why NAT is not undone although it may be at work; empty: it is, or there is none.
	std::string fault() const;

      private:
	bool learn_from_module(btf *kernel);
	bool learn_conntrack(const btf *types);

	volatile uint32_t *tuples_at_;
	volatile uint32_t *tuple_stride_;
	volatile uint32_t *status_at_;
	volatile bool *may_hide_;
	bool awaits_conntrack_;
};

} // namespace tcptop
