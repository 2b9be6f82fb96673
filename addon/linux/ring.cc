#include "ring.hh"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "../broker/failure.hh"

namespace tcptop
{

namespace
{

constexpr size_t head_bytes = BPF_RINGBUF_HDR_SZ;

uint8_t *map_pages(int fd, size_t bytes, int protection, size_t from)
{
	void *memory = mmap(nullptr, bytes, protection, MAP_SHARED, fd, static_cast<off_t>(from));

	if (memory == MAP_FAILED)
		throw Failure("FAILED", "ring buffer", errno, std::string("ring buffer: ") + strerror(errno));
	return static_cast<uint8_t *>(memory);
}

// With its head, a record takes a multiple of eight bytes.
uint64_t place_of(uint32_t length)
{
	return (length + head_bytes + 7) / 8 * 8;
}

} // namespace

// The consumer's page can be written to; the producer's and the data, mapped twice in a row, can be read.
Ring::Ring(Fd map, uint32_t bytes)
    : map_(std::move(map)), page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), bytes_(bytes),
      consumer_(map_pages(map_.get(), page_, PROT_READ | PROT_WRITE, 0))
{
	try {
		producer_ = map_pages(map_.get(), page_ + 2 * bytes_, PROT_READ, page_);
	} catch (...) {
		munmap(consumer_, page_);
		throw;
	}
}

Ring::~Ring()
{
	munmap(consumer_, page_);
	munmap(const_cast<uint8_t *>(producer_), page_ + 2 * bytes_);
}

void Ring::consume(const std::function<bool(const uint8_t *, size_t)> &take)
{
	auto *consumed = reinterpret_cast<uint64_t *>(consumer_);
	auto *produced = reinterpret_cast<const uint64_t *>(producer_);
	const uint8_t *data = producer_ + page_;
	uint64_t at = __atomic_load_n(consumed, __ATOMIC_ACQUIRE);

	while (at < __atomic_load_n(produced, __ATOMIC_ACQUIRE)) {
		const uint8_t *head = data + (at & (bytes_ - 1));
		uint32_t length = __atomic_load_n(reinterpret_cast<const uint32_t *>(head), __ATOMIC_ACQUIRE);
		if (length & BPF_RINGBUF_BUSY_BIT)
			return;
		bool is_discarded = length & BPF_RINGBUF_DISCARD_BIT;
		length &= ~BPF_RINGBUF_DISCARD_BIT;
		if (!is_discarded && !take(head + head_bytes, length))
			return;
		at += place_of(length);
		__atomic_store_n(consumed, at, __ATOMIC_RELEASE);
	}
}

} // namespace tcptop
