// The native platform trait: the calls of a capture. Nothing here depends on Node.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "wire.h"

namespace tcptop
{

struct Settings {
	std::string backend; // "auto" or one backend's name
	uint64_t udp_idle_ns;
	uint32_t max_tcp_flows;
	uint32_t max_udp_flows;
	uint32_t ring_bytes; // rounded up to a power of two of at least a page
};

// A backend that could not be used, or a limit of the chosen one.
struct StepDown {
	std::string backend;
	std::string reason;
};

// Why a capture could not be opened. `code` is one of NO_BPF, NO_BTF, NO_RING_BUFFER, NO_PERMISSION,
// NO_BACKEND, UNSUPPORTED, FAILED.
struct Failure : std::runtime_error {
	Failure(std::string code, std::string stage, int error, const std::string &what)
	    : std::runtime_error(what), code(std::move(code)), stage(std::move(stage)), error(error)
	{
	}
	std::string code;
	std::string stage;
	int error; // errno, 0 if there is none
	std::string log;
	std::vector<StepDown> step_downs;
};

// Whether a system call failed for want of file descriptors, which no other backend has more of.
inline bool is_out_of_files(int error)
{
	return error == EMFILE || error == ENFILE;
}

// A running capture. Destruction detaches everything. Every call fails by throwing Failure.
// Calls come from one thread, but owners() may run on another beside them.
class Collector
{
      public:
	virtual ~Collector() = default;

	virtual const std::string &backend() const = 0;
	virtual const std::vector<StepDown> &step_downs() const = 0;

	// Moves waiting event records to `to`, whole ones only. Returns the bytes written; when not even
	// one more record would fit, more may wait.
	virtual size_t drain(uint8_t *to, size_t size) = 0;

	// Writes the records of flows that moved since the last sweep. A sweep takes as many calls as it
	// needs: it goes on at every call until one returns 0, which ends it.
	virtual size_t sweep(uint8_t *to, size_t size) = 0;

	// Like sweep(), with the record of every TCP flow, moved or not.
	virtual size_t sweep_all(uint8_t *to, size_t size) = 0;

	// Enters connections that are older than the capture, names owners that are missing, and returns a
	// tcptop_owner for each socket and process that holds it.
	virtual std::vector<uint8_t> owners() = 0;

	// Flows without an owner in the last sweep that owners() has not searched for yet.
	virtual uint64_t unowned() const = 0;

	virtual tcptop_losses losses() const = 0;
};

// Tries the backends in order of preference and opens the first that loads and attaches.
std::unique_ptr<Collector> open_collector(const Settings &settings);

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

// The layout of the wire structs as the compiled BPF objects have it (BTF): one line a field,
// "struct field offset size".
std::string wire_layout();

} // namespace tcptop
