#include "objects.hh"

// libbpf reads the ELF image in place and wants it aligned.
#define EMBED(name)                                                                                                    \
	asm(".pushsection .rodata\n"                                                                                   \
	    ".balign 8\n"                                                                                              \
	    "object_" #name "_begin:\n"                                                                                \
	    ".incbin \"" BPF_OBJECT_DIR "/" #name ".bpf.o\"\n"                                                         \
	    "object_" #name "_end:\n"                                                                                  \
	    ".popsection\n");                                                                                          \
	extern "C" __attribute__((visibility("hidden"))) const char object_##name##_begin[], object_##name##_end[]

EMBED(fentry);
EMBED(kprobe);
EMBED(tracepoint);

namespace tcptop
{

const std::vector<BpfObject> &bpf_objects()
{
	static const std::vector<BpfObject> objects = {
	    {"fentry", object_fentry_begin, static_cast<size_t>(object_fentry_end - object_fentry_begin)},
	    {"kprobe", object_kprobe_begin, static_cast<size_t>(object_kprobe_end - object_kprobe_begin)},
	    {"tracepoint", object_tracepoint_begin,
	     static_cast<size_t>(object_tracepoint_end - object_tracepoint_begin)},
	};
	return objects;
}

} // namespace tcptop
