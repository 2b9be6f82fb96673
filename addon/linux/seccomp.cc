#include "seccomp.hh"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tcptop
{

namespace
{

#if defined(__x86_64__)
constexpr uint32_t architecture = AUDIT_ARCH_X86_64;
constexpr uint32_t foreign_from = 0x40000000; // the x32 calls
#else
constexpr uint32_t architecture = AUDIT_ARCH_AARCH64;
constexpr uint32_t foreign_from = UINT32_MAX;
#endif

// Numbers above 423 are the same on all architectures, and not in the oldest headers that this is built with.
constexpr uint32_t pidfd_send_signal = 424, io_uring_setup = 425, io_uring_enter = 426, io_uring_register = 427,
		   open_tree = 428, move_mount = 429, fsopen_number = 430, fsconfig = 431, fsmount = 432, fspick = 433,
		   pidfd_open = 434, clone3 = 435, pidfd_getfd = 438, mount_setattr = 442;

// Programs, other processes and their memory, sockets, the kernel and its modules, namespaces and mounts.
constexpr uint32_t refused[] = {
    SYS_execve,
    SYS_execveat,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    pidfd_send_signal,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    pidfd_open,
    pidfd_getfd,
    SYS_socket,
    SYS_socketpair,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_personality,
    SYS_acct,
    SYS_swapon,
    SYS_swapoff,
    SYS_reboot,
    SYS_syslog,
    SYS_quotactl,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    open_tree,
    move_mount,
    fsopen_number,
    fsconfig,
    fsmount,
    fspick,
    mount_setattr,
};

// What programs try and do without: in place of clone3(), whose flags a filter cannot read, they call clone().
constexpr uint32_t unknown[] = {clone3, io_uring_setup, io_uring_enter, io_uring_register};

constexpr uint32_t new_namespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// What puts text into the input of a terminal, for its shell to read.
constexpr uint32_t refused_ioctls[] = {TIOCSTI, TIOCLINUX};

sock_filter load(size_t at)
{
	return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(at));
}

void answer(std::vector<sock_filter> *filter, uint32_t number, uint32_t with)
{
	filter->push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
	filter->push_back(BPF_STMT(BPF_RET | BPF_K, with));
}

// The lower half of an argument, which has all of an int.
sock_filter load_argument(size_t number)
{
	constexpr size_t lower = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0;

	return load(offsetof(seccomp_data, args) + number * sizeof(uint64_t) + lower);
}

// A call that depends on an argument; `checks` end in an answer, or fall through to what is allowed.
void answer_by(std::vector<sock_filter> *filter, uint32_t number, size_t argument,
	       const std::vector<sock_filter> &checks)
{
	filter->push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, static_cast<uint8_t>(checks.size() + 2)));
	filter->push_back(load_argument(argument));
	filter->insert(filter->end(), checks.begin(), checks.end());
	filter->push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

constexpr sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);

// Signals reach this process, and by kill(0) what was started together with it: the terminal's job is suspended so.
void answer_by_arguments(std::vector<sock_filter> *filter)
{
	const uint32_t self = static_cast<uint32_t>(getpid());
	std::vector<sock_filter> ioctls;

	answer_by(
	    filter, SYS_kill, 0,
	    {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, self, 1, 0), refuse});
	answer_by(filter, SYS_tgkill, 0, {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, self, 1, 0), refuse});
	answer_by(filter, SYS_clone, 0,
		  {BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, new_namespaces, 1, 0),
		   BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0), refuse});
	for (uint32_t request : refused_ioctls) {
		ioctls.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, request, 0, 1));
		ioctls.push_back(refuse);
	}
	answer_by(filter, SYS_ioctl, 1, ioctls);
}

} // namespace

bool filter_calls()
{
	std::vector<sock_filter> filter;

	filter.push_back(load(offsetof(seccomp_data, arch)));
	filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0));
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	filter.push_back(load(offsetof(seccomp_data, nr)));
	filter.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, foreign_from, 0, 1));
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
	for (uint32_t number : refused)
		answer(&filter, number, SECCOMP_RET_ERRNO | EPERM);
	for (uint32_t number : unknown)
		answer(&filter, number, SECCOMP_RET_ERRNO | ENOSYS);
	answer_by_arguments(&filter);
	filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

} // namespace tcptop
