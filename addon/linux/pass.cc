#include "pass.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../source.hh"

namespace tcptop
{

namespace
{

// The bytes of whole records in `bytes`, each as long as its first two bytes say.
size_t whole_records(const uint8_t *bytes, size_t size)
{
	size_t at = 0;

	for (;;) {
		uint16_t length;
		if (at + sizeof(length) > size)
			return at;
		memcpy(&length, bytes + at, sizeof(length));
		if (length < sizeof(length))
			throw Failure("FAILED", "iterate", EBADMSG, "iterator: a record without a length");
		if (at + length > size)
			return at;
		at += length;
	}
}

} // namespace

// EAGAIN: the kernel walked a million entries that had nothing to say.
size_t read_pass(int fd, uint8_t *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = ::read(fd, to + done, size - done);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			throw Failure("FAILED", "iterate", errno, std::string("iterator: ") + strerror(errno));
		if (n == 0)
			break;
		done += static_cast<size_t>(n);
	}
	return done;
}

void Pass::begin(Fd file)
{
	end();
	file_ = std::move(file);
	stage_ = Stage::reading;
}

void Pass::end()
{
	file_ = Fd();
	rest_.clear();
	stage_ = Stage::idle;
}

size_t Pass::read(uint8_t *to, size_t size)
{
	if (stage_ == Stage::ended) {
		end();
		return 0;
	}
	if (record_bytes_ != by_head)
		size -= size % record_bytes_;
	try {
		size_t kept = rest_.size();
		if (kept > size)
			throw Failure("FAILED", "iterate", EMSGSIZE, "iterator: no room for a record");
		std::copy(rest_.begin(), rest_.end(), to);
		size_t got = kept + read_pass(file_.get(), to + kept, size - kept);
		if (got < size) {
			file_ = Fd();
			stage_ = Stage::ended;
		}
		size_t whole = record_bytes_ == by_head ? whole_records(to, got) : got;
		rest_.assign(to + whole, to + got);
		if (whole == 0 && got == size)
			throw Failure("FAILED", "iterate", EMSGSIZE, "iterator: no room for a record");
		if (whole == 0)
			end();
		return whole;
	} catch (const Failure &) {
		end();
		throw;
	}
}

} // namespace tcptop
