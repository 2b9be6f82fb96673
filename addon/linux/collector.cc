// The Linux collector: BPF programs of the best backend that works, their ring buffer and iterators.
#include "collector.hh"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loader.hh"
#include "log.hh"
#include "objects.hh"
#include "preemption.hh"

namespace tcptop
{

namespace
{

struct RingFree {
	void operator()(ring_buffer *ring) const
	{
		ring_buffer__free(ring);
	}
};

// One pass of an iterator: a file whose content the BPF program writes while it is read.
class Pass
{
      public:
	Pass() = default;
	~Pass()
	{
		end();
	}
	Pass(const Pass &) = delete;
	Pass &operator=(const Pass &) = delete;

	void begin(const bpf_link *link)
	{
		end();
		fd_ = bpf_iter_create(bpf_link__fd(link));
		if (fd_ < 0)
			throw Failure("FAILED", "sweep", errno, std::string("iterator: ") + strerror(errno));
	}

	// Fills `to` as far as there is something to read. Less than `size` means the end of the pass. EAGAIN:
	// the kernel walked a million entries that had nothing to say.
	size_t read(uint8_t *to, size_t size)
	{
		size_t done = 0;
		while (done < size) {
			ssize_t n = ::read(fd_, to + done, size - done);
			if (n < 0 && (errno == EAGAIN || errno == EINTR))
				continue;
			if (n < 0) {
				int error = errno;
				end();
				throw Failure("FAILED", "sweep", error, std::string("iterator: ") + strerror(error));
			}
			if (n == 0)
				break;
			done += static_cast<size_t>(n);
		}
		return done;
	}

	void end()
	{
		if (fd_ >= 0)
			::close(fd_);
		fd_ = -1;
	}

      private:
	int fd_ = -1;
};

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

class LinuxCollector : public Collector
{
      public:
	LinuxCollector(Loaded loaded, std::vector<StepDown> steps)
	    : loaded_(std::move(loaded)), steps_(std::move(steps))
	{
		for (const StepDown &limit : loaded_.limits)
			steps_.push_back(limit);
		losses_ = static_cast<tcptop_losses *>(loaded_.globals->find("losses"));
		unowned_ = static_cast<uint64_t *>(loaded_.globals->find("unowned_flows"));
		walks_ = static_cast<volatile uint32_t *>(loaded_.globals->find("walks"));
		report_all_ = static_cast<volatile bool *>(loaded_.globals->find("report_all"));
		bpf_map *events = bpf_object__find_map_by_name(loaded_.object.get(), "events");
		ring_.reset(ring_buffer__new(bpf_map__fd(events), take_record, this, nullptr));
		if (!ring_)
			throw Failure("FAILED", "ring buffer", errno, std::string("ring buffer: ") + strerror(errno));
	}

	const std::string &backend() const override
	{
		return loaded_.backend;
	}

	const std::vector<StepDown> &step_downs() const override
	{
		return steps_;
	}

	size_t drain(uint8_t *to, size_t size) override
	{
		to_ = to;
		room_ = size;
		int error = ring_buffer__consume(ring_.get());
		if (error < 0 && error != -ENOSPC)
			throw Failure("FAILED", "drain", -error, std::string("ring buffer: ") + strerror(-error));
		return size - room_;
	}

	size_t sweep(uint8_t *to, size_t size) override
	{
		size -= size % sizeof(tcptop_record);
		if (stage_ == Stage::idle) {
			if (loaded_.translation)
				loaded_.translation->look_again();
			*unowned_ = 0;
			pass_.begin(loaded_.sweep_tcp.get());
			stage_ = Stage::tcp;
		}
		size_t done = 0;
		while (done < size && stage_ != Stage::ended) {
			done += read_pass(to + done, size - done);
			if (done == size)
				break;
			pass_.end();
			if (stage_ == Stage::tcp)
				pass_.begin(loaded_.sweep_udp.get());
			stage_ = stage_ == Stage::tcp ? Stage::udp : Stage::ended;
		}
		if (done == 0) {
			stage_ = Stage::idle;
			*report_all_ = false;
		}
		return done;
	}

	size_t sweep_all(uint8_t *to, size_t size) override
	{
		if (stage_ == Stage::idle)
			*report_all_ = true;
		return sweep(to, size);
	}

	std::vector<uint8_t> owners() override
	{
		Pass pass;
		std::vector<uint8_t> out;
		constexpr size_t step = 256 * sizeof(tcptop_owner);

		__atomic_add_fetch(walks_, 1, __ATOMIC_SEQ_CST);
		pass.begin(loaded_.seed_owners.get());
		for (;;) {
			size_t at = out.size();
			out.resize(at + step);
			size_t n = pass.read(out.data() + at, step);
			out.resize(at + n);
			if (n < step)
				break;
		}
		return out;
	}

	uint64_t unowned() const override
	{
		return *static_cast<volatile uint64_t *>(unowned_);
	}

	tcptop_losses losses() const override
	{
		tcptop_losses copy;

		memcpy(&copy, losses_, sizeof(copy));
		copy.datagrams_untracked += missed_datagrams();
		return copy;
	}

      private:
	enum class Stage { idle, tcp, udp, ended };

	// The kernel skips a program that it would run on top of itself, in an interrupt. The next read of the
	// socket makes up for a skipped TCP program; a skipped datagram is lost.
	uint64_t missed_datagrams() const
	{
		uint64_t missed = 0;

		for (const char *name : {"send_ipv4", "send_ipv6", "consume"}) {
			const bpf_program *program = bpf_object__find_program_by_name(loaded_.object.get(), name);
			bpf_prog_info info = {};
			uint32_t size = sizeof(info);
			int fd = program ? bpf_program__fd(program) : -1;
			if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
				missed += info.recursion_misses;
		}
		return missed;
	}

	size_t read_pass(uint8_t *to, size_t size)
	{
		try {
			return pass_.read(to, size);
		} catch (const Failure &) {
			stage_ = Stage::idle;
			*report_all_ = false;
			throw;
		}
	}

	// libbpf counts a record as consumed even when the callback stops it, so it stops after the one
	// that leaves no room for another.
	static int take_record(void *context, void *data, size_t size)
	{
		auto *self = static_cast<LinuxCollector *>(context);

		// A record of another size becomes an empty one, which the decoder counts as invalid.
		if (size == sizeof(tcptop_record))
			memcpy(self->to_, data, size);
		else
			memset(self->to_, 0, sizeof(tcptop_record));
		self->to_ += sizeof(tcptop_record);
		self->room_ -= sizeof(tcptop_record);
		return self->room_ < sizeof(tcptop_record) ? -ENOSPC : 0;
	}

	Loaded loaded_;
	std::vector<StepDown> steps_;
	std::unique_ptr<ring_buffer, RingFree> ring_;
	tcptop_losses *losses_ = nullptr;
	uint64_t *unowned_ = nullptr;
	volatile uint32_t *walks_ = nullptr;
	volatile bool *report_all_ = nullptr;
	Pass pass_;
	Stage stage_ = Stage::idle;
	uint8_t *to_ = nullptr;
	size_t room_ = 0;
};

} // namespace

bool has_reader(int fd)
{
	pollfd descriptor = {fd, POLLOUT, 0};

	return poll(&descriptor, 1, 0) < 0 || !(descriptor.revents & (POLLERR | POLLHUP | POLLNVAL));
}

// A write lock of the open file description (fcntl(2), F_OFD_SETLK). A descriptor that is open for writing is needed
// for it, while flock(2) locks for any reader, too. A reader's read lock keeps a write lock out: the file is then
// written to without one.
bool lock_file(int fd)
{
	constexpr int tries = 100; // a lock that is gone when it is read again was no writer's
	struct flock other;

	for (int i = 0; i < tries; i++) {
		struct flock whole = {};
		whole.l_type = F_WRLCK;
		whole.l_whence = SEEK_SET;
		other = whole;
		if (fcntl(fd, F_OFD_SETLK, &whole) == 0 || (errno != EAGAIN && errno != EACCES))
			return true;
		if (fcntl(fd, F_OFD_GETLK, &other) != 0 || other.l_type == F_RDLCK)
			return true;
		if (other.l_type == F_WRLCK)
			return false;
	}
	return true;
}

namespace
{

constexpr const char *by_tracing = "fentry";

// On a preemptible kernel another task's datagram is skipped where it meets an fentry program that was preempted
// on that processor (docs/adr/0012-*.md), so fentry comes last.
std::vector<BpfObject> candidates(const Settings &settings, bool preemptible)
{
	std::vector<BpfObject> chosen;

	for (const BpfObject &source : bpf_objects())
		if (settings.backend == "auto" || settings.backend == source.backend)
			chosen.push_back(source);
	if (preemptible)
		std::reverse(chosen.begin(), chosen.end());
	return chosen;
}

// Remarks on a backend that works: why cheaper ones were passed over, what this one may miss.
std::vector<StepDown> remarks(const std::string &backend, const Settings &settings, bool preemptible)
{
	if (!preemptible)
		return {};
	if (backend == by_tracing)
		return {{by_tracing, "where the kernel preempts a task, UDP datagrams of another one may be "
				     "missed; they are counted as datagrams_untracked"}};
	if (settings.backend == "auto")
		return {{by_tracing, "used last: UDP is not exact where a kernel preempts its tasks"}};
	return {};
}

} // namespace

std::unique_ptr<Collector> open_collector(const Settings &settings)
{
	std::vector<StepDown> steps;
	std::string log;
	int error = 0;

	SignalsWait while_loading;
	check_kernel();
	Btf kernel = load_kernel_types();
	bool preemptible = is_preemptible(preemption_facts());
	std::vector<BpfObject> sources = candidates(settings, preemptible);
	std::unique_ptr<Loaded> spare;
	auto use = [&](Loaded loaded) {
		std::vector<StepDown> told = steps;
		for (const StepDown &remark : remarks(loaded.backend, settings, preemptible))
			told.push_back(remark);
		auto collector = std::make_unique<LinuxCollector>(std::move(loaded), std::move(told));
		kernel.reset();
		malloc_trim(0); // libbpf has parsed the kernel's BTF: tens of megabytes for a moment
		return collector;
	};
	for (const BpfObject &source : sources) {
		if (spare && source.backend == std::string(by_tracing))
			break;
		try {
			Loaded loaded = load(source, settings, kernel.get());
			if (!loaded.counts_udp_by_call || !preemptible || sources.size() == 1)
				return use(std::move(loaded));
			spare = std::make_unique<Loaded>(std::move(loaded));
		} catch (const Failure &failure) {
			if (is_out_of_files(failure.error))
				throw;
			steps.push_back({source.backend, failure.stage + ": " + failure.what()});
			log += failure.log;
			error = failure.error;
		}
	}
	if (spare)
		return use(std::move(*spare));
	Failure failure("NO_BACKEND", "load", error,
			steps.empty() ? "no backend is called " + settings.backend
				      : "no backend can be used on this kernel");
	failure.step_downs = std::move(steps);
	failure.log = std::move(log);
	throw failure;
}

} // namespace tcptop
