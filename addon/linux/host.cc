#include "host.hh"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <cstring>

#include "../broker/loader.hh"
#include "../broker/log.hh"
#include "../broker/preemption.hh"
#include "../source.hh"

namespace tcptop
{

namespace
{

// A pending signal makes the verifier give up (EAGAIN), and libbpf does after some tries: for the time of
// loading, signals wait.
class SignalsWait
{
      public:
	SignalsWait()
	{
		sigset_t all;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &former_);
	}
	~SignalsWait()
	{
		pthread_sigmask(SIG_SETMASK, &former_, nullptr);
	}
	SignalsWait(const SignalsWait &) = delete;
	SignalsWait &operator=(const SignalsWait &) = delete;

      private:
	sigset_t former_;
};

KernelTypes &kernel_types()
{
	static KernelTypes types;

	return types;
}

Fd copy_of(int fd)
{
	Fd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));

	if (copy.get() < 0)
		throw failed("load", errno, "map");
	return copy;
}

class InProcess : public Held
{
      public:
	explicit InProcess(const LoadRequest &request) : loaded_(request, kernel_types())
	{
	}
	const LoadReply &reply() const override
	{
		return loaded_.reply();
	}
	Fd ring() override
	{
		return copy_of(loaded_.ring());
	}
	Fd variables() override
	{
		return copy_of(loaded_.variables());
	}
	Fd iterate(size_t iterator) override
	{
		return loaded_.iterate(iterator);
	}
	uint64_t skipped(const Name &program) override
	{
		return loaded_.skipped(program);
	}

      private:
	Loaded loaded_;
};

} // namespace

std::unique_ptr<Held> load(const LoadRequest &request)
{
	SignalsWait while_loading;

	check_kernel();
	return std::make_unique<InProcess>(request);
}

bool find_conntrack(Conntrack *out)
{
	begin_log();
	return kernel_types().find_conntrack(out);
}

void end_loading()
{
	kernel_types().drop();
}

} // namespace tcptop
