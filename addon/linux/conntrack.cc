#include "conntrack.hh"

#include <unistd.h>

#include <cstring>

#include "loader.hh"

namespace tcptop
{

namespace
{

constexpr const char *module_types = "/sys/kernel/btf/nf_conntrack";

// struct nf_conntrack_tuple as the programs read it (bpf/udp-cgroup.h, struct tracked_tuple).
constexpr uint32_t tuple_size = 40;

const btf_type *find_struct(const btf *types, const char *name)
{
	int id = btf__find_by_name_kind(types, name, BTF_KIND_STRUCT);

	return id < 0 ? nullptr : btf__type_by_id(types, static_cast<uint32_t>(id));
}

std::optional<uint32_t> offset_of_member(const btf *types, const btf_type *type, const char *name)
{
	for (int i = 0; type && i < btf_vlen(type); i++)
		if (strcmp(btf__name_by_offset(types, btf_members(type)[i].name_off), name) == 0)
			return btf_member_bit_offset(type, static_cast<uint32_t>(i)) / 8;
	return std::nullopt;
}

std::optional<ConntrackLayout> layout_by(const btf *types)
{
	const btf_type *connection = find_struct(types, "nf_conn");
	const btf_type *hash = find_struct(types, "nf_conntrack_tuple_hash");
	const btf_type *tuple = find_struct(types, "nf_conntrack_tuple");
	std::optional<uint32_t> status = offset_of_member(types, connection, "status");
	std::optional<uint32_t> hashes = offset_of_member(types, connection, "tuplehash");
	std::optional<uint32_t> in_hash = offset_of_member(types, hash, "tuple");

	if (!status || !hashes || !in_hash || !tuple || tuple->size != tuple_size)
		return std::nullopt;
	return ConntrackLayout{*status, *hashes + *in_hash, hash->size};
}

} // namespace

std::optional<ConntrackLayout> find_conntrack(btf *kernel)
{
	std::optional<ConntrackLayout> built_in = layout_by(kernel);

	if (built_in || !describes_conntrack_module())
		return built_in;
	Btf module(btf__parse_split(module_types, kernel));
	return module ? layout_by(module.get()) : std::nullopt;
}

bool describes_conntrack_module()
{
	return access(module_types, R_OK) == 0;
}

bool hides_conntrack()
{
	return access("/sys/module/nf_conntrack", F_OK) == 0 && !describes_conntrack_module();
}

} // namespace tcptop
