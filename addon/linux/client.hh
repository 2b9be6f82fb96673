// The broker, as Node sees it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../broker/fd.hh"
#include "../broker/protocol.hh"

namespace tcptop
{

// Starts the broker, and speaks to it. All of it throws Failure; calls come from any thread.
class Client
{
      public:
	// The one of this process, which start() has made, with its process id.
	static Client &get();
	static pid_t start(const std::string &program);

	// Waits until the broker has ended, and what it held is detached. Safe to call twice, and without a broker.
	static void stop();

	// Fills the reply, and returns the files that come with it.
	std::vector<Fd> ask(const Request &request, Reply *reply, const std::vector<int> &files = {});

      private:
	std::mutex mutex_;
	Fd socket_;
	pid_t pid_ = 0;
};

// A request without anything in it but its call.
Request request_for(Call call);

} // namespace tcptop
