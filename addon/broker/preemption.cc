#include "preemption.hh"

#include <sys/utsname.h>

#include <fstream>
#include <sstream>

namespace tcptop
{

namespace
{

std::string contents(const std::string &path)
{
	std::ifstream file(path);
	std::ostringstream text;

	text << file.rdbuf();
	return text.str();
}

bool has(const std::string &text, const char *part)
{
	return text.find(part) != std::string::npos;
}

// kernel/sched/core.c, preempt_modes.
bool is_preempting_mode(const std::string &mode)
{
	return mode != "none" && mode != "voluntary";
}

// The value of the last preempt= on the kernel's command line, empty without one.
std::string asked_mode(const std::string &command)
{
	std::istringstream words(command);
	std::string word, mode;

	while (words >> word)
		if (word.rfind("preempt=", 0) == 0)
			mode = word.substr(8);
	return mode;
}

} // namespace

bool is_preemptible(const PreemptionFacts &facts)
{
	if (!facts.version.empty() && !has(facts.version, "PREEMPT"))
		return false;
	if (!facts.version.empty() && !has(facts.version, "PREEMPT_DYNAMIC"))
		return true;
	size_t from = facts.mode.find('('), to = facts.mode.find(')');
	if (from != std::string::npos && to != std::string::npos && from < to)
		return is_preempting_mode(facts.mode.substr(from + 1, to - from - 1));
	std::string asked = asked_mode(facts.command);
	if (!asked.empty())
		return is_preempting_mode(asked);
	return !has(facts.config, "\nCONFIG_PREEMPT_NONE=y\n") && !has(facts.config, "\nCONFIG_PREEMPT_VOLUNTARY=y\n");
}

PreemptionFacts preemption_facts()
{
	utsname name = {};
	bool is_known = uname(&name) == 0;

	return {is_known ? name.version : "", contents("/sys/kernel/debug/sched/preempt"), contents("/proc/cmdline"),
		is_known ? contents(std::string("/boot/config-") + name.release) : ""};
}

} // namespace tcptop
