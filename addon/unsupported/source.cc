// The sources of platforms that have no capture: it compiles, so it shows what a port must provide.
#include "../source.hh"

namespace tcptop
{

std::unique_ptr<Source> open_source(const LoadRequest &, const RecordSizes &)
{
	throw Failure("UNSUPPORTED", "open", 0, "this operating system has no capture; tcptop needs Linux");
}

namespace
{

[[noreturn]] void fail()
{
	throw Failure("UNSUPPORTED", "broker", 0, "this operating system has no capture; tcptop needs Linux");
}

} // namespace

int start_broker(const std::string &)
{
	fail();
}

void stop_broker()
{
}

void end_loading()
{
	fail();
}

uint64_t netns_of(uint32_t)
{
	return 0;
}

uint32_t keep_output(int, const std::string &, uint32_t)
{
	fail();
}

int open_output(uint32_t, bool *)
{
	fail();
}

void drop_output(uint32_t, int)
{
	fail();
}

void move_output(uint32_t, int, const std::string &)
{
	fail();
}

bool find_user(const std::string &, User *)
{
	return false;
}

Facts facts()
{
	return {};
}

Confinement confine(const User *, const std::vector<std::string> &)
{
	throw Failure("UNSUPPORTED", "privileges", 0, "this operating system has no privileges to give up");
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
