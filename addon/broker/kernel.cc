#include "kernel.hh"

#include <bpf/bpf.h>
#include <malloc.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "failure.hh"
#include "fd.hh"
#include "log.hh"

namespace tcptop
{

namespace
{

constexpr const char *module_types = "/sys/kernel/btf/nf_conntrack";

// struct nf_conntrack_tuple as the programs read it (bpf/flows/udp-cgroup.h, struct tracked_tuple).
constexpr uint32_t tuple_size = 40;

const btf_type *find_struct(const btf *types, const char *name)
{
	int id = btf__find_by_name_kind(types, name, BTF_KIND_STRUCT);

	return id < 0 ? nullptr : btf__type_by_id(types, static_cast<uint32_t>(id));
}

std::optional<uint32_t> offset_of_member(const btf *types, const btf_type *type, const char *name)
{
	for (uint32_t i = 0; type && i < btf_vlen(type); i++)
		if (strcmp(btf__name_by_offset(types, btf_members(type)[i].name_off), name) == 0)
			return btf_member_bit_offset(type, i) / 8;
	return std::nullopt;
}

bool find_in(const btf *types, Conntrack *out)
{
	const btf_type *connection = find_struct(types, "nf_conn");
	const btf_type *hash = find_struct(types, "nf_conntrack_tuple_hash");
	const btf_type *tuple = find_struct(types, "nf_conntrack_tuple");
	std::optional<uint32_t> status = offset_of_member(types, connection, "status");
	std::optional<uint32_t> hashes = offset_of_member(types, connection, "tuplehash");
	std::optional<uint32_t> in_hash = offset_of_member(types, hash, "tuple");

	if (!status || !hashes || !in_hash || !tuple || tuple->size != tuple_size)
		return false;
	*out = {*hashes + *in_hash, hash->size, *status};
	return true;
}

} // namespace

btf *KernelTypes::get()
{
	if (!types_)
		types_.reset(btf__load_vmlinux_btf());
	if (!types_)
		throw failed("load", errno, "kernel BTF");
	return types_.get();
}

// libbpf has parsed tens of megabytes.
void KernelTypes::drop()
{
	types_.reset();
	malloc_trim(0);
}

bool KernelTypes::find_conntrack(Conntrack *out)
{
	if (find_in(get(), out))
		return true;
	Btf module(access(module_types, F_OK) == 0 ? btf__parse_split(module_types, get()) : nullptr);
	return module && find_in(module.get(), out);
}

uint32_t ring_size(uint32_t bytes)
{
	uint32_t size = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));

	while (size < bytes && size < 1u << 30)
		size *= 2;
	return size;
}

void check_kernel()
{
	begin_log();
	Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "tcptop_check", 4, 4, 1, nullptr));
	if (map.get() < 0 && errno == ENOSYS)
		throw Failure("NO_BPF", "check", ENOSYS, "this kernel has no BPF (CONFIG_BPF_SYSCALL)");
	if (map.get() < 0 && errno == EPERM)
		throw Failure("NO_PERMISSION", "check", EPERM, "the kernel does not let this process use BPF");
	if (map.get() < 0)
		throw failed("check", errno, "BPF map");

	Fd ring(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "tcptop_check", 0, 0, ring_size(1), nullptr));
	if (ring.get() < 0 && errno == EINVAL)
		throw Failure("NO_RING_BUFFER", "check", EINVAL,
			      "this kernel has no BPF ring buffer (Linux 5.8 and later have it)");
	if (ring.get() < 0)
		throw failed("check", errno, "BPF ring buffer");

	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		throw Failure("NO_BTF", "check", errno,
			      "this kernel has no BTF (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF)");
}

} // namespace tcptop
