// System calls that this process makes no more (seccomp(2)).
#pragma once

namespace tcptop
{

// In every thread and for good; it needs no_new_privs. False where the kernel has no such filters.
bool filter_calls();

} // namespace tcptop
