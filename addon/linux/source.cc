// A source on Linux: the ring buffer, the global variables and the iterators of a loaded BPF object.
#include "../source.hh"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "../broker/preemption.hh"
#include "host.hh"
#include "pass.hh"
#include "ring.hh"

namespace tcptop
{

namespace
{

// The length of a record without anything in it, where its head says the length (bpf/record.h).
constexpr uint16_t head_bytes = 16;

// The global variables of a loaded object, in memory shared with its programs.
class Variables
{
      public:
	Variables(const Fd &map, size_t size) : size_(size)
	{
		void *memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
		if (memory == MAP_FAILED)
			throw Failure("FAILED", "load", errno, std::string("global variables: ") + strerror(errno));
		memory_ = static_cast<uint8_t *>(memory);
	}
	~Variables()
	{
		munmap(memory_, size_);
	}
	Variables(const Variables &) = delete;
	Variables &operator=(const Variables &) = delete;

	uint8_t *at(uint32_t place) const
	{
		return place < size_ ? memory_ + place : nullptr;
	}

      private:
	uint8_t *memory_;
	size_t size_;
};

class LinuxSource : public Source
{
      public:
	LinuxSource(std::unique_ptr<Held> held, const RecordSizes &sizes)
	    : held_(std::move(held)), variables_(held_->variables(), held_->reply().variables_bytes),
	      ring_record_(sizes.ring)
	{
		for (uint32_t bytes : sizes.iterators)
			passes_.emplace_back(bytes);
		if (held_->reply().ring_bytes > 0)
			ring_ = std::make_unique<Ring>(held_->ring(), held_->reply().ring_bytes);
	}

	const LoadReply &reply() const override
	{
		return held_->reply();
	}

	size_t drain(uint8_t *to, size_t size) override
	{
		size_t done = 0;

		if (!ring_)
			return 0;
		ring_->consume([&](const uint8_t *record, size_t length) {
			size_t room = size - done;
			if (ring_record_ == by_head)
				return take_by_head(record, length, to, room, &done);
			if (room < ring_record_)
				return false;
			// A record of another size becomes an empty one, which the decoder counts as invalid.
			if (length == ring_record_)
				memcpy(to + done, record, length);
			else
				memset(to + done, 0, ring_record_);
			done += ring_record_;
			return true;
		});
		return done;
	}

	size_t iterate(size_t iterator, uint8_t *to, size_t size) override
	{
		Pass &pass = passes_.at(iterator);

		if (pass.is_idle())
			pass.begin(held_->iterate(iterator));
		return pass.read(to, size);
	}

	std::vector<uint8_t> walk(size_t iterator) override
	{
		constexpr size_t step = 16384;
		std::vector<uint8_t> out;
		Fd file = held_->iterate(iterator);

		for (;;) {
			size_t at = out.size();
			out.resize(at + step);
			size_t n = read_pass(file.get(), out.data() + at, step);
			out.resize(at + n);
			if (n < step)
				return out;
		}
	}

	uint8_t *variable(size_t variable) override
	{
		return variables_.at(reply().variable_at[variable]);
	}

	uint64_t skipped(const Name &program) override
	{
		return held_->skipped(program);
	}

	Answer tell_conntrack() override
	{
		return held_->tell_conntrack();
	}

      private:
	// A record whose head does not say its length becomes a head without anything.
	static bool take_by_head(const uint8_t *record, size_t length, uint8_t *to, size_t room, size_t *done)
	{
		uint16_t said = 0;
		uint8_t nothing[head_bytes] = {};

		if (length >= head_bytes)
			memcpy(&said, record, sizeof(said));
		if (said != length) {
			memcpy(nothing, &head_bytes, sizeof(head_bytes));
			record = nothing;
			length = head_bytes;
		}
		if (room < length && *done == 0)
			throw Failure("FAILED", "drain", EMSGSIZE, "ring buffer: no room for a record");
		if (room < length)
			return false;
		memcpy(to + *done, record, length);
		*done += length;
		return true;
	}

	std::unique_ptr<Held> held_;
	Variables variables_;
	uint32_t ring_record_;
	std::vector<Pass> passes_;
	std::unique_ptr<Ring> ring_;
};

// The resolution of the coarse clock is the length of a jiffy (kernel/time/posix-timers.c).
uint64_t tick_ns()
{
	timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return static_cast<uint64_t>(tick.tv_nsec) + static_cast<uint64_t>(tick.tv_sec) * 1000000000u;
}

} // namespace

std::unique_ptr<Source> open_source(const LoadRequest &request, const RecordSizes &sizes)
{
	return std::make_unique<LinuxSource>(load(request), sizes);
}

Facts facts()
{
	return {static_cast<uint32_t>(sysconf(_SC_PAGESIZE)), tick_ns(), is_preemptible(preemption_facts())};
}

} // namespace tcptop
