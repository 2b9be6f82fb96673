// What files a thread may open (landlock(7)).
#pragma once

#include <string>
#include <vector>

#include "../broker/fd.hh"

namespace tcptop
{

// Rules to open only what is below `readable`, and for reading; without a descriptor where the kernel has no Landlock.
Fd landlock_rules(const std::vector<std::string> &readable);

// Async-signal-safe. For the calling thread and for good; it needs no_new_privs.
bool restrict_to(int rules);

} // namespace tcptop
