#include "hooks.hh"

#include <bpf/bpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>

#include <cstring>
#include <fstream>

#include "failure.hh"
#include "fd.hh"
#include "log.hh"

namespace tcptop
{

namespace
{

// Parameters of a tracepoint, without the context; -1 if the kernel has none of that name.
int tracepoint_parameters(const btf *kernel, const std::string &name)
{
	int id = btf__find_by_name_kind(kernel, ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
	const btf_type *pointer = id < 0 ? nullptr : btf__type_by_id(kernel, btf__resolve_type(kernel, id));
	const btf_type *function = pointer && btf_is_ptr(pointer) ? btf__type_by_id(kernel, pointer->type) : nullptr;

	return function && btf_is_func_proto(function) ? static_cast<int>(btf_vlen(function)) - 1 : -1;
}

bool has_function(const btf *kernel, const std::string &name)
{
	return btf__find_by_name_kind(kernel, name.c_str(), BTF_KIND_FUNC) >= 0;
}

// A program that does nothing, on one function: what a kernel without function tracing refuses.
void try_fentry(const btf *kernel, const std::string &function)
{
	const bpf_insn nothing[] = {
	    {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0},
	    {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	int id = btf__find_by_name_kind(kernel, function.c_str(), BTF_KIND_FUNC);

	if (id < 0)
		throw failed("load", -id, function + " in the kernel's BTF");
	options.expected_attach_type = BPF_TRACE_FENTRY;
	options.attach_btf_id = static_cast<uint32_t>(id);
	Fd program(bpf_prog_load(BPF_PROG_TYPE_TRACING, "tcptop_try", "GPL", nothing, 2, &options));
	if (program.get() < 0)
		throw failed("load", errno, "fentry");
	Fd link(bpf_raw_tracepoint_open(nullptr, program.get()));
	if (link.get() < 0)
		throw failed("attach", errno, "fentry");
}

// A probe on one function, without a program.
void try_kprobe(const std::string &function)
{
	std::ifstream type_file("/sys/bus/event_source/devices/kprobe/type");
	perf_event_attr event = {};

	if (!(type_file >> event.type))
		throw Failure("FAILED", "attach", ENOENT, "the kernel has no kprobes");
	event.size = sizeof(event);
	event.kprobe_func = reinterpret_cast<uintptr_t>(function.c_str());
	// Debian's kernels have a level 3 that asks for CAP_SYS_ADMIN in place of CAP_PERFMON.
	int paranoid = 0;
	std::ifstream("/proc/sys/kernel/perf_event_paranoid") >> paranoid;
	Fd probe(static_cast<int>(syscall(SYS_perf_event_open, &event, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
	if (probe.get() < 0)
		throw failed("attach", errno,
			     errno == EACCES && paranoid > 2 ? "kprobe, with kernel.perf_event_paranoid above 2"
							     : "kprobe");
}

} // namespace

Hook hook_of(const bpf_program *program)
{
	std::string section = bpf_program__section_name(program);
	if (!section.empty() && section[0] == '?')
		section.erase(0, 1);
	size_t slash = section.find('/');
	if (slash == std::string::npos)
		return {section, ""};
	return {section.substr(0, slash), section.substr(slash + 1)};
}

bool is_cgroup(const bpf_program *program)
{
	return hook_of(program).type.rfind("cgroup", 0) == 0;
}

bool is_iterator(const bpf_program *program)
{
	return hook_of(program).type == "iter";
}

bool is_there(const btf *kernel, const Hook &hook, const Condition *condition)
{
	if (condition && !condition->without.is_empty() && has_function(kernel, condition->without.str()))
		return false;
	if (hook.type == "tp_btf" || hook.type == "raw_tp")
		return tracepoint_parameters(kernel, hook.target) >=
		       (condition ? static_cast<int>(condition->parameters) : 0);
	return has_function(kernel, hook.target);
}

void try_hooks(const bpf_object *object, const btf *kernel)
{
	std::string traced, probed;
	const bpf_program *program = nullptr;

	while ((program = bpf_object__next_program(object, const_cast<bpf_program *>(program)))) {
		Hook hook = hook_of(program);
		if (!bpf_program__autoload(program))
			continue;
		if (hook.type == "fentry" && traced.empty())
			traced = hook.target;
		if (hook.type == "kprobe" && probed.empty())
			probed = hook.target;
	}
	if (!traced.empty())
		try_fentry(kernel, traced);
	if (!probed.empty())
		try_kprobe(probed);
}

} // namespace tcptop
