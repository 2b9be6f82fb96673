// Capabilities of the calling thread (capabilities(7)). All of it may be called in a signal handler.
#pragma once

#include <cstdint>

namespace tcptop
{

constexpr uint64_t bit(int capability)
{
	return uint64_t(1) << capability;
}

// What the broker keeps of those it is started with.
extern const uint64_t broker_capabilities;

// What it needs besides where it opens files to write to: they may be in anybody's folder, as when root opens them.
extern const uint64_t output_capabilities;

// What it needs besides until everything is loaded: for perf events of kernels that ask for CAP_SYS_ADMIN (Debian's
// kernel.perf_event_paranoid 3), the limit of locked memory (before Linux 5.11), and its bounding set.
extern const uint64_t loading_capabilities;

struct Capabilities {
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
};

bool get_capabilities(Capabilities *out);
bool set_capabilities(const Capabilities &set);

// Keeps at most these, for itself and for what it executes; and no_new_privs. False where that failed.
bool reduce_to(uint64_t kept);

// Lets what is executed have these, whatever its file says, as far as this thread has them.
bool pass_on(uint64_t passed);

} // namespace tcptop
