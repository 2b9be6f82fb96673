#include "log.hh"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>

namespace tcptop
{

namespace
{

constexpr size_t kept_lines = 24;

std::mutex mutex;
std::deque<std::string> lines;

// libbpf appends the verifier's log, which can be long, to one message: it is cut into lines here.
int keep(libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_DEBUG)
		return 0;
	va_list again;
	va_copy(again, arguments);
	int length = vsnprintf(nullptr, 0, format, again);
	va_end(again);
	if (length <= 0)
		return 0;
	std::string text(static_cast<size_t>(length) + 1, '\0');
	vsnprintf(text.data(), text.size(), format, arguments);
	text.resize(static_cast<size_t>(length));

	std::lock_guard<std::mutex> lock(mutex);
	for (size_t at = 0; at < text.size();) {
		size_t end = text.find('\n', at);
		if (end == std::string::npos)
			end = text.size();
		if (end > at)
			lines.push_back(text.substr(at, end - at));
		if (lines.size() > kept_lines)
			lines.pop_front();
		at = end + 1;
	}
	return 0;
}

} // namespace

void begin_log()
{
	std::lock_guard<std::mutex> lock(mutex);
	lines.clear();
	libbpf_set_print(keep);
}

std::string log_tail()
{
	std::lock_guard<std::mutex> lock(mutex);
	std::string text;
	for (const std::string &line : lines)
		text += line + "\n";
	return text;
}

Failure failed(const std::string &stage, int error, const std::string &what)
{
	Failure failure("FAILED", stage, error, what + ": " + strerror(error));

	failure.log = log_tail();
	return failure;
}

} // namespace tcptop
