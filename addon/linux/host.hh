// What the broker does for the addon.
#pragma once

#include <memory>

#include "../broker/fd.hh"
#include "../broker/protocol.hh"

namespace tcptop
{

// A loaded object. Destruction detaches everything. Every call fails by throwing Failure; calls come from any thread.
class Held
{
      public:
	virtual ~Held() = default;
	virtual const LoadReply &reply() const = 0;
	// Each once.
	virtual Fd ring() = 0;
	virtual Fd variables() = 0;
	virtual Fd iterate(size_t iterator) = 0;
	virtual uint64_t skipped(const Name &program) = 0;
	virtual Answer tell_conntrack() = 0;
};

std::unique_ptr<Held> load(const LoadRequest &request);

} // namespace tcptop
