// One pass of an iterator: a file whose content the BPF program writes while it is read.
#pragma once

#include <cstdint>
#include <vector>

#include "../broker/fd.hh"

namespace tcptop
{

// Fills `to` as far as there is something to read. Less than `size` means the end of the pass. Throws Failure.
size_t read_pass(int fd, uint8_t *to, size_t size);

// Whole records of a pass, in as many calls as the reader's memory needs.
class Pass
{
      public:
	// `record_bytes`: by_head, or the length of all.
	explicit Pass(uint32_t record_bytes) : record_bytes_(record_bytes)
	{
	}
	bool is_idle() const
	{
		return stage_ == Stage::idle;
	}
	void begin(Fd file);
	// 0 ends the pass.
	size_t read(uint8_t *to, size_t size);
	void end();

      private:
	enum class Stage { idle, reading, ended };

	uint32_t record_bytes_;
	Stage stage_ = Stage::idle;
	Fd file_;
	std::vector<uint8_t> rest_; // the beginning of a record whose end is not read yet
};

} // namespace tcptop
