#include "loader.hh"

#include <bpf/bpf.h>
#include <sys/resource.h>

#include <cerrno>

#include "cgroup-root.hh"
#include "hooks.hh"
#include "log.hh"
#include "objects.hh"

namespace tcptop
{

namespace
{

// libbpf lifts the limit where it may and the kernel asks for it.
bool memory_lock_is_limited()
{
	rlimit limit = {};

	return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

bpf_map *find_map(const bpf_object *object, const std::string &name)
{
	bpf_map *map = bpf_object__find_map_by_name(object, name.c_str());

	if (!map)
		throw failed("open", ENOENT, "map " + name);
	return map;
}

// Where each global variable of a section is in the initial values of its map; null for one that is not there.
std::vector<uint8_t *> find_variables(const bpf_object *object, bpf_map *map, const std::vector<std::string> &names)
{
	std::vector<void *> places(names.size(), nullptr);
	std::vector<bpf_var_skeleton> variables;
	for (size_t i = 0; i < names.size(); i++)
		variables.push_back({names[i].c_str(), &map, &places[i]});
	// libbpf frees it.
	auto *search = static_cast<bpf_object_subskeleton *>(calloc(1, sizeof(bpf_object_subskeleton)));
	if (!search)
		throw failed("open", ENOMEM, "variables");
	search->sz = sizeof(*search);
	search->obj = object;
	search->var_cnt = static_cast<int>(variables.size());
	search->var_skel_sz = sizeof(bpf_var_skeleton);
	search->vars = variables.data();
	int error = bpf_object__open_subskeleton(search);
	search->vars = nullptr;
	bpf_object__destroy_subskeleton(search);
	if (error)
		throw failed("open", -error, "variables");
	std::vector<uint8_t *> out;
	for (void *place : places)
		out.push_back(static_cast<uint8_t *>(place));
	return out;
}

// Before loading only.
void set_constants(const bpf_object *object, const LoadRequest &request)
{
	std::vector<std::string> names;
	for (const Constant &constant : request.constants)
		if (!constant.name.is_empty())
			names.push_back(constant.name.str());
	if (names.empty())
		return;
	std::vector<uint8_t *> places = find_variables(object, find_map(object, ".rodata"), names);
	for (size_t i = 0, place = 0; i < max_constants; i++) {
		if (request.constants[i].name.is_empty())
			continue;
		if (!places[place])
			throw failed("open", ENOENT, "constant " + names[place]);
		memcpy(places[place++], &request.constants[i].value, sizeof(uint64_t));
	}
}

const Condition *condition_of(const LoadRequest &request, const bpf_program *program)
{
	for (const Condition &condition : request.conditions)
		if (!condition.program.is_empty() && condition.program.str() == bpf_program__name(program))
			return &condition;
	return nullptr;
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

// The first line in which libbpf or the verifier says what is wrong, for a reason that fits a line.
std::string first_line(const std::string &log)
{
	return log.substr(0, log.find('\n'));
}

} // namespace

Loaded::Loaded(const LoadRequest &request, KernelTypes &kernel)
{
	begin_log();
	// Programs for cgroups need one more capability than the rest: without it the rest still works.
	if (!try_load(request, kernel.get(), true) && !try_load(request, kernel.get(), false))
		throw failed("load", EPERM, "BPF programs");
	attach(request);
	attach_iterators(request);
}

// False: it may work without programs for cgroups.
bool Loaded::try_load(const LoadRequest &request, const btf *kernel, bool with_cgroup)
{
	const BpfObject *source = find_object(request.object.str());
	if (!source)
		throw Failure("FAILED", "open", ENOENT, "no BPF object is called " + request.object.str());
	LIBBPF_OPTS(bpf_object_open_opts, options);
	options.object_name = "tcptop";
	reply_ = {};
	object_.reset(bpf_object__open_mem(source->data, source->size, &options));
	if (!object_)
		throw failed("open", errno, "BPF object");

	if (with_cgroup)
		try_hooks(object_.get(), kernel);
	for (const MapSize &size : request.sizes) {
		if (size.map.is_empty())
			continue;
		int error = bpf_map__set_max_entries(find_map(object_.get(), size.map.str()), size.entries);
		if (error)
			throw failed("open", -error, "size of map " + size.map.str());
	}
	set_constants(object_.get(), request);
	locate_variables(request);
	ring_ = request.ring.is_empty() ? nullptr : find_map(object_.get(), request.ring.str());
	reply_.ring_bytes = ring_ ? bpf_map__max_entries(ring_) : 0;
	select(request, kernel, with_cgroup);

	int error = bpf_object__load(object_.get());
	if (error == 0)
		return true;
	const bpf_program *program = nullptr;
	bool has_cgroup = false;
	while ((program = bpf_object__next_program(object_.get(), const_cast<bpf_program *>(program))))
		has_cgroup = has_cgroup || is_cgroup(program);
	if (error == -EPERM && with_cgroup && has_cgroup)
		return false;
	std::string log = log_tail();
	if (error == -EPERM && memory_lock_is_limited() && log.find("create_map") != std::string::npos)
		throw failed("load", EPERM,
			     "BPF maps count against the limit of locked memory before Linux 5.11; "
			     "raise it (ulimit -l)");
	throw failed("load", -error, log.empty() ? "BPF programs" : first_line(log));
}

void Loaded::locate_variables(const LoadRequest &request)
{
	std::vector<std::string> names;
	for (const Name &name : request.variables)
		names.push_back(name.str());
	variables_ = find_map(object_.get(), ".bss");
	size_t size;
	auto *begin = static_cast<const uint8_t *>(bpf_map__initial_value(variables_, &size));
	std::vector<uint8_t *> places = find_variables(object_.get(), variables_, names);
	for (size_t i = 0; i < max_variables; i++)
		reply_.variable_at[i] = places[i] ? static_cast<uint32_t>(places[i] - begin) : no_place;
	reply_.variables_bytes = static_cast<uint32_t>(size);
}

void Loaded::select(const LoadRequest &request, const btf *kernel, bool with_cgroup)
{
	bpf_program *program;

	bpf_object__for_each_program (program, object_.get()) {
		if (bpf_program__autoload(program))
			continue;
		bool wanted = is_cgroup(program) ? with_cgroup
						 : is_there(kernel, hook_of(program), condition_of(request, program));
		bpf_program__set_autoload(program, wanted);
		if (!wanted && !is_cgroup(program))
			leave_out(program, 0, "");
	}
}

void Loaded::leave_out(const bpf_program *program, int error, const std::string &reason)
{
	if (reply_.left_out_count == max_left_out)
		return;
	LeftOut &entry = reply_.left_out[reply_.left_out_count++];
	copy_text(entry.program.text, bpf_program__name(program));
	entry.error = error;
	copy_text(entry.reason, reason);
}

void Loaded::attach(const LoadRequest &request)
{
	bpf_program *program;
	bool has_cgroup = false;

	bpf_object__for_each_program (program, object_.get()) {
		if (is_cgroup(program)) {
			has_cgroup = true;
			continue;
		}
		if (is_iterator(program) || !bpf_program__autoload(program))
			continue;
		bpf_link *link = bpf_program__attach(program);
		if (!link)
			throw failed("attach", errno, std::string(bpf_program__section_name(program)));
		links_.emplace_back(link);
	}
	if (has_cgroup)
		attach_cgroup(request);
}

// Attaches the programs for cgroups to the root: all of them that may not fail, or none.
void Loaded::attach_cgroup(const LoadRequest &request)
{
	CgroupRoot root = open_cgroup_root();
	Fd folder(root.fd);
	if (is_out_of_files(root.error))
		throw failed("attach", root.error, "root cgroup");
	std::string why = root.why;
	int error = root.error;
	const bpf_program *failed_one = nullptr;
	std::vector<Link> links;
	bpf_program *program;

	bpf_object__for_each_program (program, object_.get()) {
		if (!is_cgroup(program))
			continue;
		if (!failed_one)
			failed_one = program;
		if (!why.empty())
			break;
		failed_one = program;
		if (!bpf_program__autoload(program)) {
			why = "it needs CAP_NET_ADMIN";
			error = EPERM;
			break;
		}
		bpf_link *link = bpf_program__attach_cgroup(program, folder.get());
		if (link) {
			links.emplace_back(link);
			continue;
		}
		error = errno;
		if (is_out_of_files(error))
			throw failed("attach", error, root.path);
		const Condition *condition = condition_of(request, program);
		if (condition && condition->may_fail)
			leave_out(program, error, hook_of(program).target + ": " + strerror(error));
		else
			why = root.path + ": " + strerror(error);
	}
	if (!why.empty()) {
		leave_out(failed_one, error ? error : ENODEV, why);
		return;
	}
	for (Link &link : links)
		links_.push_back(std::move(link));
}

void Loaded::attach_iterators(const LoadRequest &request)
{
	for (const Iterator &iterator : request.iterators) {
		if (iterator.program.is_empty())
			break;
		const bpf_program *program =
		    bpf_object__find_program_by_name(object_.get(), iterator.program.str().c_str());
		if (!program)
			throw failed("open", ENOENT, "program " + iterator.program.str());
		iterators_.push_back(attach_iterator(
		    program, iterator.map.is_empty() ? nullptr : find_map(object_.get(), iterator.map.str())));
	}
}

int Loaded::ring() const
{
	return ring_ ? bpf_map__fd(ring_) : -1;
}

int Loaded::variables() const
{
	return bpf_map__fd(variables_);
}

Fd Loaded::iterate(size_t iterator) const
{
	if (iterator >= iterators_.size())
		throw Failure("FAILED", "iterate", ENOENT, "no such iterator");
	Fd pass(bpf_iter_create(bpf_link__fd(iterators_[iterator].get())));
	if (pass.get() < 0)
		throw Failure("FAILED", "iterate", errno, std::string("iterator: ") + strerror(errno));
	return pass;
}

uint64_t Loaded::skipped(const Name &name) const
{
	const bpf_program *program = bpf_object__find_program_by_name(object_.get(), name.str().c_str());
	bpf_prog_info info = {};
	uint32_t size = sizeof(info);
	int fd = program ? bpf_program__fd(program) : -1;

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.recursion_misses : 0;
}

// The status comes last: with it the rest is used.
Answer Loaded::tell_conntrack(KernelTypes &kernel) const
{
	bpf_map *map = bpf_object__find_map_by_name(object_.get(), ".data.conntrack");
	Conntrack places;

	if (!map)
		return not_wanted;
	if (!kernel.find_conntrack(&places))
		return unknown;
	size_t size;
	auto *begin = static_cast<const uint8_t *>(bpf_map__initial_value(map, &size));
	std::vector<uint8_t> value(begin, begin + size);
	const uint32_t numbers[] = {places.tuples_at, places.tuple_stride, places.status_at};
	std::vector<uint8_t *> found =
	    find_variables(object_.get(), map, {"tracked_tuples_at", "tracked_tuple_stride", "tracked_status_at"});
	for (size_t i = 0; i < found.size(); i++) {
		uint32_t key = 0;
		if (!found[i])
			throw failed("load", ENOENT, "variables of conntrack");
		memcpy(value.data() + (found[i] - begin), &numbers[i], sizeof(numbers[i]));
		if (bpf_map_update_elem(bpf_map__fd(map), &key, value.data(), BPF_ANY) != 0)
			throw failed("load", errno, "variables of conntrack");
	}
	return told;
}

} // namespace tcptop
