// The layout of the records, as the compiled programs have it.
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <sstream>

#include "../broker/loader.hh"
#include "../broker/log.hh"
#include "../broker/objects.hh"
#include "../source.hh"

namespace tcptop
{

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
