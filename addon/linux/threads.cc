// The C library changes user ids in all threads, but capabilities and Landlock's rules only in the calling one, so each
// thread is made to do it in a signal handler. The signal is the one by which the C library does the same for user
// ids: no thread can block it, and it has no other use while this runs on the main thread.
#include "threads.hh"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "../broker/failure.hh"

namespace tcptop
{

namespace
{

constexpr int SIGNAL_OF_SETXID = 33; // glibc: SIGSETXID, sysdeps/unix/sysv/linux/internal-signals.h

// The kernel's struct sigaction, the same on x86-64 and arm64.
struct KernelAction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)();
	uint64_t mask;
};

int signal_action(const KernelAction *action, KernelAction *former)
{
	return static_cast<int>(
	    syscall(SYS_rt_sigaction, SIGNAL_OF_SETXID, action, former, sizeof(KernelAction::mask)));
}

void (*the_act)();

void on_signal(int)
{
	int error = errno;
	the_act();
	errno = error;
}

// Signals every thread that has not acted yet, once: the signal queues, and one that came after the C library has its
// handler back would end the process. False while there are any.
bool signal_others(bool (*has_acted)(const char *), std::set<int> *signalled)
{
	DIR *tasks = opendir("/proc/self/task");
	bool all = tasks != nullptr;

	while (const dirent *task = tasks ? readdir(tasks) : nullptr) {
		if (task->d_name[0] == '.' || has_acted(task->d_name))
			continue;
		int tid = atoi(task->d_name);
		if (signalled->insert(tid).second)
			syscall(SYS_tgkill, getpid(), tid, SIGNAL_OF_SETXID);
		all = false;
	}
	if (tasks)
		closedir(tasks);
	return all;
}

// Whether /proc is there and is that of this PID namespace, by whose numbers threads are signalled.
bool lists_threads()
{
	char self[32];
	ssize_t length = readlink("/proc/self", self, sizeof(self));

	return length > 0 && std::string(self, static_cast<size_t>(length)) == std::to_string(getpid());
}

[[noreturn]] void fail(int error, const char *what)
{
	throw Failure("FAILED", "privileges", error, std::string(what) + ": " + strerror(error));
}

} // namespace

bool in_every_thread(void (*act)(), bool (*has_acted)(const char *))
{
	KernelAction former;

	if (!lists_threads()) {
		act();
		return false;
	}
	if (signal_action(nullptr, &former) != 0)
		fail(errno, "rt_sigaction");
	// glibc has its handler there since the first thread was made. In another C library the signal means
	// something else, or ends the process.
	if (former.handler == nullptr)
		fail(ENOSYS, "this C library's threads cannot be reached");
	the_act = act;
	KernelAction action = former;
	action.handler = on_signal;
	if (signal_action(&action, nullptr) != 0)
		fail(errno, "rt_sigaction");
	act();
	// A thread that was made while the list was read has what the one has that made it: twice in a row there
	// must be none left.
	std::set<int> signalled;
	int rounds_clean = 0;
	for (int round = 0; round < 1000 && rounds_clean < 2; round++) {
		rounds_clean = signal_others(has_acted, &signalled) ? rounds_clean + 1 : 0;
		if (rounds_clean < 2)
			usleep(1000);
	}
	// The handler stays where a thread has not come to it yet: the C library's would end the process.
	if (rounds_clean < 2)
		fail(ETIMEDOUT, "a thread keeps its capabilities");
	signal_action(&former, nullptr);
	return true;
}

} // namespace tcptop
