// Something done by every thread of the process.
#pragma once

namespace tcptop
{

// `act` is a signal handler's: system calls only. `has_acted`: whether the thread of this id has done it, or inherited
// it. Call it on the main thread. False: without /proc, or with that of another PID namespace, only that one has done
// it. Throws Failure where a thread cannot be made to.
bool in_every_thread(void (*act)(), bool (*has_acted)(const char *tid));

} // namespace tcptop
