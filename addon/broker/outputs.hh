// The files that the command line has tcptop write to, once Node may not open them any more.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "fd.hh"

namespace tcptop
{

// Files are known by the path of their directory and their name in it. No link is followed on the way, and nothing but
// these is opened, renamed or removed. All of it throws Failure.
class Outputs
{
      public:
	// `owner`: a user who may have the file, besides root and this process's.
	size_t keep(Fd folder, const std::string &name, uid_t owner);

	bool is_empty() const
	{
		return outputs_.empty();
	}

	// Opens the file for appending. `is_new`: it must not be there; else it is made where it is not, and set to
	// that.
	Fd open(size_t output, bool *is_new) const;

	// Removes the name if it is still this file's and nobody wrote to it.
	void drop(size_t output, const Fd &file) const;

	// Appends to the name if it is still this file's and no other file has that one.
	void move(size_t output, const Fd &file, const std::string &suffix) const;

      private:
	struct Output {
		std::string folder; // its path, without symbolic links
		std::string name;
		uid_t owner;
	};

	const Output &at(size_t output) const;

	std::vector<Output> outputs_;
};

} // namespace tcptop
