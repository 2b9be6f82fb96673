// tcptop-broker: loads BPF programs and opens what Node may not, for as long as its socket is open.
//
// Node starts it and gives up its own privileges. What it may be asked for is in protocol.hh. Of text it reads the
// kernel's only, while it loads: mountinfo, a setting, the number of a kind of event.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <map>

#include "capabilities.hh"
#include "channel.hh"
#include "failure.hh"
#include "loader.hh"
#include "log.hh"
#include "outputs.hh"
#include "protocol.hh"

namespace
{

using namespace tcptop;

constexpr int socket_fd = 3;
constexpr long close_range_number = 436; // of Linux 5.9, which the oldest headers do not have
constexpr size_t max_sources = 16;

// The number in "net:[4026531840]", which stat() gives without reading the link.
uint64_t netns_of(uint32_t pid)
{
	struct stat facts;
	std::string path = "/proc/" + std::to_string(pid) + "/ns/net";

	return stat(path.c_str(), &facts) == 0 ? facts.st_ino : 0;
}

class Broker
{
      public:
	// The files that go along with the reply.
	std::vector<int> answer(const Request &request, std::vector<Fd> files, Reply *reply)
	{
		if (is_sealed_ && request.call <= Call::seal)
			throw Failure("FAILED", "broker", EPERM, "what is used was said at the start");
		bool is_new = false;
		held_ = Fd();
		switch (request.call) {
		case Call::load:
			return load(request, reply);
		case Call::keep_output:
			if (files.size() != 1)
				break;
			reply->number = outputs_.keep(std::move(files[0]), text_of(request.text), request.index);
			return {};
		case Call::seal:
			is_sealed_ = true;
			kernel_.drop();
			if (!reduce_to(broker_capabilities | (outputs_.is_empty() ? 0 : output_capabilities)))
				throw failed("broker", errno, "capabilities");
			return {};
		case Call::unload:
			sources_.erase(request.source);
			return {};
		case Call::iterate:
			held_ = source(request).iterate(request.index);
			return {held_.get()};
		case Call::skipped:
			reply->number = source(request).skipped(request.name);
			return {};
		case Call::conntrack:
			begin_log();
			reply->number = source(request).tell_conntrack(kernel_);
			if (is_sealed_)
				kernel_.drop();
			return {};
		case Call::netns:
			reply->number = netns_of(request.pid);
			return {};
		case Call::open_output:
		case Call::make_output:
			is_new = request.call == Call::make_output;
			held_ = outputs_.open(request.index, &is_new);
			reply->number = is_new;
			return {held_.get()};
		case Call::drop_output:
			if (files.size() != 1)
				break;
			outputs_.drop(request.index, files[0]);
			return {};
		case Call::move_output:
			if (files.size() != 1)
				break;
			outputs_.move(request.index, files[0], text_of(request.text));
			return {};
		}
		throw Failure("FAILED", "broker", EINVAL, "no such call");
	}

      private:
	std::vector<int> load(const Request &request, Reply *reply)
	{
		if (sources_.size() == max_sources)
			throw Failure("FAILED", "broker", E2BIG, "too many sources");
		check_kernel();
		auto loaded = std::make_unique<Loaded>(request.load, kernel_);
		reply->load = loaded->reply();
		reply->source = ++last_source_;
		std::vector<int> files = {loaded->variables()};
		if (loaded->ring() >= 0)
			files.push_back(loaded->ring());
		sources_[last_source_] = std::move(loaded);
		return files;
	}

	Loaded &source(const Request &request)
	{
		auto found = sources_.find(request.source);

		if (found == sources_.end())
			throw Failure("CLOSED", "broker", 0, "the capture is closed");
		return *found->second;
	}

	KernelTypes kernel_;
	std::map<uint32_t, std::unique_ptr<Loaded>> sources_;
	uint32_t last_source_ = 0;
	Outputs outputs_;
	Fd held_; // until the reply is sent
	bool is_sealed_ = false;
};

void describe(const Failure &failure, Reply *reply)
{
	*reply = {};
	reply->has_failed = 1;
	copy_text(reply->failure.code, failure.code);
	copy_text(reply->failure.stage, failure.stage);
	reply->failure.error = failure.error;
	copy_text(reply->failure.what, failure.what());
	copy_text(reply->failure.log, failure.log);
}

// Signals to a group of processes are Node's to answer; this one ends with its socket.
void ignore_signals()
{
	for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP})
		signal(number, SIG_IGN);
}

} // namespace

int main()
{
	ignore_signals();
	if (!reduce_to(broker_capabilities | output_capabilities | loading_capabilities) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || chdir("/") != 0)
		return 1;
	// What tcptop's own caller has left open.
	syscall(close_range_number, socket_fd + 1, UINT_MAX, 0);

	Broker broker;
	Request request;
	Reply reply;
	std::vector<Fd> files;
	while (receive_message(socket_fd, &request, sizeof(request), &files) == 0) {
		std::vector<int> sent;
		memset(&reply, 0, sizeof(reply));
		try {
			sent = broker.answer(request, std::move(files), &reply);
		} catch (const Failure &failure) {
			describe(failure, &reply);
		} catch (const std::exception &failure) {
			describe(Failure("FAILED", "broker", 0, failure.what()), &reply);
		}
		if (send_message(socket_fd, &reply, sizeof(reply), sent) != 0)
			break;
	}
	return 0;
}
