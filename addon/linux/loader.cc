#include "loader.hh"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "cgroup-root.hh"
#include "log.hh"

namespace tcptop
{

namespace
{

// A moving flow that no sweep has read for this long (long refresh intervals) is sampled.
constexpr uint64_t sample_interval_ns = 2000000000;

// A small LRU table forgets entries before it is full.
constexpr uint32_t least_udp_owners = 4096;

class Fd
{
      public:
	explicit Fd(int fd) : fd_(fd)
	{
	}
	~Fd()
	{
		if (fd_ >= 0)
			::close(fd_);
	}
	Fd(const Fd &) = delete;
	Fd &operator=(const Fd &) = delete;
	int get() const
	{
		return fd_;
	}

      private:
	int fd_;
};

std::string reason(int error)
{
	return strerror(error);
}

// libbpf lifts the limit where it may and the kernel asks for it.
bool memory_lock_is_limited()
{
	rlimit limit = {};

	return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

Failure failed(const std::string &stage, int error, const std::string &what)
{
	Failure failure("FAILED", stage, error, what + ": " + reason(error));

	failure.log = log_tail();
	return failure;
}

// Where a program attaches, as its section says: "fentry/tcp_sendmsg" is {"fentry", "tcp_sendmsg"}.
struct Hook {
	std::string type;
	std::string target;
};

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

// Parameters of a function type, behind a typedef and a pointer for a tracepoint; -1 if it is not there.
int parameters(const btf *types, const std::string &name, uint32_t kind)
{
	int id = btf__find_by_name_kind(types, name.c_str(), kind);

	if (id < 0)
		return -1;
	const btf_type *type = btf__type_by_id(types, id);
	while (type && !btf_is_func_proto(type))
		type = btf__type_by_id(types, type->type);
	return type ? static_cast<int>(btf_vlen(type)) : -1;
}

constexpr int kfree_parameters_with_socket = 5; // void *, skb, location, reason, rx_sk

// Programs marked optional ("?") depend on what the running kernel has. A return of accept() is needed only
// where nothing else sees the socket on its way to the program.
bool is_there(const btf *kernel, const Hook &hook)
{
	if (hook.type == "kretprobe" && hook.target == "inet_csk_accept")
		return parameters(kernel, "security_sock_graft", BTF_KIND_FUNC) < 0;
	if (hook.type == "tp_btf")
		return parameters(kernel, "btf_trace_" + hook.target, BTF_KIND_TYPEDEF) >= kfree_parameters_with_socket;
	return parameters(kernel, hook.target, BTF_KIND_FUNC) >= 0;
}

bool is_cgroup(const bpf_program *program)
{
	return hook_of(program).type.rfind("cgroup", 0) == 0;
}

bool is_iterator(const bpf_program *program)
{
	return hook_of(program).type == "iter";
}

bpf_map *find_map(const bpf_object *object, const char *name)
{
	bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map)
		throw failed("open", ENOENT, std::string("map ") + name);
	return map;
}

void set_entries(const bpf_object *object, const char *name, uint32_t entries)
{
	int error = bpf_map__set_max_entries(find_map(object, name), entries);

	if (error)
		throw failed("open", -error, std::string("size of map ") + name);
}

uint32_t ring_size(uint32_t bytes)
{
	uint32_t size = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));

	while (size < bytes && size < 1u << 30)
		size *= 2;
	return size;
}

uint64_t monotonic_ns()
{
	timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// The resolution of the coarse clock is the length of a jiffy (kernel/time/posix-timers.c).
uint64_t tick_ns()
{
	timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return static_cast<uint64_t>(tick.tv_nsec) + static_cast<uint64_t>(tick.tv_sec) * 1000000000u;
}

// libbpf names it after the object and the section.
bpf_map *find_section_map(const bpf_object *object, const char *section)
{
	bpf_map *map;

	bpf_object__for_each_map (map, object) {
		std::string name = bpf_map__name(map);
		size_t length = strlen(section);
		if (name.size() >= length && name.compare(name.size() - length, length, section) == 0)
			return map;
	}
	throw failed("open", ENOENT, std::string("section ") + section);
}

// Where a global variable stands in its section.
uint32_t offset_of(const bpf_object *object, const char *section, const char *name)
{
	const btf *types = bpf_object__btf(object);
	int id = types ? btf__find_by_name_kind(types, section, BTF_KIND_DATASEC) : -1;

	if (id >= 0) {
		const btf_type *type = btf__type_by_id(types, static_cast<uint32_t>(id));
		const btf_var_secinfo *variable = btf_var_secinfos(type);
		for (int i = 0; i < btf_vlen(type); i++, variable++) {
			const btf_type *declaration = btf__type_by_id(types, variable->type);
			if (strcmp(btf__name_by_offset(types, declaration->name_off), name) == 0)
				return variable->offset;
		}
	}
	throw failed("open", ENOENT, std::string("variable ") + name);
}

// Before loading only.
template <typename T> void set_constant(const bpf_object *object, const char *name, T value)
{
	size_t size;
	void *values = const_cast<void *>(bpf_map__initial_value(find_section_map(object, ".rodata"), &size));

	memcpy(static_cast<uint8_t *>(values) + offset_of(object, ".rodata", name), &value, sizeof(value));
}

Object open_object(const BpfObject &source, const Settings &settings)
{
	LIBBPF_OPTS(bpf_object_open_opts, options);
	options.object_name = "tcptop";
	Object object(bpf_object__open_mem(source.data, source.size, &options));
	if (!object)
		throw failed("open", errno, "BPF object");

	uint32_t ring = ring_size(settings.ring_bytes);
	set_entries(object.get(), "tcp_flows", settings.max_tcp_flows);
	set_entries(object.get(), "udp_flows", settings.max_udp_flows);
	set_entries(object.get(), "udp_owners", std::max(settings.max_udp_flows, least_udp_owners / 2) * 2);
	set_entries(object.get(), "events", ring);
	set_constant<uint64_t>(object.get(), "start_ns", monotonic_ns());
	set_constant<uint64_t>(object.get(), "udp_idle_ns", settings.udp_idle_ns);
	set_constant<uint64_t>(object.get(), "tick_ns", tick_ns());
	set_constant<uint64_t>(object.get(), "sample_ticks", sample_interval_ns / tick_ns());
	set_constant<uint64_t>(object.get(), "ring_event_limit", ring / 4 * 3);
	return object;
}

void select_programs(const bpf_object *object, const btf *kernel, bool with_cgroup, Loaded &out)
{
	bpf_program *program;

	bpf_object__for_each_program (program, object) {
		Hook hook = hook_of(program);
		if (bpf_program__autoload(program))
			continue;
		bool wanted = is_cgroup(program) ? with_cgroup : is_there(kernel, hook);
		bpf_program__set_autoload(program, wanted);
		if (!wanted && hook.target == "kfree_skb")
			out.limits.push_back({out.backend,
					      "UDP datagrams that a full receive buffer, a socket's filter or another "
					      "cgroup program drops are counted as received (the kernel is older "
					      "than 6.11)"});
	}
}

Link attach_iterator(const bpf_program *program, const bpf_map *map)
{
	bpf_iter_link_info info = {};
	LIBBPF_OPTS(bpf_iter_attach_opts, options);

	if (map) {
		info.map.map_fd = static_cast<uint32_t>(bpf_map__fd(map));
		options.link_info = &info;
		options.link_info_len = sizeof(info);
	}
	bpf_link *link = bpf_program__attach_iter(program, &options);
	if (!link)
		throw failed("attach", errno, std::string("iterator ") + bpf_program__name(program));
	return Link(link);
}

// Attaches the programs for cgroups to the root, or has UDP counted at the calls and says so.
void attach_cgroup(Loaded &out)
{
	CgroupRoot root = open_cgroup_root();
	Fd folder(root.fd);
	if (is_out_of_files(root.error))
		throw failed("attach", root.error, "root cgroup");
	std::string why = root.why;
	std::vector<Link> links;
	bpf_program *program;

	if (why.empty()) {
		bpf_object__for_each_program (program, out.object.get()) {
			if (!is_cgroup(program))
				continue;
			if (!bpf_program__autoload(program)) {
				why = "it needs CAP_NET_ADMIN";
				break;
			}
			bpf_link *link = bpf_program__attach_cgroup(program, folder.get());
			if (!link && is_out_of_files(errno))
				throw failed("attach", errno, root.path);
			if (!link && hook_of(program).type != "cgroup_skb") {
				out.limits.push_back({out.backend, "UDP that an unconnected socket sends through IPsec "
								   "is counted as untracked (" +
								       hook_of(program).target + ": " + reason(errno) +
								       ")"});
				continue;
			}
			if (!link) {
				why = root.path + ": " + reason(errno);
				break;
			}
			links.emplace_back(link);
		}
	}
	if (why.empty()) {
		for (Link &link : links)
			out.links.push_back(std::move(link));
		return;
	}
	*static_cast<volatile bool *>(out.globals->find("udp_by_call")) = true;
	out.counts_udp_by_call = true;
	out.limits.push_back(
	    {out.backend, "UDP of unconnected sockets is not seen: cgroup_skb cannot be attached (" + why + ")"});
}

void attach(Loaded &out)
{
	bpf_program *program;
	bool has_cgroup = false;

	bpf_object__for_each_program (program, out.object.get()) {
		if (is_cgroup(program)) {
			has_cgroup = true;
			continue;
		}
		if (is_iterator(program) || !bpf_program__autoload(program))
			continue;
		bpf_link *link = bpf_program__attach(program);
		if (!link)
			throw failed("attach", errno, std::string(bpf_program__section_name(program)));
		out.links.emplace_back(link);
	}
	if (has_cgroup)
		attach_cgroup(out);
}

const bpf_program *find_program(const bpf_object *object, const char *name)
{
	const bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		throw failed("open", ENOENT, std::string("program ") + name);
	return program;
}

void attach_iterators(Loaded &out)
{
	const bpf_object *object = out.object.get();

	out.sweep_tcp = attach_iterator(find_program(object, "sweep_tcp"), find_map(object, "tcp_flows"));
	out.sweep_udp = attach_iterator(find_program(object, "sweep_udp"), find_map(object, "udp_flows"));
	out.seed_owners = attach_iterator(find_program(object, "seed_owners"), nullptr);
}

// A program that does nothing, on one function: what a kernel without function tracing refuses.
void try_fentry(const btf *kernel)
{
	const bpf_insn nothing[] = {
	    {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0},
	    {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	int id = btf__find_by_name_kind(kernel, "tcp_sendmsg", BTF_KIND_FUNC);

	if (id < 0)
		throw failed("load", -id, "tcp_sendmsg in the kernel's BTF");
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
void try_kprobe()
{
	static const char function[] = "tcp_sendmsg";
	std::ifstream type_file("/sys/bus/event_source/devices/kprobe/type");
	perf_event_attr event = {};

	if (!(type_file >> event.type))
		throw Failure("FAILED", "attach", ENOENT, "the kernel has no kprobes");
	event.size = sizeof(event);
	event.kprobe_func = reinterpret_cast<uintptr_t>(function);
	// Debian's kernels have a level 3 that asks for CAP_SYS_ADMIN in place of CAP_PERFMON.
	int paranoid = 0;
	std::ifstream("/proc/sys/kernel/perf_event_paranoid") >> paranoid;
	Fd probe(static_cast<int>(syscall(SYS_perf_event_open, &event, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
	if (probe.get() < 0)
		throw failed("attach", errno,
			     errno == EACCES && paranoid > 2 ? "kprobe, with kernel.perf_event_paranoid above 2"
							     : "kprobe");
}

// The first line in which libbpf or the verifier says what is wrong, for a reason that fits a line.
std::string first_line(const std::string &log)
{
	return log.substr(0, log.find('\n'));
}

} // namespace

Globals::Globals(const bpf_object *object) : object_(object)
{
	bpf_map *map = find_section_map(object, ".bss");

	size_ = bpf_map__value_size(map);
	void *memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (memory == MAP_FAILED)
		throw failed("load", errno, "global variables");
	memory_ = static_cast<uint8_t *>(memory);
}

Globals::~Globals()
{
	munmap(memory_, size_);
}

void *Globals::find(const char *name) const
{
	return memory_ + offset_of(object_, ".bss", name);
}

Btf load_kernel_types()
{
	Btf types(btf__load_vmlinux_btf());

	if (!types)
		throw failed("load", errno, "kernel BTF");
	return types;
}

Loaded load(const BpfObject &source, const Settings &settings, btf *kernel)
{
	if (strcmp(source.backend, "fentry") == 0)
		try_fentry(kernel);
	else if (strcmp(source.backend, "kprobe") == 0)
		try_kprobe();

	// cgroup_skb needs one more capability than the rest: without it the rest still works.
	for (bool with_cgroup : {true, false}) {
		Loaded out;
		begin_log();
		out.backend = source.backend;
		out.object = open_object(source, settings);
		select_programs(out.object.get(), kernel, with_cgroup, out);
		int error = bpf_object__load(out.object.get());
		if (error == -EPERM && with_cgroup && out.backend == "tracepoint")
			continue;
		if (error) {
			std::string log = log_tail();
			if (error == -EPERM && memory_lock_is_limited() && log.find("create_map") != std::string::npos)
				throw failed("load", EPERM,
					     "BPF maps count against the limit of locked memory before Linux 5.11; "
					     "raise it (ulimit -l)");
			throw failed("load", -error, log.empty() ? "BPF programs" : first_line(log));
		}
		out.globals = std::make_unique<Globals>(out.object.get());
		if (out.backend == "tracepoint") {
			out.translation.emplace(*out.globals, kernel);
			std::string fault = out.translation->fault();
			if (!fault.empty())
				out.limits.push_back({out.backend, fault});
		}
		attach(out);
		attach_iterators(out);
		return out;
	}
	throw failed("load", EPERM, "BPF programs");
}

void check_kernel()
{
	begin_log();
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tcptop_check", 4, 4, 1, nullptr);
	if (fd < 0 && errno == ENOSYS)
		throw Failure("NO_BPF", "check", ENOSYS, "this kernel has no BPF (CONFIG_BPF_SYSCALL)");
	if (fd < 0 && errno == EPERM)
		throw Failure("NO_PERMISSION", "check", EPERM, "the kernel does not let this process use BPF");
	if (fd < 0)
		throw failed("check", errno, "BPF map");
	::close(fd);

	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "tcptop_check", 0, 0, ring_size(1), nullptr);
	if (fd < 0 && errno == EINVAL)
		throw Failure("NO_RING_BUFFER", "check", EINVAL,
			      "this kernel has no BPF ring buffer (Linux 5.8 and later have it)");
	if (fd < 0)
		throw failed("check", errno, "BPF ring buffer");
	::close(fd);

	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		throw Failure("NO_BTF", "check", errno,
			      "this kernel has no BTF (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF)");
}

std::string wire_layout()
{
	const BpfObject &source = bpf_objects().front();
	begin_log();
	Object object(bpf_object__open_mem(source.data, source.size, nullptr));
	const btf *types = object ? bpf_object__btf(object.get()) : nullptr;
	if (!types)
		throw failed("open", errno, "BPF object");

	std::ostringstream out;
	for (const char *name : {"tcptop_record", "tcptop_owner", "tcptop_losses"}) {
		int id = btf__find_by_name_kind(types, name, BTF_KIND_STRUCT);
		if (id < 0)
			throw failed("open", ENOENT, std::string("struct ") + name);
		const btf_type *type = btf__type_by_id(types, id);
		const btf_member *member = btf_members(type);
		out << name << " size " << type->size << " " << type->size << "\n";
		for (int i = 0; i < btf_vlen(type); i++, member++)
			out << name << " " << btf__name_by_offset(types, member->name_off) << " "
			    << btf_member_bit_offset(type, i) / 8 << " " << btf__resolve_size(types, member->type)
			    << "\n";
	}
	return out.str();
}

} // namespace tcptop
