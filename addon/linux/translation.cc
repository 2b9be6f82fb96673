#include "translation.hh"

#include <malloc.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "loader.hh"

namespace tcptop
{

namespace
{

constexpr const char *module_types = "/sys/kernel/btf/nf_conntrack";

// struct nf_conntrack_tuple as the programs read it (bpf/udp-cgroup.h, struct tracked_tuple).
constexpr uint32_t tuple_size = 40;

bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

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

} // namespace

Translation::Translation(const Globals &globals, btf *kernel)
    : tuples_at_(static_cast<volatile uint32_t *>(globals.find("tracked_tuples_at"))),
      tuple_stride_(static_cast<volatile uint32_t *>(globals.find("tracked_tuple_stride"))),
      status_at_(static_cast<volatile uint32_t *>(globals.find("tracked_status_at"))),
      may_hide_(static_cast<volatile bool *>(globals.find("udp_may_hide")))
{
	awaits_conntrack_ = !learn_conntrack(kernel) && !learn_from_module(kernel);
	look_again();
}

bool Translation::learn_from_module(btf *kernel)
{
	Btf module(exists(module_types) ? btf__parse_split(module_types, kernel) : nullptr);

	return module && learn_conntrack(module.get());
}

bool Translation::learn_conntrack(const btf *types)
{
	const btf_type *connection = find_struct(types, "nf_conn");
	const btf_type *hash = find_struct(types, "nf_conntrack_tuple_hash");
	const btf_type *tuple = find_struct(types, "nf_conntrack_tuple");
	std::optional<uint32_t> status = offset_of_member(types, connection, "status");
	std::optional<uint32_t> hashes = offset_of_member(types, connection, "tuplehash");
	std::optional<uint32_t> in_hash = offset_of_member(types, hash, "tuple");

	if (!status || !hashes || !in_hash || !tuple || tuple->size != tuple_size)
		return false;
	*tuples_at_ = *hashes + *in_hash;
	*tuple_stride_ = hash->size;
	*status_at_ = *status;
	return true;
}

void Translation::look_again()
{
	if (!*may_hide_ && (exists("/sys/module/esp4") || exists("/sys/module/esp6")))
		*may_hide_ = true;
	if (!awaits_conntrack_ || !exists(module_types))
		return;
	awaits_conntrack_ = false;
	Btf kernel(btf__load_vmlinux_btf());
	if (kernel)
		learn_from_module(kernel.get());
	kernel.reset();
	malloc_trim(0);
}

std::string Translation::fault() const
{
	if (!awaits_conntrack_ || !exists("/sys/module/nf_conntrack"))
		return "";
	return "UDP that is translated (NAT) has its translated addresses: the kernel does not describe the types of "
	       "nf_conntrack";
}

} // namespace tcptop
