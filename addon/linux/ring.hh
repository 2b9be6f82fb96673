// The reader of a BPF ring buffer, by its descriptor and size alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "../broker/fd.hh"

namespace tcptop
{

// libbpf's reader asks bpf(2) for the size, which an unprivileged process may not call on every kernel
// (kernel.unprivileged_bpf_disabled). Layout: kernel/bpf/ringbuf.c.
class Ring
{
      public:
	// Throws Failure.
	Ring(Fd map, uint32_t bytes);
	~Ring();
	Ring(const Ring &) = delete;
	Ring &operator=(const Ring &) = delete;

	// Calls `take` for each waiting record until it refuses one, which then waits for the next call.
	void consume(const std::function<bool(const uint8_t *record, size_t size)> &take);

      private:
	Fd map_;
	size_t page_;
	size_t bytes_;
	uint8_t *consumer_;
	const uint8_t *producer_;
};

} // namespace tcptop
