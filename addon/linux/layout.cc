// The layout of the records, as the compiled programs have it.
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <ostream>
#include <sstream>

#include "../broker/loader.hh"
#include "../broker/log.hh"
#include "../broker/objects.hh"
#include "../source.hh"

namespace tcptop
{

namespace
{

// u: a number, s: text, b: bytes, o: another struct.
char kind_of(const btf *types, uint32_t id)
{
	const btf_type *type = btf__type_by_id(types, static_cast<uint32_t>(btf__resolve_type(types, id)));

	if (btf_is_array(type)) {
		const btf_type *item = btf__type_by_id(types, btf_array(type)->type);
		return strcmp(btf__name_by_offset(types, item->name_off), "char") == 0 ? 's' : 'b';
	}
	return btf_is_composite(type) ? 'o' : 'u';
}

void describe(const btf *types, const btf_type *type, std::ostream &out)
{
	const char *name = btf__name_by_offset(types, type->name_off);
	const btf_member *member = btf_members(type);

	out << name << " " << type->size << "\n";
	for (int i = 0; i < btf_vlen(type); i++, member++)
		out << name << " " << btf__name_by_offset(types, member->name_off) << " "
		    << btf_member_bit_offset(type, i) / 8 << " " << btf__resolve_size(types, member->type) << " "
		    << kind_of(types, member->type) << "\n";
}

// The tags of bpf/record.h.
void describe_tagged(const btf *types, std::ostream &out)
{
	static const std::string prefix = "tcptop:";

	for (uint32_t id = 1; id < btf__type_cnt(types); id++) {
		const btf_type *tag = btf__type_by_id(types, id);
		if (!btf_is_decl_tag(tag))
			continue;
		std::string text = btf__name_by_offset(types, tag->name_off);
		const btf_type *type = btf__type_by_id(types, tag->type);
		if (text == prefix + "layout")
			describe(types, type, out);
		else if (text.compare(0, prefix.size(), prefix) == 0)
			out << btf__name_by_offset(types, type->name_off) << " " << text.substr(prefix.size()) << "\n";
	}
}

} // namespace

std::string wire_layout()
{
	std::ostringstream out;

	begin_log();
	for (const BpfObject &source : bpf_objects()) {
		Object object(bpf_object__open_mem(source.data, source.size, nullptr));
		const btf *types = object ? bpf_object__btf(object.get()) : nullptr;
		if (!types)
			throw failed("open", errno, "BPF object");
		describe_tagged(types, out);
	}
	return out.str();
}

} // namespace tcptop
