// What BPF programs attach to, and whether the running kernel has it.
#pragma once

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <string>

#include "protocol.hh"

namespace tcptop
{

// Where a program attaches, as its section says: "fentry/tcp_sendmsg" is {"fentry", "tcp_sendmsg"}.
struct Hook {
	std::string type;
	std::string target;
};

Hook hook_of(const bpf_program *program);
bool is_cgroup(const bpf_program *program);
bool is_iterator(const bpf_program *program);

// Whether the kernel has what an optional program is for. `condition` may be null.
bool is_there(const btf *kernel, const Hook &hook, const Condition *condition);

// Throws Failure where the kernel refuses the kinds of hook that an object's programs need, before they are loaded.
void try_hooks(const bpf_object *object, const btf *kernel);

} // namespace tcptop
