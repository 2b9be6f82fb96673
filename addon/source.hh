// The native platform trait: programs in the kernel and what they deliver. Nothing here depends on Node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/failure.hh"
#include "broker/protocol.hh"

namespace tcptop
{

// How long records are: a fixed number of bytes, or as the first two bytes of each say (bpf/record.h).
constexpr uint32_t by_head = 0;

struct RecordSizes {
	uint32_t ring;
	uint32_t iterators[max_iterators];
};

// A BPF object at work. Destruction detaches everything. Every call fails by throwing Failure. Calls come from one
// thread, but walk() may run on another beside them.
class Source
{
      public:
	virtual ~Source() = default;

	virtual const LoadReply &reply() const = 0;

	// Moves waiting records of the ring to `to`, whole ones only. Returns the bytes written; when not even one
	// more record would fit, more may wait.
	virtual size_t drain(uint8_t *to, size_t size) = 0;

	// Writes whole records of an iterator. A pass takes as many calls as it needs: it goes on at every call
	// until one returns 0, which ends it.
	virtual size_t iterate(size_t iterator, uint8_t *to, size_t size) = 0;

	// All that an iterator writes in one pass.
	virtual std::vector<uint8_t> walk(size_t iterator) = 0;

	// A global variable, shared with the programs; null where the object has none of that name.
	virtual uint8_t *variable(size_t variable) = 0;

	// How often the kernel has skipped a program that it would have run on top of itself.
	virtual uint64_t skipped(const Name &program) = 0;
};

std::unique_ptr<Source> open_source(const LoadRequest &request, const RecordSizes &sizes);

// Where NAT keeps the addresses of a connection; false while the kernel does not say. Throws Failure.
bool find_conntrack(Conntrack *out);

// Frees what loading needs and nothing else.
void end_loading();

struct Facts {
	uint32_t page_bytes;
	uint64_t tick_ns; // length of a jiffy
	bool is_preemptible;
};

Facts facts();

// Gives up, in every thread and for good, all capabilities that an open capture does not need, and the means to
// gain others by exec (no_new_privs). Kept as far as there: CAP_SYS_PTRACE, which shows the network namespaces
// of others' processes; CAP_BPF where the kernel asks for it to read maps; with `keeps_file_access` CAP_DAC_OVERRIDE.
// Throws Failure if a thread could not be made to. Call it on the main thread.
void confine(bool keeps_file_access);

// Whether the other end of a pipe or socket is open; true for a file, and where it is not known.
bool has_reader(int fd);

// Locks a file that is open for writing, for as long as it is open. False when another writer has locked it; true
// also where it cannot be locked, for a reader or for ever.
bool lock_file(int fd);

// What the BTF of the compiled BPF objects says of the structs that cross to user space (bpf/record.h): lines of
// "struct size", "struct field offset size kind" and "struct tag=value".
std::string wire_layout();

} // namespace tcptop
