#include "objects.hh"

// libbpf reads the ELF image in place and wants it aligned.
#define OBJECT(name)                                                                                                   \
	asm(".pushsection .rodata\n"                                                                                   \
	    ".balign 8\n"                                                                                              \
	    "object_" #name "_begin:\n"                                                                                \
	    ".incbin \"" BPF_OBJECT_DIR "/" #name ".bpf.o\"\n"                                                         \
	    "object_" #name "_end:\n"                                                                                  \
	    ".popsection\n");                                                                                          \
	extern "C" __attribute__((visibility("hidden"))) const char object_##name##_begin[], object_##name##_end[];
#include "objects.def"
#undef OBJECT

namespace tcptop
{

const std::vector<BpfObject> &bpf_objects()
{
	static const std::vector<BpfObject> objects = {
#define OBJECT(name) {#name, object_##name##_begin, static_cast<size_t>(object_##name##_end - object_##name##_begin)},
#include "objects.def"
#undef OBJECT
	};
	return objects;
}

const BpfObject *find_object(const std::string &name)
{
	for (const BpfObject &object : bpf_objects())
		if (name == object.name)
			return &object;
	return nullptr;
}

} // namespace tcptop
