// The last lines of libbpf, kept for error messages; nothing is printed.
#pragma once

#include <string>

namespace tcptop
{

// Begins collecting, with an empty log. libbpf has one print function for the whole process.
void begin_log();

// The last lines since begin_log(), newest last.
std::string log_tail();

} // namespace tcptop
