// Why something of the kernel's could not be had.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>

namespace tcptop
{

// `code` is one of NO_BPF, NO_BTF, NO_RING_BUFFER, NO_PERMISSION, UNSUPPORTED, CLOSED, FAILED.
struct Failure : std::runtime_error {
	Failure(std::string code, std::string stage, int error, const std::string &what)
	    : std::runtime_error(what), code(std::move(code)), stage(std::move(stage)), error(error)
	{
	}
	std::string code;
	std::string stage;
	int error; // errno, 0 if there is none
	std::string log;
};

// Whether a system call failed for want of file descriptors.
inline bool is_out_of_files(int error)
{
	return error == EMFILE || error == ENFILE;
}

} // namespace tcptop
