// The running kernel: its types, what it can do, what it keeps where.
#pragma once

#include <bpf/btf.h>

#include <cstdint>
#include <memory>

namespace tcptop
{

struct BtfFree {
	void operator()(btf *types) const
	{
		btf__free(types);
	}
};

// Where NAT keeps the addresses of a connection (struct nf_conn).
struct Conntrack {
	uint32_t tuples_at;
	uint32_t tuple_stride;
	uint32_t status_at;
};

using Btf = std::unique_ptr<btf, BtfFree>;

// Throws Failure when the kernel can load nothing: no BPF, no BTF, no ring buffer, no permission.
void check_kernel();

// The kernel's types, kept from the first use until they are dropped: reading them takes as long as to load a program.
class KernelTypes
{
      public:
	// Throws Failure.
	btf *get();
	void drop();

	// Where nf_conntrack keeps addresses; false: the kernel does not say, as long as the module is not loaded.
	bool find_conntrack(Conntrack *out);

      private:
	Btf types_;
};

// A size of a ring buffer: a power of two of at least a page.
uint32_t ring_size(uint32_t bytes);

} // namespace tcptop
