// What libbpf and the verifier said last.
#pragma once

#include <string>

#include "failure.hh"

namespace tcptop
{

// Drops what was said before and listens from now on.
void begin_log();

// The last lines, each with its newline.
std::string log_tail();

// A Failure with what an errno says, and the log.
Failure failed(const std::string &stage, int error, const std::string &what);

} // namespace tcptop
