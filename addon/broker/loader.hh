// Loads one BPF object, as a request says, and attaches its programs.
#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <vector>

#include "fd.hh"
#include "kernel.hh"
#include "protocol.hh"

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

using Object = std::unique_ptr<bpf_object, ObjectCloser>;
using Link = std::unique_ptr<bpf_link, LinkDestroyer>;

// An object at work. Destruction detaches everything.
class Loaded
{
      public:
	// Throws Failure when the object cannot be loaded or one of its hooks cannot be attached. A kernel that
	// refuses its kind of hook says so before the programs are loaded.
	Loaded(const LoadRequest &request, KernelTypes &kernel);

	const LoadReply &reply() const
	{
		return reply_;
	}
	int ring() const;
	int variables() const;

	// A file whose content the program of the iterator writes while it is read. Throws Failure.
	Fd iterate(size_t iterator) const;

	// How often the kernel has skipped a program that it would have run on top of itself; 0 if there is none.
	uint64_t skipped(const Name &program) const;

	// Tells the programs where NAT keeps the addresses of a connection, if they want to know it. Throws Failure.
	Answer tell_conntrack(KernelTypes &kernel) const;

      private:
	bool try_load(const LoadRequest &request, const btf *kernel, bool with_cgroup);
	void select(const LoadRequest &request, const btf *kernel, bool with_cgroup);
	void locate_variables(const LoadRequest &request);
	void attach(const LoadRequest &request);
	void attach_cgroup(const LoadRequest &request);
	void attach_iterators(const LoadRequest &request);
	void leave_out(const bpf_program *program, int error, const std::string &reason);

	LoadReply reply_ = {};
	Object object_;
	bpf_map *ring_ = nullptr;
	bpf_map *variables_ = nullptr;
	std::vector<Link> links_; // gone before the object they came from
	std::vector<Link> iterators_;
};

} // namespace tcptop
