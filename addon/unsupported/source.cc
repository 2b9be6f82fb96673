// The sources of platforms that have no capture: it compiles, so it shows what a port must provide.
#include "../source.hh"

namespace tcptop
{

std::unique_ptr<Source> open_source(const LoadRequest &, const RecordSizes &)
{
	throw Failure("UNSUPPORTED", "open", 0, "this operating system has no capture; tcptop needs Linux");
}

bool find_conntrack(Conntrack *)
{
	return false;
}

void end_loading()
{
}

Facts facts()
{
	return {};
}

void confine(bool)
{
	throw Failure("UNSUPPORTED", "privileges", 0, "this operating system has no capabilities to give up");
}

bool has_reader(int)
{
	return true;
}

bool lock_file(int)
{
	return true;
}

std::string wire_layout()
{
	return {};
}

} // namespace tcptop
