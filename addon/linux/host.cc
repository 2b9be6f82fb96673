#include "host.hh"

#include <malloc.h>

#include <cerrno>

#include "../source.hh"
#include "client.hh"

namespace tcptop
{

namespace
{

class AtBroker : public Held
{
      public:
	explicit AtBroker(const LoadRequest &load)
	{
		Request request = request_for(Call::load);
		request.load = load;
		Reply reply;
		std::vector<Fd> files = Client::get().ask(request, &reply);
		source_ = reply.source;
		reply_ = reply.load;
		if (files.size() != (reply_.ring_bytes > 0 ? 2 : 1))
			throw Failure("FAILED", "load", EBADMSG, "maps are missing");
		variables_ = std::move(files[0]);
		if (files.size() == 2)
			ring_ = std::move(files[1]);
	}
	~AtBroker() override
	{
		Reply reply;
		try {
			Client::get().ask(about(Call::unload), &reply);
		} catch (const Failure &) {
			// The broker has ended, and with it what it held.
		}
	}
	const LoadReply &reply() const override
	{
		return reply_;
	}
	Fd ring() override
	{
		return std::move(ring_);
	}
	Fd variables() override
	{
		return std::move(variables_);
	}
	Fd iterate(size_t iterator) override
	{
		Request request = about(Call::iterate);
		request.index = static_cast<uint32_t>(iterator);
		Reply reply;
		std::vector<Fd> files = Client::get().ask(request, &reply);
		if (files.size() != 1)
			throw Failure("FAILED", "iterate", EBADMSG, "iterator: no file");
		return std::move(files[0]);
	}
	uint64_t skipped(const Name &program) override
	{
		Request request = about(Call::skipped);
		request.name = program;
		Reply reply;
		Client::get().ask(request, &reply);
		return reply.number;
	}
	Answer tell_conntrack() override
	{
		Reply reply;
		Client::get().ask(about(Call::conntrack), &reply);
		return static_cast<Answer>(reply.number);
	}

      private:
	Request about(Call call) const
	{
		Request request = request_for(call);

		request.source = source_;
		return request;
	}

	uint32_t source_ = 0;
	LoadReply reply_;
	Fd ring_;
	Fd variables_;
};

} // namespace

std::unique_ptr<Held> load(const LoadRequest &request)
{
	return std::make_unique<AtBroker>(request);
}

int start_broker(const std::string &program)
{
	return Client::start(program);
}

void stop_broker()
{
	Client::stop();
}

void end_loading()
{
	Reply reply;

	Client::get().ask(request_for(Call::seal), &reply);
	malloc_trim(0); // what Node's own start has left behind
}

uint64_t netns_of(uint32_t pid)
{
	Request request = request_for(Call::netns);
	request.pid = pid;
	Reply reply;

	Client::get().ask(request, &reply);
	return reply.number;
}

uint32_t keep_output(int folder, const std::string &name, uint32_t owner)
{
	Request request = request_for(Call::keep_output);
	Reply reply;

	if (name.size() >= text_bytes)
		throw Failure("FAILED", "output", ENAMETOOLONG, strerror(ENAMETOOLONG));
	copy_text(request.text, name);
	request.index = owner;
	Client::get().ask(request, &reply, {folder});
	return static_cast<uint32_t>(reply.number);
}

int open_output(uint32_t output, bool *is_new)
{
	Request request = request_for(*is_new ? Call::make_output : Call::open_output);
	request.index = output;
	Reply reply;
	std::vector<Fd> files = Client::get().ask(request, &reply);

	if (files.size() != 1)
		throw Failure("FAILED", "output", EBADMSG, strerror(EBADMSG));
	*is_new = reply.number != 0;
	return files[0].release();
}

void drop_output(uint32_t output, int file)
{
	Request request = request_for(Call::drop_output);
	request.index = output;
	Reply reply;

	Client::get().ask(request, &reply, {file});
}

void move_output(uint32_t output, int file, const std::string &suffix)
{
	Request request = request_for(Call::move_output);
	request.index = output;
	Reply reply;

	copy_text(request.text, suffix);
	Client::get().ask(request, &reply, {file});
}

} // namespace tcptop
