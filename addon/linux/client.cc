#include "client.hh"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "../broker/capabilities.hh"
#include "../broker/channel.hh"
#include "../broker/failure.hh"

namespace tcptop
{

namespace
{

constexpr int broker_socket = 3;
constexpr int first_free = 10; // above what the broker gets

Client *the_client;

Failure failure(const char *stage, int error, const std::string &what)
{
	return Failure("FAILED", stage, error, what + ": " + strerror(error));
}

// Without a terminal's signals, and with nothing open but its socket.
int spawn(const char *program, int socket, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	char *arguments[] = {const_cast<char *>("tcptop-broker"), nullptr};

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, socket, broker_socket);
	int error = posix_spawn(pid, program, &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

} // namespace

Client &Client::get()
{
	if (!the_client)
		throw Failure("CLOSED", "broker", 0, "the broker is not started");
	return *the_client;
}

pid_t Client::start(const std::string &program)
{
	int pair[2];

	if (the_client)
		return the_client->pid_;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		throw failure("broker", errno, "socket");
	Fd mine(pair[0]);
	Fd its(fcntl(pair[1], F_DUPFD_CLOEXEC, first_free));
	int error = errno;
	close(pair[1]);
	if (its.get() < 0)
		throw failure("broker", error, "socket");
	if (!pass_on(broker_capabilities | output_capabilities | loading_capabilities))
		throw failure("broker", errno, "capabilities");
	auto client = std::make_unique<Client>();
	error = spawn(program.c_str(), its.get(), &client->pid_);
	if (error)
		throw failure("broker", error, "cannot start " + program);
	client->socket_ = std::move(mine);
	the_client = client.release();
	return the_client->pid_;
}

void Client::stop()
{
	if (!the_client)
		return;
	std::lock_guard<std::mutex> lock(the_client->mutex_);
	if (the_client->socket_.get() < 0)
		return;
	the_client->socket_ = Fd();
	while (waitpid(the_client->pid_, nullptr, 0) < 0 && errno == EINTR)
		;
}

std::vector<Fd> Client::ask(const Request &request, Reply *reply, const std::vector<int> &files)
{
	std::vector<Fd> got;
	std::lock_guard<std::mutex> lock(mutex_);

	if (socket_.get() < 0)
		throw Failure("CLOSED", "broker", 0, "the broker is not started");
	int error = send_message(socket_.get(), &request, sizeof(request), files);
	if (error == 0)
		error = receive_message(socket_.get(), reply, sizeof(*reply), &got);
	if (error == EPIPE)
		throw Failure("BROKER_ENDED", "broker", 0, "the process with tcptop's privileges has ended");
	if (error)
		throw failure("broker", error, "broker");
	if (reply->has_failed) {
		const FailureReply &told = reply->failure;
		Failure failed(text_of(told.code), text_of(told.stage), told.error, text_of(told.what));
		failed.log = text_of(told.log);
		throw failed;
	}
	return got;
}

Request request_for(Call call)
{
	Request request;

	memset(static_cast<void *>(&request), 0, sizeof(request));
	request.call = call;
	return request;
}

} // namespace tcptop
