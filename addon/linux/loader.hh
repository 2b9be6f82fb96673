// Loads one BPF object and attaches its programs.
#pragma once

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector.hh"
#include "objects.hh"
#include "translation.hh"

namespace tcptop
{

struct ObjectCloser {
	void operator()(bpf_object *object) const
	{
		bpf_object__close(object);
	}
};

struct LinkDestroyer {
	void operator()(bpf_link *link) const
	{
		bpf_link__destroy(link);
	}
};

struct BtfFree {
	void operator()(btf *types) const
	{
		btf__free(types);
	}
};

using Btf = std::unique_ptr<btf, BtfFree>;
using Object = std::unique_ptr<bpf_object, ObjectCloser>;
using Link = std::unique_ptr<bpf_link, LinkDestroyer>;

// The global variables of a loaded object, in memory shared with its programs (libbpf maps them for
// skeletons only). Throws Failure.
class Globals
{
      public:
	explicit Globals(const bpf_object *object);
	~Globals();
	Globals(const Globals &) = delete;
	Globals &operator=(const Globals &) = delete;

	void *find(const char *name) const;

      private:
	const bpf_object *object_;
	uint8_t *memory_;
	size_t size_;
};

// A backend at work. Links go before the object they came from.
struct Loaded {
	std::string backend;
	std::vector<StepDown> limits;	 // hooks that are missing
	bool counts_udp_by_call = false; // only connected UDP is seen
	Object object;
	std::unique_ptr<Globals> globals;
	std::optional<Translation> translation;
	std::vector<Link> links;
	Link sweep_tcp, sweep_udp, seed_owners; // iterators
};

// The running kernel's types. Reading them takes as long as all the rest: once for all backends.
Btf load_kernel_types();

// Throws Failure when the backend cannot be loaded or one of its hooks cannot be attached. A kernel that
// refuses its kind of hook says so before the programs are loaded.
Loaded load(const BpfObject &source, const Settings &settings, btf *kernel);

// Throws Failure when the kernel cannot run any backend: no BPF, no BTF, no ring buffer, no permission.
void check_kernel();

} // namespace tcptop
