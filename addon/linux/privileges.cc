// Giving up capabilities in every thread of the process (capabilities(7), "Per-thread").
//
// The C library changes user ids in all threads but capabilities only in the calling one, so each thread is
// made to do it in a signal handler. The signal is the one by which the C library does the same for user
// ids: no thread can block it, and it has no other use while this runs on the main thread.
#include <bpf/bpf.h>
#include <dirent.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "../broker/failure.hh"
#include "../source.hh"

namespace tcptop
{

namespace
{

constexpr int SIGNAL_OF_SETXID = 33; // glibc: SIGSETXID, sysdeps/unix/sysv/linux/internal-signals.h

constexpr uint64_t bit(int capability)
{
	return uint64_t(1) << capability;
}

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

struct Capabilities {
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
};

// capget and capset of the calling thread.
bool get_capabilities(Capabilities *out)
{
	__user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	__user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	out->effective = data[0].effective | uint64_t(data[1].effective) << 32;
	out->permitted = data[0].permitted | uint64_t(data[1].permitted) << 32;
	out->inheritable = data[0].inheritable | uint64_t(data[1].inheritable) << 32;
	return true;
}

bool set_capabilities(const Capabilities &set)
{
	__user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	__user_cap_data_struct data[2] = {
	    {uint32_t(set.effective), uint32_t(set.permitted), uint32_t(set.inheritable)},
	    {uint32_t(set.effective >> 32), uint32_t(set.permitted >> 32), uint32_t(set.inheritable >> 32)},
	};

	return syscall(SYS_capset, &header, data) == 0;
}

uint64_t kept;

// Async-signal-safe: system calls only. The bounding set needs CAP_SETPCAP, so it comes first.
void confine_thread()
{
	for (int capability = 0; capability < 64; capability++) {
		if (!(kept & bit(capability)))
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	}
	set_capabilities({kept, kept, 0});
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void on_signal(int)
{
	int error = errno;
	confine_thread();
	errno = error;
}

// From 5.19 (c8644cd0efe7), kernel.unprivileged_bpf_disabled keeps only the making of programs and maps from
// processes without CAP_BPF; before, it kept every call.
bool bpf_calls_need_capability(const Capabilities &now)
{
	bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	if (!set_capabilities({0, now.permitted, now.inheritable}))
		return true;
	bool refused = bpf_obj_get_info_by_fd(-1, &info, &size) != 0 && errno == EPERM;
	set_capabilities(now);
	return refused;
}

bool is_confined(const char *tid)
{
	char path[64];
	char line[128];
	unsigned long long permitted = ~0ULL;
	int no_new_privs = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", tid);
	FILE *status = fopen(path, "re");
	if (!status)
		return true; // it has ended
	while (fgets(line, sizeof(line), status)) {
		sscanf(line, "CapPrm: %llx", &permitted);
		sscanf(line, "NoNewPrivs: %d", &no_new_privs);
	}
	fclose(status);
	return (permitted & ~kept) == 0 && no_new_privs == 1;
}

// Signals every thread that is not confined yet, once: the signal queues, and one that came after the C library
// has its handler back would end the process. False while there are any.
bool confine_threads(std::set<int> *signalled)
{
	DIR *tasks = opendir("/proc/self/task");
	bool all = tasks != nullptr;

	while (const dirent *task = tasks ? readdir(tasks) : nullptr) {
		if (task->d_name[0] == '.' || is_confined(task->d_name))
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

[[noreturn]] void fail(const char *what)
{
	throw Failure("FAILED", "privileges", errno, std::string(what) + ": " + strerror(errno));
}

} // namespace

void confine(bool keeps_file_access)
{
	Capabilities now;
	KernelAction former;

	if (!get_capabilities(&now))
		fail("capget");
	uint64_t wanted = bit(CAP_SYS_PTRACE);
	if (keeps_file_access)
		wanted |= bit(CAP_DAC_OVERRIDE);
	if (bpf_calls_need_capability(now))
		wanted |= bit(CAP_BPF);
	kept = now.permitted & wanted;
	if (signal_action(nullptr, &former) != 0)
		fail("rt_sigaction");
	// glibc has its handler there since the first thread was made. In another C library the signal means
	// something else, or ends the process.
	if (former.handler == nullptr) {
		errno = ENOSYS;
		fail("this C library's threads cannot be reached");
	}
	KernelAction action = former;
	action.handler = on_signal;
	if (signal_action(&action, nullptr) != 0)
		fail("rt_sigaction");
	confine_thread();
	// A thread that was made while the list was read has the capabilities of the one that made it: twice
	// in a row there must be none left.
	std::set<int> signalled;
	int rounds_clean = 0;
	for (int round = 0; round < 1000 && rounds_clean < 2; round++) {
		rounds_clean = confine_threads(&signalled) ? rounds_clean + 1 : 0;
		if (rounds_clean < 2)
			usleep(1000);
	}
	// The handler stays where a thread has not come to it yet: the C library's would end the process.
	if (rounds_clean < 2) {
		errno = ETIMEDOUT;
		fail("a thread keeps its capabilities");
	}
	signal_action(&former, nullptr);
}

} // namespace tcptop
